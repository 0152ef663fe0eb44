"""Sends requests exactly as they are spelled, one line of JSON for each connection, and prints the status of each answer as a JSON list.

`address`, `port`; `name` is the server name if there is TLS, and `null` for none; `requests` are texts of HTTP/1.1, or lists of
header fields of HTTP/2. `FAKE` in them is the placeholder of the environment. `pipelined` ones are sent at once. `closed` stands where no
answer came.
"""
import http.client
import json
import os
import socket
import ssl
import sys


def opened(case):
    plain = socket.create_connection((case["address"], case["port"]), timeout=60)
    if "name" not in case:
        return plain
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2" if is_http2(case) else "http/1.1"])
    return context.wrap_socket(plain, server_hostname=case["name"])


def is_http2(case):
    return not isinstance(case["requests"][0], str)


class Shared:
    """One reader for all answers of a connection."""

    def __init__(self, stream):
        self.reader = stream.makefile("rb")

    def makefile(self, _):
        return self

    def close(self):
        pass

    def __getattr__(self, name):
        return getattr(self.reader, name)


def http1(case, stream):
    reader = Shared(stream)
    if case.get("pipelined"):
        stream.sendall("".join(case["requests"]).encode())
    for text in case["requests"]:
        if not case.get("pipelined"):
            stream.sendall(text.encode())
        answer = http.client.HTTPResponse(reader, method=text.split()[0])
        answer.begin()
        answer.read()
        yield answer.status


def http2(case, stream):
    # No table for header fields, so that each block can be read by itself.
    stream.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0)))
    reader = stream.makefile("rb")
    for number, fields in enumerate(case["requests"]):
        block = b"".join(literal(0, name.encode()) + literal(0, value.encode())[1:] for name, value in fields)
        stream.sendall(frame(HEADERS, 5, 2 * number + 1, block))
        yield answer2(reader)


def answer2(reader):
    head = None
    while start := reader.read(9):
        kind, flags, payload = start[3], start[4], reader.read(int.from_bytes(start[:3], "big"))
        if kind in (RST, GOAWAY):
            return "closed"
        if kind == HEADERS and head is None:
            # A change of the table's size comes before the first field.
            head = int(status(payload[1:] if payload[0] & 0xE0 == 0x20 else payload))
        if kind in (0, HEADERS) and flags & 1:
            return head
    return "closed"


for line in sys.stdin:
    case = json.loads(line.replace("FAKE", os.environ.get("FAKE", "none")))
    answers = []
    try:
        with opened(case) as stream:
            for answer in (http2 if is_http2(case) else http1)(case, stream):
                answers.append(answer)
                if answer == "closed":
                    break
    except (OSError, http.client.HTTPException):
        answers.append("closed")
    print(json.dumps(answers), flush=True)
