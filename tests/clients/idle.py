"""Opens connections, one request on each, and keeps them all: `idle.py HOST h1|h2|plain COUNT`. Prints `open` when they are; for a
line on standard input it asks on each once more, and prints how many answered. With `half` it sends the beginning of a ClientHello
instead, and prints how many seconds the first and the last of them were left open.
"""
import resource
import socket
import ssl
import struct
import sys
import time

host, kind, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
# Once: the proxy bounds how many questions it answers in a second.
address = socket.getaddrinfo(host, 80 if kind == "plain" else 443, type=socket.SOCK_STREAM)[0][4]
context = ssl.create_default_context()
context.set_alpn_protocols(["h2" if kind == "h2" else "http/1.1"])
LONGEST = 65536


def frame(type_, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([type_, flags]) + struct.pack(">I", stream) + payload


def h2_request(stream):
    text = lambda value: bytes([len(value)]) + value.encode()
    # GET, https, and path and authority as literals that nobody keeps (RFC 7541, 6.2.2).
    block = b"\x82\x87" + b"\x04" + text("/") + b"\x01" + text(host)
    return frame(1, 5, stream, block)


def exactly(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def h2_answer(stream, number):
    """Reads up to the end of stream `number`; says whether its headers came."""
    came = False
    while True:
        head = exactly(stream, 9)
        length, type_, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        exactly(stream, length)
        if int.from_bytes(head[5:], "big") == number:
            came = came or type_ == 1
            if type_ in (0, 1) and flags & 1:
                return came


def h1_answer(stream):
    data = b""
    while b"\r\n\r\n" not in data:
        more = stream.recv(LONGEST)
        if not more:
            raise ConnectionError("closed")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    exactly(stream, length - len(body))
    return head.startswith(b"HTTP/1.1 200 ")


def ask(stream, number):
    if kind == "h2":
        stream.sendall(h2_request(number))
        return h2_answer(stream, number)
    stream.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return h1_answer(stream)


def connect():
    stream = socket.create_connection(address[:2], timeout=60)
    if kind in ("plain", "half"):
        return stream
    stream = context.wrap_socket(stream, server_hostname=host)
    if kind == "h2":
        stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
    return stream


def half():
    opened = time.monotonic()
    streams = [connect() for _ in range(count)]
    for stream in streams:
        # A record of 512 octets, of which these are the first.
        stream.sendall(bytes.fromhex("160301020001"))
    print("open", flush=True)
    waited = []
    for stream in streams:
        try:
            while stream.recv(4096):
                pass
        except ConnectionError:
            pass
        waited.append(time.monotonic() - opened)
    print(f"{waited[0]:.3f} {waited[-1]:.3f}", flush=True)


if kind == "half":
    half()
    sys.exit()
streams = []
for _ in range(count):
    streams.append(connect())
    assert ask(streams[-1], 1), len(streams)
print("open", flush=True)
sys.stdin.readline()
print(sum(ask(stream, 3) for stream in streams), flush=True)
