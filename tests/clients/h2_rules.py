# Rules of RFC 9113, broken and kept, each on a connection of its own. Prints for each case what is expected and what came of it.
import json
import sys

CLOSED, PROTOCOL, FLOW, STREAM_CLOSED, SIZE, REFUSED, COMPRESSION = "closed", 1, 3, 5, 6, 7, 9


def goaway(code):
    """The code of all errors of the protocol serves for each."""
    return (f"goaway {code}", f"goaway {PROTOCOL}")


def reset(code):
    """An error of a stream may be taken for one of the connection."""
    return (f"reset {code}",) + goaway(code)


def with_field(*fields):
    return headers(1, GET + fields)


def without(name):
    return headers(1, tuple(field for field in GET if field[0] != name))


def changed(name, value):
    return headers(1, tuple((key, value if key == name else old) for key, old in GET))


OPEN = headers(1, POST, END_HEADERS)
WHOLE = headers(1, GET)
MANY = b"".join(headers(2 * number + 1, (GET[0], GET[1], (":path", "/hold"), GET[3])) for number in range(129))
FINE, ALIVE = ("200",), ("alive",)
# Name, what is sent, whether the connection's PING is waited for or the end of a stream, and what may come of it.
CASES = [
    ("4.1 an unknown kind of frame", frame(0x77, 0xFF, 0, b"whatever"), 0, ALIVE),
    ("4.1 flags that mean nothing", frame(PING, 0xF0, 0, b"12345678"), 0, ALIVE),
    ("4.1 the reserved bit", frame(WINDOW_UPDATE, 0, 1 << 31, number(1 << 31 | 5)), 0, ALIVE),
    ("4.2 DATA that is too large", OPEN + frame(DATA, END_STREAM, 1, bytes(16385)), 1, reset(SIZE)),
    ("4.2 HEADERS that are too large", frame(HEADERS, 5, 1, bytes(16385)), 1, goaway(SIZE)),
    ("4.3 an index that is not in the table", frame(HEADERS, 5, 1, b"\xff\x80\x01"), 1, goaway(COMPRESSION)),
    ("4.3 a field that is cut off", frame(HEADERS, 5, 1, b"\x00\x7f"), 1, goaway(COMPRESSION)),
    ("4.3 a table larger than allowed", frame(HEADERS, 5, 1, b"\x3f\xe1\xff\x7f" + block(GET)), 1, goaway(COMPRESSION)),
    ("4.3 a frame inside of a block", frame(HEADERS, 1, 1, block(GET)) + frame(PING, 0, 0, bytes(8)), 1, goaway(PROTOCOL)),
    ("4.3 a block that goes on elsewhere", frame(HEADERS, 1, 1, block(GET)) + frame(CONTINUATION, 4, 3), 1, goaway(PROTOCOL)),
    ("4.3 a block in three parts", frame(HEADERS, 1, 1, block(GET[:2])) + frame(CONTINUATION, 0, 1, block(GET[2:3])) + frame(CONTINUATION, 4, 1, block(GET[3:])), 1, FINE),
    ("5.1 DATA on an idle stream", frame(DATA, 1, 1, b"x"), 1, goaway(PROTOCOL)),
    ("5.1 RST_STREAM on an idle stream", frame(RST, 0, 1, number(8)), 1, goaway(PROTOCOL)),
    ("5.1 WINDOW_UPDATE on an idle stream", frame(WINDOW_UPDATE, 0, 1, number(8)), 1, goaway(PROTOCOL)),
    ("5.1 CONTINUATION on an idle stream", frame(CONTINUATION, 4, 1, block(GET)), 1, goaway(PROTOCOL)),
    ("5.1 DATA after the end", headers(1, POST) + frame(DATA, 1, 1, b"x"), 1, reset(STREAM_CLOSED)),
    ("5.1 HEADERS after the end", headers(1, GET[:2] + ((":path", "/hold"),) + GET[3:]) + WHOLE, 1, reset(STREAM_CLOSED)),
    ("5.1 DATA after RST_STREAM", OPEN + frame(RST, 0, 1, number(8)) + frame(DATA, 1, 1, b"x"), 0, ALIVE + reset(STREAM_CLOSED)),
    ("5.1.1 an even number", headers(2, GET), 2, goaway(PROTOCOL)),
    ("5.1.1 a lower number", headers(5, GET) + headers(3, GET), 3, reset(PROTOCOL) + reset(STREAM_CLOSED)),
    ("5.1.2 more streams than allowed", MANY, 257, reset(REFUSED)),
    ("6.1 DATA on stream 0", frame(DATA, 1, 0, b"x"), 0, goaway(PROTOCOL)),
    ("6.1 more padding than payload", OPEN + frame(DATA, PADDED | 1, 1, b"\x06abc"), 1, goaway(PROTOCOL)),
    ("6.1 padding", OPEN + frame(DATA, PADDED | 1, 1, b"\x02abc\0\0"), 1, FINE),
    ("6.2 HEADERS on stream 0", headers(0, GET), 0, goaway(PROTOCOL)),
    ("6.2 more padding than payload", frame(HEADERS, PADDED | 5, 1, b"\xff" + block(GET)), 1, goaway(PROTOCOL)),
    ("6.3 PRIORITY on stream 0", frame(PRIORITY, 0, 0, bytes(5)), 0, goaway(PROTOCOL)),
    ("6.3 PRIORITY of a wrong length", frame(PRIORITY, 0, 1, bytes(4)), 1, reset(SIZE)),
    ("6.4 RST_STREAM on stream 0", frame(RST, 0, 0, number(8)), 0, goaway(PROTOCOL)),
    ("6.4 RST_STREAM of a wrong length", OPEN + frame(RST, 0, 1, bytes(3)), 1, goaway(SIZE)),
    ("6.5 SETTINGS on a stream", frame(SETTINGS, 0, 1), 0, goaway(PROTOCOL)),
    ("6.5 an acknowledgement that says something", frame(SETTINGS, ACK, 0, setting(4, 1)), 0, goaway(SIZE)),
    ("6.5 SETTINGS of a wrong length", frame(SETTINGS, 0, 0, bytes(5)), 0, goaway(SIZE)),
    ("6.5.2 ENABLE_PUSH of 2", frame(SETTINGS, 0, 0, setting(2, 2)), 0, goaway(PROTOCOL)),
    ("6.5.2 a window that is too large", frame(SETTINGS, 0, 0, setting(4, 1 << 31)), 0, goaway(FLOW)),
    ("6.5.2 frames that are too small", frame(SETTINGS, 0, 0, setting(5, 16383)), 0, goaway(PROTOCOL)),
    ("6.5.2 frames that are too large", frame(SETTINGS, 0, 0, setting(5, 1 << 24)), 0, goaway(PROTOCOL)),
    ("6.5.2 an unknown setting", frame(SETTINGS, 0, 0, setting(0x7777, 7)), 0, ALIVE),
    ("6.6 PUSH_PROMISE", OPEN + frame(PUSH_PROMISE, 4, 1, number(2) + block(GET)), 1, goaway(PROTOCOL)),
    ("6.7 PING on a stream", frame(PING, 0, 1, bytes(8)), 0, goaway(PROTOCOL)),
    ("6.7 PING of a wrong length", frame(PING, 0, 0, bytes(7)), 0, goaway(SIZE)),
    ("6.7 an answer to no PING", frame(PING, ACK, 0, bytes(8)), 0, ALIVE),
    ("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), 0, goaway(PROTOCOL)),
    ("6.9 nothing for the connection's window", frame(WINDOW_UPDATE, 0, 0, number(0)), 0, goaway(PROTOCOL)),
    ("6.9 nothing for a stream's window", OPEN + frame(WINDOW_UPDATE, 0, 1, number(0)), 1, reset(PROTOCOL)),
    ("6.9 WINDOW_UPDATE of a wrong length", frame(WINDOW_UPDATE, 0, 0, bytes(3)), 0, goaway(SIZE)),
    ("6.9.1 the connection's window overflows", frame(WINDOW_UPDATE, 0, 0, number((1 << 31) - 1)) * 2, 0, goaway(FLOW)),
    ("6.9.1 a stream's window overflows", OPEN + frame(WINDOW_UPDATE, 0, 1, number((1 << 31) - 1)) * 2, 1, reset(FLOW)),
    ("6.9.2 a window that is opened later", frame(SETTINGS, 0, 0, setting(4, 0)) + WHOLE + frame(WINDOW_UPDATE, 0, 1, number(99)), 1, FINE),
    ("6.10 CONTINUATION after the end of its block", OPEN + frame(CONTINUATION, 4, 1, block(GET)), 1, goaway(PROTOCOL)),
    ("8.1 trailers that are no end", OPEN + headers(1, (("x", "y"),), END_HEADERS), 1, reset(PROTOCOL)),
    ("8.1 trailers", OPEN + headers(1, (("x", "y"),)), 1, FINE),
    ("8.1.1 a body that is too short", headers(1, POST + (("content-length", "9"),), END_HEADERS) + frame(DATA, 1, 1, b"x"), 1, reset(PROTOCOL)),
    ("8.1.1 a body that is too long", headers(1, POST + (("content-length", "1"),), END_HEADERS) + frame(DATA, 1, 1, b"xy"), 1, reset(PROTOCOL)),
    ("8.1.1 no body where there should be one", headers(1, POST + (("content-length", "1"),)), 1, reset(PROTOCOL)),
    ("8.1.1 two lengths", headers(1, POST + (("content-length", "1"), ("content-length", "2")), END_HEADERS) + frame(DATA, 1, 1, b"x"), 1, reset(PROTOCOL)),
    ("8.2 an upper-case name", with_field(("X-Upper", "x")), 1, reset(PROTOCOL)),
    ("8.2.1 a line break in a value", with_field(("x", "a\r\nhost: evil.test")), 1, reset(PROTOCOL)),
    ("8.2.1 NUL in a value", with_field(("x", b"a\0b")), 1, reset(PROTOCOL)),
    ("8.2.1 a space in a name", with_field(("x y", "z")), 1, reset(PROTOCOL)),
    ("8.2.1 a colon in a name", with_field(("x:y", "z")), 1, reset(PROTOCOL)),
    ("8.2.2 connection", with_field(("connection", "keep-alive")), 1, reset(PROTOCOL)),
    ("8.2.2 transfer-encoding", with_field(("transfer-encoding", "chunked")), 1, reset(PROTOCOL)),
    ("8.2.2 upgrade", with_field(("upgrade", "h2c")), 1, reset(PROTOCOL)),
    ("8.2.2 keep-alive", with_field(("keep-alive", "9")), 1, reset(PROTOCOL)),
    ("8.2.2 proxy-connection", with_field(("proxy-connection", "x")), 1, reset(PROTOCOL)),
    ("8.2.2 te other than trailers", with_field(("te", "trailers, gzip")), 1, reset(PROTOCOL)),
    ("8.2.2 te", with_field(("te", "trailers")), 1, FINE),
    ("8.3 an unknown one", headers(1, GET + ((":x", "y"),)), 1, reset(PROTOCOL)),
    ("8.3 one of responses", headers(1, GET + ((":status", "200"),)), 1, reset(PROTOCOL)),
    ("8.3 one behind other fields", headers(1, GET[:3] + (("x", "y"),) + GET[3:]), 1, reset(PROTOCOL)),
    *((f"8.3.1 two of {name}", headers(1, GET[:1] + (dict_item,) + GET), 1, reset(PROTOCOL)) for name, dict_item in ((item[0], item) for item in GET)),
    *((f"8.3.1 no {name}", without(name), 1, reset(PROTOCOL)) for name in (":method", ":scheme", ":path")),
    ("8.3.1 no authority", without(":authority"), 1, ("400",)),
    ("8.3.1 host instead of an authority", headers(1, GET[:3] + (("host", HOST),)), 1, ("400",)),
    ("8.3.1 another host", with_field(("host", "evil.test")), 1, ("400",)),
    ("8.3.1 the host twice", with_field(("host", HOST), ("host", HOST)), 1, ("400",)),
    ("8.3.1 the same host", with_field(("host", HOST)), 1, FINE),
    ("8.3.1 user information", changed(":authority", "user:pass@" + HOST), 1, ("400",) + reset(PROTOCOL)),
    ("8.3.1 a port that is none", changed(":authority", HOST + ":99999"), 1, ("400",) + reset(PROTOCOL)),
    ("8.3.1 another port", changed(":authority", HOST + ":8443"), 1, ("421",)),
    ("8.3.1 another scheme", changed(":scheme", "http"), 1, ("400",)),
    ("8.3.1 a scheme that is none", changed(":scheme", "h t"), 1, reset(PROTOCOL)),
    ("8.3.1 an empty path", changed(":path", ""), 1, reset(PROTOCOL)),
    ("8.3.1 a space in the path", changed(":path", "/a b"), 1, reset(PROTOCOL)),
    ("8.3.1 a line break in the path", changed(":path", "/ HTTP/1.1\r\nhost: evil.test\r\n\r\n"), 1, reset(PROTOCOL)),
    ("8.3.1 a path without a slash", changed(":path", "evil"), 1, ("400",) + reset(PROTOCOL)),
    ("8.3.1 a URL as the path", changed(":path", "https://evil.test/"), 1, ("400",) + reset(PROTOCOL)),
    ("8.3.1 a host as the path", changed(":path", "@evil.test/"), 1, ("400",) + reset(PROTOCOL)),
    ("8.3.1 an asterisk as the path", changed(":path", "*"), 1, ("400",) + reset(PROTOCOL)),
    ("8.3.1 an asterisk for OPTIONS", headers(1, ((":method", "OPTIONS"), GET[1], (":path", "*"), GET[3])), 1, FINE),
    ("8.5 CONNECT", headers(1, ((":method", "CONNECT"), (":authority", HOST + ":443"))), 1, ("405",)),
    ("8.5 CONNECT with a path", headers(1, ((":method", "CONNECT"),) + GET[1:]), 1, reset(PROTOCOL)),
]

bystander = Connection()
results = {}
for name, sent, stream, expected in CASES:
    connection = Connection()
    connection.send(sent)
    results[name] = [expected, connection.outcome(stream, ping=stream == 0)]
    connection.close()
connection = Connection(b"GET / HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n")
results["3.4 no preface"] = [("closed",) + goaway(PROTOCOL), connection.outcome(1)]
connection.close()
bystander.send(WHOLE)
results["another connection"] = [FINE, bystander.outcome(1)]
print(json.dumps(results))
