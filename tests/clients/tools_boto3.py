"""boto3 as its users have it: keys and region are in the environment. Puts objects in the ways that there are to sign a payload."""
import base64
import hashlib
import io
import os
import urllib.error
import urllib.request
import zlib

import boto3
from boto3.s3.transfer import TransferConfig
from botocore import auth
from botocore.awsrequest import AWSRequest
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


class Chunks(auth.S3SigV4Auth):
    def payload(self, _):
        return "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


def signed_chunks():
    """As AWS's libraries for other languages send what they do not hold."""
    checksum = "x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()
    headers = {"content-type": "application/octet-stream", "content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32"}
    headers["x-amz-decoded-content-length"] = str(len(DATA))
    request = AWSRequest("PUT", url="https://bucket.s3.us-east-1.amazonaws.com/chunks", headers=headers)
    signer = Chunks(boto3.Session().get_credentials().get_frozen_credentials(), "s3", "us-east-1")
    signer.add_auth(request)
    place = [request.context["timestamp"], signer.credential_scope(request)]
    signature, body = request.headers["Authorization"].split("Signature=")[1], b""
    for chunk in (DATA[:40_000], DATA[40_000:], b""):
        hashes = [hashlib.sha256(b"").hexdigest(), hashlib.sha256(chunk).hexdigest()]
        signature = signer.signature("\n".join(["AWS4-HMAC-SHA256-PAYLOAD", *place, signature, *hashes]), request)
        body += f"{len(chunk):x};chunk-signature={signature}\r\n".encode() + chunk + (b"\r\n" if chunk else b"")
    hashes = [hashlib.sha256(checksum.encode() + b"\n").hexdigest()]
    signature = signer.signature("\n".join(["AWS4-HMAC-SHA256-TRAILER", *place, signature, *hashes]), request)
    body += f"{checksum}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()
    urllib.request.urlopen(urllib.request.Request(request.url, body, dict(request.headers.items()), method="PUT")).read()


try:
    s3 = put()
    presigned()
    signed_chunks()
    assert s3.get_object(**HERE, Key="chunks")["Body"].read() == DATA
    print([one["Name"] for one in s3.list_buckets()["Buckets"]])
    print([one["Key"] for one in s3.list_objects_v2(**HERE, Prefix="with")["Contents"]])
    print(boto3.client("sts").get_caller_identity()["Account"])
except ClientError as error:
    print(error.response["Error"]["Code"])
