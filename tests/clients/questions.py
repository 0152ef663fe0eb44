"""Asks DNS questions, `CARRIER SERVER NAME TYPE` on each line of the input, and prints the answer on one line each.

`udp` without and `edns` with an OPT record; `tcp` on a connection of its own; `pipeline` sends 40 on one; `count`
waits for the TTL to run down; `silence` connects and says nothing.
"""
import ipaddress
import socket
import struct
import sys
import time

TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "TXT": 16, "AAAA": 28, "HTTPS": 65, "ANY": 255}


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def question(name, kind, edns, number=0x4242):
    packet = struct.pack(">6H", number, 0x0100, 1, 0, 0, int(edns)) + encode(name) + struct.pack(">2H", kind, 1)
    return packet + (b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0) if edns else b"")


def name_at(message, at):
    labels, end = [], None
    while message[at]:
        if message[at] >= 0xC0:
            end = end or at + 2
            at = struct.unpack(">H", message[at : at + 2])[0] & 0x3FFF
        else:
            labels.append(message[at + 1 : at + 1 + message[at]].decode())
            at += 1 + message[at]
    return ".".join(labels), end or at + 1


def shown(message, kind, at, length):
    data = message[at : at + length]
    if kind in (1, 28):
        return str(ipaddress.ip_address(data))
    if kind in (5, 12):
        return name_at(message, at)[0]
    return data.hex()


def told(message):
    flags, counts = struct.unpack(">H", message[2:4])[0], struct.unpack(">4H", message[4:12])
    at, answers, why = 12, [], "-"
    for _ in range(counts[0]):
        at = name_at(message, at)[1] + 4
    for place in range(sum(counts[1:])):
        at = name_at(message, at)[1]
        kind, _, ttl, length = struct.unpack(">HHIH", message[at : at + 10])
        at += 10
        if place < counts[1]:
            answers.append(f"{shown(message, kind, at, length)}/{ttl}")
        elif kind == 41 and length >= 6:
            why = struct.unpack(">H", message[at + 4 : at + 6])[0]
        at += length
    return f"{flags & 15}{' cut' if flags & 0x0200 else ''} {','.join(sorted(answers)) or '-'} {why}"


def family(server):
    return socket.AF_INET6 if ":" in server else socket.AF_INET


def by_datagram(server, packet):
    with socket.socket(family(server), socket.SOCK_DGRAM) as stream:
        stream.settimeout(30)
        stream.connect((server, 53))
        stream.send(packet)
        return stream.recv(65535)


def framed(packet):
    return struct.pack(">H", len(packet)) + packet


def frame(stream):
    return stream.read(struct.unpack(">H", stream.read(2))[0])


def by_stream(server, packets):
    with socket.create_connection((server, 53), timeout=30) as stream:
        # All at once: the answers come in any order.
        stream.sendall(b"".join(map(framed, packets)))
        with stream.makefile("rb") as answers:
            return [frame(answers) for _ in packets]


def ask(carrier, server, name, kind):
    if carrier == "tcp":
        return by_stream(server, [question(name, kind, True)])[0]
    return by_datagram(server, question(name, kind, carrier == "edns"))


def until_counted_down(server, name, kind):
    """Asks again and again until the TTL is less than at first."""
    ttl = lambda: int(told(ask("udp", server, name, kind)).split()[1].split("/")[1])
    first, end = ttl(), time.monotonic() + 30
    while time.monotonic() < end:
        if ttl() < first:
            return "counted down"
        time.sleep(0.05)
    return "not counted down"


for line in sys.stdin:
    if not line.strip():
        break
    carrier, server, name, kind = line.split()
    kind = TYPES[kind]
    if carrier == "count":
        print(until_counted_down(server, name, kind), flush=True)
    elif carrier == "silence":
        with socket.create_connection((server, 53), timeout=30) as stream:
            print("closed" if stream.recv(1) == b"" else "answered", flush=True)
    elif carrier == "pipeline":
        packets = [question(f"{number}.{name}", kind, True, number) for number in range(40)]
        answers = by_stream(server, packets)
        numbers = sorted(struct.unpack(">H", answer[:2])[0] for answer in answers)
        print(len(answers), numbers == list(range(40)), {told(answer) for answer in answers}, flush=True)
    else:
        print(carrier, name, told(ask(carrier, server, name, kind)), flush=True)
