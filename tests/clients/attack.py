"""What the attack programs have in common: each tries ways out, and prints one JSON object: way -> what came of it.

The argument addresses are a v4 and a v6 one that nobody has (RFC 5737, RFC 3849) and that only one test uses.
"""
import errno
import json
import os
import socket
import struct
import subprocess
import sys
import time

V4, V6 = sys.argv[1:3]
INET, INET6 = socket.AF_INET, socket.AF_INET6
STREAM, DGRAM, RAW = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW
LISTEN_V4, LISTEN_V6, LISTEN_PORT = "198.18.255.1", "100::ffff", 61001
SO_MARK, SO_BINDTODEVICE, IP_TRANSPARENT, IPV6_TRANSPARENT = 36, 25, 19, 75
TIMEOUT = 10  # seconds; for what is answered
MARK = lambda mark: (socket.SOL_SOCKET, SO_MARK, struct.pack("I", mark))
DEVICE = lambda name: (socket.SOL_SOCKET, SO_BINDTODEVICE, name.encode())


def outcome(way):
    try:
        return way() or "sent"
    except TimeoutError:
        return "silence"
    except OSError as error:
        return errno.errorcode.get(error.errno, repr(error))


def report(ways):
    print(json.dumps({name: outcome(way) for name, way in ways.items()}), flush=True)


def opened(family, kind, protocol=0, options=()):
    made = socket.socket(family, kind, protocol)
    made.settimeout(TIMEOUT)
    for option in options:
        made.setsockopt(*option)
    return made


def http(stream):
    """Only the proxy answers like this: nobody else is there."""
    stream.sendall(b"GET / HTTP/1.1\r\nhost: denied.example.test\r\n\r\n")
    answer = stream.recv(4096)
    return "HTTP " + answer.split()[1].decode() if answer else "closed"


def tcp(address, options=(), family=None, protocol=0, source=None):
    family = family or (INET6 if ":" in address[0] else INET)
    with opened(family, STREAM, protocol, options) as stream:
        if source:
            stream.bind(source)
        stream.connect(address)
        return http(stream)


def packet(family, kind, protocol, address, data=b"out", options=()):
    with opened(family, kind, protocol, options) as out:
        out.connect(address)
        out.send(data)
        out.recv(1)
        return "answered"


def udp(address, options=()):
    return packet(INET6 if ":" in address[0] else INET, DGRAM, 0, address, b"\xc0" * 1200, options)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(source, target, protocol, payload, fragment=0):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 7, fragment, 64, protocol, 0)
    head += socket.inet_aton(source) + socket.inet_aton(target)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ip6(source, target, protocol, payload):
    addresses = socket.inet_pton(INET6, source) + socket.inet_pton(INET6, target)
    return struct.pack(">IHBB", 0x60000000, len(payload), protocol, 64) + addresses + payload


def udp_header(data, port=9999):
    return struct.pack(">HHHH", 4444, port, 8 + len(data), 0) + data


def syn(source, target, from_port, to_port):
    head = struct.pack(">HHIIBBHHH", from_port, to_port, 1, 0, 0x50, 0x02, 65535, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack(">HH", 6, len(head))
    return head[:16] + struct.pack(">H", checksum(pseudo + head)) + head[18:]


