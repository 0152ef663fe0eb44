"""An S3 server that checks signatures. Says in one line of JSON where it is and for which key it works; ends with its standard input."""

import json
import os
import sys

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
endpoint = f"http://{host}:{port}"
options = {
    "endpoint_url": endpoint,
    "region_name": "us-east-1",
    "aws_access_key_id": "nobody",
    "aws_secret_access_key": "nothing",
}
# The four actions that need no key that works.
iam = boto3.client("iam", **options)
iam.create_user(UserName="user")
key = iam.create_access_key(UserName="user")["AccessKey"]
statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
iam.put_user_policy(UserName="user", PolicyName="all", PolicyDocument=document)
boto3.client("s3", **options).create_bucket(Bucket="bucket")
print(json.dumps({"endpoint": endpoint, "id": key["AccessKeyId"], "key": key["SecretAccessKey"]}), flush=True)
sys.stdin.read()
