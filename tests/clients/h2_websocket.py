"""A WebSocket on a stream of HTTP/2 (RFC 8441): `h2_websocket.py URL [PROTOCOL]`. Says `open`, then each message of the server; sends each line of standard
input; but `large`, `binary` and `ping` stand for something else, `wait` waits for half a second before, `pour` for messages without an end, and `reset` for its own end. Says how it was closed."""
import os
import select
import socket
import ssl
import sys
import urllib.parse

import h2.config
import h2.connection
import h2.events
import h2.settings

url = urllib.parse.urlsplit(sys.argv[1])
protocol = sys.argv[2] if len(sys.argv) > 2 else "websocket"
stream = socket.create_connection((url.hostname, 443 if url.scheme == "wss" else 80), timeout=60)
if url.scheme == "wss":
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    stream = context.wrap_socket(stream, server_hostname=url.hostname)
connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
connection.initiate_connection()
connection.increment_flow_control_window(1 << 24)
heard, message, waiting, pouring = b"", (0, b""), b"", False


def flush():
    stream.sendall(connection.data_to_send())


def say(line):
    print(line, flush=True)


def frame(kind, payload):
    head = bytes([0x80 | kind])
    length = len(payload)
    head += bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big") if length < 65536 else b"\xff" + length.to_bytes(8, "big")
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def send(data=b""):
    """As much as windows let; the rest when they open."""
    global waiting
    waiting += data
    while room := min(len(waiting), connection.local_flow_control_window(1), connection.max_outbound_frame_size):
        connection.send_data(1, waiting[:room])
        waiting = waiting[room:]
        flush()
        if pouring:
            waiting += frame(1, b"x") * 100


def messages():
    global heard, message
    while len(heard) >= 2:
        length, at = heard[1] & 0x7F, 2
        if length == 126:
            length, at = int.from_bytes(heard[2:4], "big"), 4
        elif length == 127:
            length, at = int.from_bytes(heard[2:10], "big"), 10
        if len(heard) < at + length:
            return
        last, kind, payload, heard = heard[0] & 0x80, heard[0] & 0x0F, heard[at : at + length], heard[at + length :]
        if kind == 8:
            say(f"closed {int.from_bytes(payload[:2], 'big')} {payload[2:].decode()}".rstrip())
            send(frame(8, payload[:2]))
            connection.end_stream(1)
            flush()
            os._exit(0)
        if kind > 8:
            say({9: "ping", 10: "pong"}[kind] + " " + payload.decode())
            continue
        # Whoever reads along may cut messages in other pieces.
        message = (message[0] or kind, message[1] + payload)
        if last:
            kind, text = message
            message = (0, b"")
            say(f"binary {len(text)}" if kind == 2 else f"text {text.decode()}")


def talk(line):
    global pouring
    if line == "large":
        send(frame(2, bytes(1 << 20)))
    elif line == "binary":
        send(frame(2, b"\0\xff"))
    elif line == "wait":
        select.select([], [], [], 0.5)
        send(frame(1, b"waited"))
    elif line == "ping":
        send(frame(9, b"one"))
    elif line == "reset":
        connection.reset_stream(1, 8)
        flush()
    elif line == "pour":
        pouring = True
        send(frame(1, b"x"))
    else:
        send(frame(1, line.encode()))


def events(data):
    global heard
    for event in connection.receive_data(data):
        if isinstance(event, h2.events.RemoteSettingsChanged):
            changed = event.changed_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL)
            if changed is None or changed.new_value != 1:
                continue
            authority = url.hostname if url.port is None else f"{url.hostname}:{url.port}"
            connection.send_headers(1, [
                (":method", "CONNECT"), (":protocol", protocol), (":scheme", "https" if url.scheme == "wss" else "http"),
                (":path", url.path or "/"), (":authority", authority), ("sec-websocket-version", "13"), ("sec-websocket-protocol", "one, two"),
            ])
            flush()
        elif isinstance(event, h2.events.ResponseReceived):
            fields = dict(event.headers)
            others = [name for name in ("sec-websocket-accept", "sec-websocket-key", "connection", "upgrade") if name in fields]
            if fields[":status"] != "200" or others:
                say(f"refused {fields[':status']} {others}")
                os._exit(0)
            say(f"open {fields.get('sec-websocket-protocol', '-')}")
            watched.append(sys.stdin)
        elif isinstance(event, h2.events.DataReceived):
            heard += event.data
            connection.acknowledge_received_data(event.flow_controlled_length, 1)
            messages()
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            say("closed 1006")
            os._exit(0)
        elif isinstance(event, h2.events.WindowUpdated):
            send()
    flush()


watched = [stream]
flush()
while True:
    if isinstance(stream, ssl.SSLSocket) and stream.pending():
        ready = [stream]
    else:
        ready, _, _ = select.select(watched, [], [], 60)
    if sys.stdin in ready:
        line = sys.stdin.buffer.raw.readline().decode().rstrip("\n")
        talk(line) if line else watched.remove(sys.stdin)
    if stream in ready:
        data = stream.recv(65536)
        if not data:
            say("closed 1006")
            break
        events(data)
