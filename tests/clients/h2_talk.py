# One connection of HTTP/2, driven from standard input: each line is a request as JSON, `{"path": ..., "body": ..., "trailers": ...}`. Prints what came of
# it. With `cancel` the request is reset, once it was sent for `head`, or once the first of its response has come for `body`.
import json
import sys

connection, stream = Connection(), -1


def ask(path="/", method="GET", body="", trailers=None, cancel=None):
    global stream
    stream += 2
    more = bool(body or trailers)
    fields = ((":method", method), GET[1], (":path", path), GET[3], ("te", "trailers"))
    connection.send(headers(stream, fields, END_HEADERS | (0 if more else END_STREAM)))
    if body:
        connection.send(frame(DATA, 0 if trailers else END_STREAM, stream, body.encode()))
    if trailers:
        connection.send(headers(stream, tuple(trailers.items())))
    if cancel == "head":
        return {}
    status, text, last = [], b"", {}
    while True:
        kind, flags, on, payload = connection.next()
        if on != stream:
            continue
        if kind == RST:
            return {"status": status, "body": text.decode(), "reset": int.from_bytes(payload, "big")}
        if kind == HEADERS and (fields := dict(payload)).get(":status"):
            status.append(fields[":status"])
        elif kind == HEADERS:
            last = fields
        elif kind == DATA:
            if cancel == "body":
                connection.send(frame(RST, 0, stream, number(8)))
                return {"status": status}
            text += payload
        if flags & END_STREAM and kind in (HEADERS, DATA):
            return {"status": status, "body": text.decode(), "trailers": last}


for line in sys.stdin:
    if line == "cancel\n":
        connection.send(frame(RST, 0, stream, number(8)))
        print("cancelled", flush=True)
    else:
        print(json.dumps(ask(**json.loads(line))), flush=True)
