"""Requests signed by botocore, which is AWS's own implementation for Python.

Gets the number of requests on the command line. Writes one JSON object for each: as a workload sends it, signed with false keys
at another time or not at all, and as it is when signed with the real ones now.
"""

import datetime
import json
import random
import sys
from urllib.parse import quote

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 2, 28, 23, 59, 58)
BEFORE = NOW - datetime.timedelta(seconds=20)
TEXT = "abcXYZ019-._~ !$&'()*+,;=:@/?#%\u00e9\u4e2d"


def text(most, alphabet=TEXT):
    return "".join(random.choice(alphabet) for _ in range(random.randint(0, most)))


def path(objects):
    segments = [quote(text(6), safe="~/" if objects else "~") for _ in range(random.randint(1, 4))]
    if not objects:
        segments = [one for one in segments if one not in ("", ".", "..")]
    return "/" + "/".join(segments)


def request(objects):
    parameters = [quote(text(5, TEXT) or "p", safe="-_.~") + "=" + quote(text(5), safe="-_.~") for _ in range(random.randint(0, 4))]
    query = "?" + "&".join(parameters) if parameters else ""
    headers = [("User-Agent", "one/2"), ("Content-Type", "text/plain;  charset=utf-8")]
    headers += [("X-Amz-Meta-" + name, "v" + text(8, "ab  ,=\"")) for name in random.sample("abcde", random.randint(0, 4))]
    method = random.choice(["GET", "PUT", "POST", "DELETE"])
    body = text(40).encode() if method in ("PUT", "POST") else b""
    return {"method": method, "path": path(objects), "query": query, "headers": headers, "body": body}


def build(one, host):
    made = AWSRequest(method=one["method"], url=f"https://{host}{one['path']}{one['query']}", data=one["body"])
    for name, value in one["headers"]:
        made.headers[name] = value
    return made


def signed(one, host, place, kind, keys, now, unsigned):
    made = build(one, host)
    if unsigned:
        # What makes botocore leave the hash of a payload out.
        made.headers["Content-MD5"] = "x"
        made.context["has_streaming_input"] = True
    auth.get_current_datetime = lambda *_args, **_kwargs: now
    expires = {"expires": 900} if "Query" in kind.__name__ else {}
    kind(keys, place[1], place[0], **expires).add_auth(made)
    return {"url": made.url, "headers": [[name.lower(), value] for name, value in made.headers.items()]}


def case():
    objects = random.random() < 0.5
    presigned = random.random() < 0.4
    if objects:
        kind = auth.S3SigV4QueryAuth if presigned else auth.S3SigV4Auth
        place, host = ("eu-west-1", "s3"), "bucket.s3.eu-west-1.amazonaws.com"
    else:
        kind = auth.SigV4QueryAuth if presigned else auth.SigV4Auth
        place, host = ("us-gov-west-1", "execute-api"), random.choice(["x.execute-api.us-gov-west-1.amazonaws.com", "a.test:8443"])
    token = random.choice([None, "tok/en+" + text(10, "ab=/+")])
    one = request(objects)
    # botocore moves the body of a presigned request into the query.
    if presigned:
        one["body"] = b""
    unsigned = objects and not presigned and random.random() < 0.5
    own = Credentials("FALSE", "false", random.choice([None, "false-token"]))
    sent = signed(one, host, place, kind, own, BEFORE, unsigned)
    bare = unsigned and random.random() < 0.5
    if bare:
        made = build(one, host)
        sent = {"url": made.url, "headers": [[name.lower(), value] for name, value in made.headers.items()]}
        sent["headers"].append(["content-md5", "x"])
    expected = signed(one, host, place, kind, Credentials("AKREAL", "real/secret+key", token), NOW, unsigned)
    return {"method": one["method"], "body": one["body"].decode(), "token": token, "sent": sent, "expected": expected}


random.seed(int(sys.argv[2]))
for _ in range(int(sys.argv[1])):
    print(json.dumps(case()))
