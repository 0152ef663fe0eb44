"""AWS, which is moto behind a check of every signature by botocore, AWS's own library: `tools_aws.py CERTIFICATE`; `KEY_ID`, `KEY`.

Prints for each request its method, the service, how it is signed and as what its payload; `refused` for one that is signed wrongly.
"""
import calendar
import hashlib
import io
import os
import re
import time
from urllib.parse import parse_qsl

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

KEYS = Credentials(os.environ["KEY_ID"], os.environ["KEY"])
MOTO = DomainDispatcherApplication(create_backend_app)
REFUSAL = b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>"


def header(environ, name):
    name = name.upper().replace("-", "_")
    return environ.get(name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + name, "")


def digest(content):
    return hashlib.sha256(content).hexdigest()


def chunks_are_signed(stream, sign, place):
    """Whether each chunk is, and with the trailers the last of them: every signature covers the one before."""
    size = None
    while size != 0:
        size, signature = stream.readline().decode().strip().split(";chunk-signature=")
        size = int(size, 16)
        content = stream.read(size)
        if not sign(["AWS4-HMAC-SHA256-PAYLOAD", *place], [digest(b""), digest(content)], signature):
            return False
        if size:
            stream.readline()
    trailers, _, signature = stream.read().partition(b"x-amz-trailer-signature:")
    trailers = trailers.replace(b"\r\n", b"\n")
    return sign(["AWS4-HMAC-SHA256-TRAILER", *place], [digest(trailers)], signature.decode().strip())


def signed(environ, sent):
    """How the request is signed, if it is, rightly and now."""
    path, _, query = environ["RAW_URI"].partition("?")
    claim, how = dict(re.findall(r"(\w+)=([^,\s]+)", header(environ, "authorization"))), "header"
    claim["Date"] = header(environ, "x-amz-date")
    if "X-Amz-Signature=" in query:
        claim, how = {name.removeprefix("X-Amz-"): value for name, value in parse_qsl(query)}, "presigned"
        query = "&".join(part for part in query.split("&") if not part.startswith("X-Amz-Signature="))
    if "Signature" not in claim:
        return None
    identity, _, region, service, _ = claim["Credential"].split("/")
    presigned = how == "presigned"
    if service == "s3":
        kind = auth.S3SigV4QueryAuth if presigned else auth.S3SigV4Auth
    else:
        kind = auth.SigV4QueryAuth if presigned else auth.SigV4Auth
    request = AWSRequest(environ["REQUEST_METHOD"], url=f"https://{environ['HTTP_HOST']}{path}?{query}", data=sent)
    for name in claim["SignedHeaders"].split(";"):
        request.headers[name] = header(environ, name)
    request.context["timestamp"] = claim["Date"]
    signer = kind(KEYS, service, region)
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    age = time.time() - calendar.timegm(time.strptime(claim["Date"], "%Y%m%dT%H%M%SZ"))
    payload = header(environ, "x-amz-content-sha256")
    if len(payload) == 64:
        is_whole = payload == digest(sent)
        payload = "hash"
    elif payload == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
        previous = [expected]

        def sign(before, after, signature):
            previous[0] = signer.signature("\n".join(before + previous + after), request)
            return previous[0] == signature

        is_whole = chunks_are_signed(io.BytesIO(sent), sign, [claim["Date"], signer.credential_scope(request)])
    else:
        is_whole = True
    right = identity == KEYS.access_key and claim["Signature"] == expected and abs(age) < 300 and is_whole
    return f"{service} {how} {payload or '-'}" if right else None


def app(environ, start):
    sent = read(environ)
    how = signed(environ, sent)
    print(environ["REQUEST_METHOD"], how or "refused", flush=True)
    if how is None:
        start("403 Forbidden", [("Content-Type", "application/xml")])
        return [REFUSAL]
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return MOTO(environ | {"wsgi.input": io.BytesIO(sent), "CONTENT_LENGTH": str(len(sent))}, start)


serve(app)
