"""boto3 as its users have it: keys and region are in the environment. Puts objects in the ways that there are to sign a payload."""
import io
import os
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

WAYS = {
    "with a trailer": {},
    "without a hash": {"request_checksum_calculation": "when_required", "s3": {"payload_signing_enabled": False}},
    "with a hash": {"request_checksum_calculation": "when_required", "s3": {"payload_signing_enabled": True}},
}
DATA = os.urandom(70_000)
LARGE = os.urandom(5 << 20) + b"the rest"
HERE = {"Bucket": "bucket"}


def put():
    s3 = boto3.client("s3")
    s3.create_bucket(**HERE)
    for way, options in WAYS.items():
        s3 = boto3.client("s3", config=Config(**options))
        s3.put_object(**HERE, Key=f"{way}/a+b=\u00fc~", Body=DATA, Metadata={"note": "a  b"})
        assert s3.get_object(**HERE, Key=f"{way}/a+b=\u00fc~")["Body"].read() == DATA
    # In two parts.
    s3.upload_fileobj(io.BytesIO(LARGE), "bucket", "large", Config=TransferConfig(multipart_chunksize=5 << 20, multipart_threshold=5 << 20))
    assert s3.get_object(**HERE, Key="large")["Body"].read() == LARGE
    return s3


def presigned():
    s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
    url = s3.generate_presigned_url("put_object", Params={**HERE, "Key": "by url"}, ExpiresIn=60)
    upload = urllib.request.Request(url, DATA, {"content-type": "application/octet-stream"}, method="PUT")
    urllib.request.urlopen(upload).read()
    url = s3.generate_presigned_url("get_object", Params={**HERE, "Key": "by url"}, ExpiresIn=60)
    assert urllib.request.urlopen(url).read() == DATA
    # What it does unless it is told otherwise.
    url = boto3.client("s3").generate_presigned_url("get_object", Params={**HERE, "Key": "by url"}, ExpiresIn=60)
    try:
        urllib.request.urlopen(url)
    except urllib.error.HTTPError as error:
        assert "Signature=" in url and error.code == 400, (url, error)
    else:
        raise AssertionError(url)


try:
    s3 = put()
    presigned()
    print([one["Name"] for one in s3.list_buckets()["Buckets"]])
    print([one["Key"] for one in s3.list_objects_v2(**HERE, Prefix="with")["Contents"]])
    print(boto3.client("sts").get_caller_identity()["Account"])
except ClientError as error:
    print(error.response["Error"]["Code"])
