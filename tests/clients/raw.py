"""HTTP/1.1 by hand, driven from standard input: `raw.py PLAIN|TLS HOST`. `open` opens a connection in place of the one before; `aside` opens one
beside it, and `back` goes back to that; `send JSON`
sends a string; `until JSON` reads until this string has come, and prints all of it as JSON; `rest` reads to the end of the connection and
prints that, and how it ended: `closed` in order, `ragged` without TLS's goodbye, or `reset`.
"""
import json
import socket
import ssl
import sys

transport, host = sys.argv[1], sys.argv[2]
context = ssl.create_default_context()
# Python would take any end for a good one.
context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
left = []
stream = buffer = None


def connect():
    plain = socket.create_connection((host, 443 if transport == "TLS" else 80), timeout=60)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if transport == "TLS":
        return context.wrap_socket(plain, server_hostname=host, suppress_ragged_eofs=False)
    return plain


for line in sys.stdin:
    verb, _, argument = line.strip().partition(" ")
    if verb == "open":
        stream, buffer = connect(), b""
        print("opened", flush=True)
    elif verb == "aside":
        left.append((stream, buffer))
        stream, buffer = connect(), b""
        print("opened", flush=True)
    elif verb == "back":
        stream, buffer = left.pop()
        print("opened", flush=True)
    elif verb == "send":
        stream.sendall(json.loads(argument).encode("latin-1"))
        print("sent", flush=True)
    elif verb == "until":
        wanted = json.loads(argument).encode()
        while wanted not in buffer:
            data = stream.recv(65536)
            if not data:
                raise EOFError(buffer)
            buffer += data
        end = buffer.index(wanted) + len(wanted)
        print(json.dumps(buffer[:end].decode("latin-1")), flush=True)
        buffer = buffer[end:]
    elif verb == "rest":
        try:
            while data := stream.recv(65536):
                buffer += data
            end = "closed"
        except ConnectionResetError:
            end = "reset"
        except ssl.SSLError:
            end = "ragged"
        print(json.dumps([buffer.decode("latin-1"), end]), flush=True)
