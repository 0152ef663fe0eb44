"""Asks for names in several ways and prints what came of it, one line each."""
import os
import socket
import struct
import sys
import time

A, AAAA, TXT = 1, 28, 16


def question(name, kind):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", 0x4242, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, 1)


def ask(server, packet):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as stream:
        stream.settimeout(10)
        stream.connect((server, 53))
        stream.send(packet)
        answer = stream.recv(4096)
    return f"rcode={answer[3] & 15} answers={struct.unpack('>H', answer[6:8])[0]}"


for name in sys.argv[1:]:
    start = time.monotonic()
    try:
        families = {entry[0].name for entry in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)}
        print(name, *sorted(families))
    except socket.gaierror as error:
        print(name, "unknown" if error.errno == socket.EAI_NONAME else error, time.monotonic() - start < 1)
allowed, denied = sys.argv[1:3]
for server in ("198.51.100.53", "2001:db8::53", "127.0.0.53"):
    print(server, ask(server, question(allowed, A)), ask(server, question(denied, AAAA)))
print("other type", ask("198.51.100.53", question(allowed, TXT)))
# Nonsense gets an error or nothing; what matters is that the next question is answered.
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
    stream.connect(("198.51.100.53", 53))
    for length in range(0, 600, 7):
        try:
            stream.send(question(allowed, A)[: length % 40] + os.urandom(length))
        except OSError:
            pass
print("after nonsense", ask("198.51.100.53", question(allowed, A)))
