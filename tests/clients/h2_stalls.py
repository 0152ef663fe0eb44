# Streams of HTTP/2 that stand still, and others beside them, at the word of standard input.
#
# `read` leaves 60 responses unread and reads others, on the same connection and on another; `write` does the same with 10 uploads that nobody takes;
# `stall CONNECTIONS STREAMS` opens no window for large responses, and says how many of them were reset; `dribble` takes one
# byte of a response.
import json
import sys

LENGTH = 4_000_000
kept = []


def get(stream, path):
    return headers(stream, GET[:2] + ((":path", path),) + GET[3:])


def silent():
    """A connection whose streams have no window, while it has the largest."""
    return Connection(PREFACE + frame(SETTINGS, 0, 0, setting(4, 0)) + frame(WINDOW_UPDATE, 0, 0, number((1 << 31) - 65536)))


def heads(connection, streams, kind=HEADERS):
    """Waits for a frame of this kind on each of them; gives back how many there are."""
    waiting = set(streams)
    while waiting:
        came, _, on, _ = connection.next()
        if came == kind:
            waiting.discard(on)
    return len(streams)


def length(connection, stream, of=LENGTH):
    connection.send(get(stream, f"/stream/{of}") + frame(WINDOW_UPDATE, 0, stream, number(of)))
    count = 0
    while True:
        kind, flags, on, payload = connection.next()
        if kind == DATA and on == stream:
            count += len(payload)
            if flags & END_STREAM:
                return count


def read():
    stalled, other = silent(), silent()
    # Alone, so that there is one connection to the upstream for all that follow.
    length(other, 1)
    streams = range(1, 121, 2)
    stalled.send(b"".join(get(stream, "/stream/100000000") for stream in streams))
    heads(stalled, streams)
    kept.append(stalled)
    return [length(stalled, 121), length(other, 3), length(stalled, 123)]


def pour(connection, streams):
    """Sends what windows let on each of them, until none is opened any more."""
    total, first, windows = 65535, 65535, dict.fromkeys(streams, 0)
    for stream in streams:
        connection.send(headers(stream, POST[:2] + ((":path", "/hold"),) + POST[3:], END_HEADERS))
    connection.socket.settimeout(1)
    try:
        while True:
            for stream in streams:
                while (room := min(total, first + windows[stream], 16384)) > 0:
                    connection.send(frame(DATA, 0, stream, bytes(room)))
                    windows[stream] -= room
                    total -= room
            kind, flags, on, payload = connection.next()
            if kind == SETTINGS and not flags & ACK:
                first = next(int.from_bytes(payload[at + 2 : at + 6], "big") for at in range(0, len(payload), 6) if payload[at + 1] == 4)
            elif kind == WINDOW_UPDATE and on in windows:
                windows[on] += int.from_bytes(payload, "big")
            elif kind == WINDOW_UPDATE and on == 0:
                total += int.from_bytes(payload, "big")
    except TimeoutError:
        connection.socket.settimeout(60)


def write():
    connection = Connection()
    kept.append(connection)
    pour(connection, range(1, 21, 2))
    connection.send(headers(21, POST[:2] + ((":path", "/upload"),) + POST[3:], END_HEADERS))
    connection.send(frame(DATA, 0, 21, bytes(16384)) * 8 + frame(DATA, END_STREAM, 21))
    while True:
        kind, flags, on, payload = connection.next()
        if kind == DATA and on == 21:
            return json.loads(payload)["length"]


def stall(connections, streams):
    opened = [silent() for _ in range(connections)]
    numbers = range(1, 2 * streams, 2)
    for connection in opened:
        connection.send(b"".join(get(stream, "/stream/10000000") for stream in numbers))
    return sum(heads(connection, numbers, RST) for connection in opened)


def dribble():
    """Takes one byte of a response, and waits for the end of the connection."""
    connection = Connection(PREFACE + frame(SETTINGS, 0, 0, setting(4, 1)))
    connection.send(get(1, "/"))
    count = 0
    try:
        while True:
            kind, _, _, payload = connection.next()
            count += len(payload) if kind == DATA else 0
    except EOFError:
        return count


for line in sys.stdin:
    verb, *arguments = line.split()
    print(json.dumps({"read": read, "write": write, "stall": stall, "dribble": dribble}[verb](*map(int, arguments))), flush=True)
