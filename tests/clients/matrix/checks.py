"""The checks of the matrix for a client in Python. Receives a client, prints its version and one line of JSON for each check.

A client has `version()`; `ask(method, url, body)`, which follows redirects and gives an `Answer`; `parts(url)`, which gives the pieces
of a body as they come; and, where it can, `talk(url, text)`, which says something over a WebSocket and gives the answer. What it
cannot do it says with `Cannot`. The servers' addresses are in the environment.
"""
import collections
import hashlib
import json
import os

WEB, OLD, DENIED, EXPIRED, SOCKET, NAME, DIGEST = (
    os.environ[name] for name in ["WEB", "OLD", "DENIED", "EXPIRED", "SOCKET", "NAME", "DIGEST"]
)
DOWN, UP = 100 * 1024 * 1024, 20 * 1024 * 1024
# `protocol` is HTTP/2 or another, as the client says, or None if it knows only one; `headers` can be asked with names in any case.
Answer = collections.namedtuple("Answer", "status headers body protocol")


class Cannot(Exception):
    """It is no fault: the client has no such thing."""


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"{str(found)[:300]!r} instead of {wanted!r}")


def refused(answer, status, reason):
    expect(answer.status, status)
    expect(json.loads(answer.body)["reason"], reason)


def get(client):
    answer = client.ask("GET", f"{WEB}/version")
    expect((answer.status, answer.headers["x-version"], answer.body), (200, "HTTP/2.0", b"HTTP/2.0\n"))
    expect(client.ask("GET", f"{OLD}/version").body, b"HTTP/1.1\n")


def post(client):
    echo = json.loads(client.ask("POST", f"{WEB}/echo", b"the body").body)
    expect((echo["method"], echo["body"]), ("POST", "the body"))


def stream(client):
    parts = client.parts(f"{WEB}/parts/{NAME}")
    expect(next(parts), b"one\n")
    client.ask("GET", f"{WEB}/more/{NAME}")
    expect(b"".join(parts), b"two\n")


def down(client):
    digest = hashlib.sha256()
    for part in client.parts(f"{WEB}/stream/{DOWN}"):
        digest.update(part)
    expect(digest.hexdigest(), DIGEST)


def up(client):
    body = bytes(range(256)) * (UP // 256)
    expect(json.loads(client.ask("POST", f"{WEB}/upload", body).body)["sha256"], hashlib.sha256(body).hexdigest())


def http2(client):
    protocol = client.ask("GET", f"{WEB}/version").protocol
    if protocol is None:
        raise Cannot("HTTP/1.1")
    expect(protocol, "HTTP/2")


def compressed(client):
    expect(client.ask("GET", f"{WEB}/gzip").body, b"hello in gzip\n")


def redirect(client):
    expect(client.ask("GET", f"{WEB}/moved?{OLD}/version").body, b"HTTP/1.1\n")
    refused(client.ask("GET", f"{WEB}/moved?{DENIED}/"), 403, "host_not_allowed")


def denied(client):
    refused(client.ask("GET", f"{DENIED}/"), 403, "host_not_allowed")


def certificate(client):
    refused(client.ask("GET", f"{EXPIRED}/"), 502, "upstream_tls_expired")


def websocket(client):
    if not hasattr(client, "talk"):
        raise Cannot("no WebSocket")
    expect(client.talk(f"{SOCKET}/echo", "hello"), "hello")


def run(client):
    print(json.dumps({"version": client.version()}), flush=True)
    checks = [get, post, stream, down, up, http2, compressed, redirect, denied, certificate, websocket]
    for check in checks:
        result, why = "pass", ""
        try:
            check(client)
        except Cannot as reason:
            result, why = "none", str(reason)
        except Exception as error:
            result, why = "fail", f"{type(error).__name__}: {error}"
        print(json.dumps({"check": check.__name__, "result": result, "why": why}), flush=True)
