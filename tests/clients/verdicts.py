"""Puts requests on the wire exactly as they are spelled, one line of JSON each, and prints what came back, one line each.

`form` is http1, absolute, upload or http2, over TLS if `name` is there, which is the server name; or dns. Answers are the status and
the body of a response; `refused` for a connection, a stream or a handshake that is ended instead; `exists` or `unknown` for DNS.
"""
import json
import socket
import ssl
import struct
import sys


def opened(case):
    plain = socket.create_connection((case["address"], case["port"]), timeout=30)
    if "name" not in case:
        return plain
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if case["form"] == "http2":
        context.set_alpn_protocols(["h2"])
    # As octets it is sent as it is.
    return context.wrap_socket(plain, server_hostname=case["name"].encode() or None)


def rest(stream, data=b""):
    try:
        while piece := stream.recv(65536):
            data += piece
    except OSError:
        pass
    return data


def http1(case):
    method, path, authority = (case[key].encode() for key in ("method", "path", "authority"))
    scheme = b"https://" if "name" in case else b"http://"
    target = scheme + authority + path if case["form"] == "absolute" else path
    body = bytes(70000) if case["form"] == "upload" else b""
    length = b"content-length: %d\r\n" % len(body) if body else b""
    with opened(case) as stream:
        stream.sendall(method + b" " + target + b" HTTP/1.1\r\nhost: " + authority + b"\r\n" + length + b"connection: close\r\n\r\n")
        try:
            stream.sendall(body)
        except OSError:
            pass
        head, _, answer = rest(stream).partition(b"\r\n\r\n")
    return f"{head.split()[1].decode()} {answer.decode()}" if head.startswith(b"HTTP/1.") else "refused"


def http2(case):
    method, path, authority = (case[key].encode() for key in ("method", "path", "authority"))
    scheme = b"\x87" if "name" in case else b"\x86"
    block = literal(2, method) + scheme + literal(1, authority) + literal(4, path)
    head, body = "", b""
    with opened(case) as stream:
        stream.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, 5, 1, block))
        with stream.makefile("rb") as reader:
            while start := reader.read(9):
                kind, flags, payload = start[3], start[4], reader.read(int.from_bytes(start[:3], "big"))
                if kind in (RST, GOAWAY):
                    break
                if kind == HEADERS:
                    head = status(payload)
                elif kind == 0:
                    body += payload
                if kind in (0, HEADERS) and flags & 1:
                    break
    return f"{head} {body.decode()}" if head else "refused"


def dns(case):
    labels = case["authority"].encode().rstrip(b".").split(b".")
    packet = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l for l in labels) + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.settimeout(30)
        stream.sendto(packet, ("198.51.100.53", 53))
        return "unknown" if stream.recv(65535)[3] & 15 == 3 else "exists"


FORMS = {"http1": http1, "absolute": http1, "upload": http1, "http2": http2, "dns": dns}
for line in sys.stdin:
    case = json.loads(line)
    try:
        print(json.dumps(FORMS[case["form"]](case)), flush=True)
    except (ConnectionError, ssl.SSLError):
        print(json.dumps("refused"), flush=True)
