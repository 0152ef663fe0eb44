"""HTTP/1.1 over TLS by hand, driven from standard input, so that a test decides when each byte goes.

`send JSON` sends a string; `put N` sends N zero bytes; `pour` sends chunks without an end, in the background; `head` prints the
status of a response; `body` prints its body, which must have a length; `some` waits for a byte; `take N` reads N bytes; `sum`
prints the hash of all that was taken; `rest` reads to the end of the connection and prints how it ended.
"""
import hashlib
import json
import socket
import ssl
import sys
import threading

host, address = sys.argv[1], sys.argv[2]
plain = socket.create_connection((address, 443), timeout=60)
plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
stream = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
reader = stream.makefile("rb")
taken = hashlib.sha256()
length = 0


def pour():
    chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    try:
        while True:
            stream.sendall(chunk)
    except OSError:
        pass


def head():
    global length
    status = reader.readline().split()[1].decode()
    while (line := reader.readline().lower()) != b"\r\n":
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return status


def rest():
    tail = b""
    try:
        while data := reader.read1(65536):
            tail = (tail + data)[-5:]
    except OSError:
        pass
    return "whole" if tail == b"0\r\n\r\n" else "cut off"


def take(count):
    while count:
        data = reader.read(min(count, 65536))
        taken.update(data)
        count -= len(data)


for line in sys.stdin:
    verb, _, argument = line.strip().partition(" ")
    if verb == "send":
        stream.sendall(json.loads(argument).encode())
        print("sent", flush=True)
    elif verb == "put":
        stream.sendall(bytes(int(argument)))
        print("sent", flush=True)
    elif verb == "pour":
        threading.Thread(target=pour, daemon=True).start()
        print("pouring", flush=True)
    elif verb == "head":
        print(head(), flush=True)
    elif verb == "body":
        print(reader.read(length).decode().strip(), flush=True)
    elif verb == "some":
        print("some" if reader.read(1) else "end", flush=True)
    elif verb == "take":
        take(int(argument))
        print("taken", flush=True)
    elif verb == "sum":
        print(taken.hexdigest(), flush=True)
    elif verb == "rest":
        print(rest(), flush=True)
