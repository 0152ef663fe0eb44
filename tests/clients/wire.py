"""HTTP/1.1 over TLS by hand, driven from standard input, so that a test decides when each byte goes.

`send JSON` sends a string; `put N` sends N zero bytes; `pour` sends chunks without an end, in the background; `head` prints the
status of a response; `body` prints its body, which must have a length; `some` waits for a byte; `take N` reads N bytes; `sum`
prints the hash of all that was taken; `rest` reads to the end of the connection and prints how it ended.
"""
import hashlib
import json
import select
import socket
import ssl
import sys
import threading

host, address = sys.argv[1], sys.argv[2]
plain = socket.create_connection((address, 443), timeout=60)
plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
stream = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
stream.setblocking(False)
# Two threads must not use one TLS connection at the same moment.
lock = threading.Lock()
buffer = b""
taken = hashlib.sha256()
length = 0


def patiently(work):
    while True:
        try:
            with lock:
                return work()
        except ssl.SSLWantReadError:
            select.select([stream], [], [], 60)
        except ssl.SSLWantWriteError:
            select.select([], [stream], [], 60)


def send(data):
    while data:
        data = data[patiently(lambda: stream.send(data)):]


def some(most):
    """At most so many bytes; none at the end."""
    global buffer
    data = buffer or patiently(lambda: stream.recv(65536))
    buffer = data[most:]
    return data[:most]


def pour():
    chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    try:
        while True:
            send(chunk)
    except OSError:
        pass


def line_of_head():
    line = b""
    while not line.endswith(b"\r\n"):
        byte = some(1)
        if not byte:
            raise EOFError(line)
        line += byte
    return line


def head():
    global length
    status = line_of_head().split()[1].decode()
    while (line := line_of_head().lower()) != b"\r\n":
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return status


def rest():
    tail = b""
    try:
        while data := some(65536):
            tail = (tail + data)[-5:]
    except OSError:
        pass
    return "whole" if tail == b"0\r\n\r\n" else "cut off"


def take(count):
    data = b""
    while len(data) < count:
        more = some(count - len(data))
        if not more:
            raise EOFError(len(data))
        data += more
    return data


for line in sys.stdin:
    verb, _, argument = line.strip().partition(" ")
    if verb == "send":
        send(json.loads(argument).encode())
        print("sent", flush=True)
    elif verb == "put":
        send(bytes(int(argument)))
        print("sent", flush=True)
    elif verb == "pour":
        threading.Thread(target=pour, daemon=True).start()
        print("pouring", flush=True)
    elif verb == "head":
        print(head(), flush=True)
    elif verb == "body":
        print(take(length).decode().strip(), flush=True)
    elif verb == "some":
        print("some" if some(1) else "end", flush=True)
    elif verb == "take":
        taken.update(take(int(argument)))
        print("taken", flush=True)
    elif verb == "sum":
        print(taken.hexdigest(), flush=True)
    elif verb == "rest":
        print(rest(), flush=True)
