# A connection of HTTP/2 over TLS by hand. Stands behind frames.py and before the text of clients that send what no library would.
import socket
import ssl

import hpack

DATA, PRIORITY, PUSH_PROMISE, PING, WINDOW_UPDATE, CONTINUATION = 0, 2, 5, 6, 8, 9
END_STREAM, END_HEADERS, ACK, PADDED = 1, 4, 1, 8
HOST = "api.example.test"
GET = ((":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", HOST))
POST = ((":method", "POST"),) + GET[1:]
context = ssl.create_default_context()
context.set_alpn_protocols(["h2"])


def number(value):
    return struct.pack(">I", value)


def setting(key, value):
    return struct.pack(">HI", key, value)


def block(fields):
    """A header block that the table of no connection is needed for."""
    out = b""
    for name, value in fields:
        name, value = (text if isinstance(text, bytes) else text.encode() for text in (name, value))
        out += b"\0" + string(name) + string(value)
    return out


def string(text):
    return (bytes([len(text)]) if len(text) < 127 else b"\x7f" + varint(len(text) - 127)) + text


def headers(stream, fields, flags=END_STREAM | END_HEADERS):
    return frame(HEADERS, flags, stream, block(fields))


class Connection:
    def __init__(self, hello=PREFACE + frame(SETTINGS, 0, 0)):
        plain = socket.create_connection((HOST, 443), timeout=60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname=HOST)
        self.buffer = b""
        self.decoder = hpack.Decoder()
        self.send(hello)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # How it ended is said by what can be read.

    def fill(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data

    def next(self):
        """Kind, flags, stream and payload of the next frame; header blocks as lists."""
        self.fill(9)
        length, kind, flags = int.from_bytes(self.buffer[:3], "big"), self.buffer[3], self.buffer[4]
        self.fill(9 + length)
        stream, payload = int.from_bytes(self.buffer[5:9], "big"), self.buffer[9 : 9 + length]
        self.buffer = self.buffer[9 + length :]
        if kind == HEADERS:
            payload = self.decoder.decode(payload)
        elif kind == SETTINGS and not flags & ACK:
            # Their windows count from here on.
            self.send(frame(SETTINGS, ACK, 0))
        return kind, flags, stream, payload

    def outcome(self, stream=0, ping=False):
        """How it goes on: with GOAWAY, with the end of the connection, with the end of the stream, or with the answer to a PING."""
        if ping:
            self.send(frame(PING, 0, 0, b"the last"))
        status = None
        try:
            while True:
                kind, flags, on, payload = self.next()
                if kind == GOAWAY and payload[4:8] != number(0):
                    return f"goaway {int.from_bytes(payload[4:8], 'big')}"
                if kind == RST and on == stream:
                    return f"reset {int.from_bytes(payload, 'big')}"
                if kind == HEADERS and on == stream:
                    status = status or dict(payload)[":status"]
                if kind in (DATA, HEADERS) and on == stream and flags & END_STREAM:
                    return status
                if ping and kind == PING and payload == b"the last":
                    return "alive"
        except (EOFError, ConnectionError, ssl.SSLError):
            return "closed"
        except TimeoutError:
            return "silence"

    def close(self):
        self.socket.close()


