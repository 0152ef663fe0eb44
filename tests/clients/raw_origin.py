"""An HTTP/1.1 server that reads to the letter and says anything: `raw_origin.py PLAIN|TLS [CERTIFICATE]`. Prints its port; when its input
ends, what it has read, one JSON object for each request.

`/say/HEX` answers with these bytes, once the request is whole; `/early/HEX` as soon as its head is; `/cut/HEX` and `/reset/HEX` end the
connection after them; `/steps` sends one chunk and waits for `/next` before the other; `/echo` repeats what it read; anything else is
answered with its own path.
"""
import json
import socket
import ssl
import struct
import sys
import threading

seen, lock, go_on = [], threading.Lock(), threading.Event()


class Malformed(Exception):
    pass


def line(stream):
    text = stream.readline(65536)
    if not text.endswith(b"\r\n") or b"\r" in text[:-2] or b"\n" in text[:-2] or b"\0" in text:
        raise Malformed(repr(text)) if text else EOFError
    return text[:-2].decode("latin-1")


def fields(stream):
    found = []
    while text := line(stream):
        name, colon, value = text.partition(":")
        if not colon or not name or name != name.strip():
            raise Malformed(text)
        found.append([name.lower(), value.strip()])
    return found


def exactly(stream, count):
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data


def body(stream, headers, record):
    lengths = [value for name, value in headers if name == "content-length"]
    codings = [value for name, value in headers if name == "transfer-encoding"]
    if len(lengths) + len(codings) > 1 or len([1 for name, _ in headers if name == "host"]) != 1:
        raise Malformed(repr(headers))
    data = b""
    if codings:
        if codings != ["chunked"]:
            raise Malformed(repr(codings))
        while size := int(line(stream), 16):
            data += exactly(stream, size)
            if line(stream):
                raise Malformed("a chunk")
        record["trailers"] = fields(stream)
    elif lengths:
        data = exactly(stream, int(lengths[0]))
    record["body"] = data.decode("latin-1")
    record["whole"] = True


def answer(socket_, record):
    path = record["line"].split(" ")[1]
    verb, _, rest = path[1:].partition("/")
    if verb in ("say", "early", "cut", "reset"):
        socket_.sendall(bytes.fromhex(rest))
        if verb == "reset":
            socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return verb not in ("cut", "reset")
    if path == "/steps":
        socket_.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        go_on.wait(60)
        socket_.sendall(b"3\r\ntwo\r\n0\r\n\r\n")
        return True
    if path == "/next":
        go_on.set()
    text = json.dumps(record) if path == "/echo" else path
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n"
    socket_.sendall((head + ("" if record["line"].startswith("HEAD ") else text)).encode())
    return True


def serve(plain):
    try:
        socket_ = context.wrap_socket(plain, server_side=True) if context else plain
        stream = socket_.makefile("rb")
        going = True
        while going:
            record = {"line": line(stream), "whole": False}
            with lock:
                seen.append(record)
            record["headers"] = fields(stream)
            if record["line"].split(" ")[1].startswith("/early/"):
                answer(socket_, record)
                body(stream, record["headers"], record)
                continue
            body(stream, record["headers"], record)
            going = answer(socket_, record)
        stream.close()
        socket_.close()
    except Malformed as error:
        with lock:
            seen.append({"malformed": str(error)})
        plain.close()
    except (OSError, EOFError, ValueError):
        plain.close()


context = None
if sys.argv[1] == "TLS":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0), backlog=256)
print(listener.getsockname()[1], flush=True)


def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
with lock:
    for record in seen:
        print(json.dumps(record), flush=True)
