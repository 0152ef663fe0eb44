"""Tries the ways out that are neither TCP nor DNS. Prints one JSON object: way -> [error name, milliseconds].

The argument addresses are a v4 and a v6 one that nothing but this test uses.
"""
import ctypes
import errno
import fcntl
import json
import socket
import sys
import time

V4, V6 = sys.argv[1:3]
INET, INET6, DGRAM, RAW = socket.AF_INET, socket.AF_INET6, socket.SOCK_DGRAM, socket.SOCK_RAW


def send(family, kind, protocol, address, data=b"out", options=()):
    with socket.socket(family, kind, protocol) as out:
        for option in options:
            out.setsockopt(*option)
        out.settimeout(5)
        out.connect(address)
        out.send(data)
        out.recv(1)


def type_into_the_shell():
    TIOCSTI = 0x5412
    with open("/dev/null") as terminal:  # the filter looks at the request, before anybody looks at the descriptor
        fcntl.ioctl(terminal, TIOCSTI, b"x")


def io_uring():
    SYS_IO_URING_SETUP = 425
    if ctypes.CDLL(None, use_errno=True).syscall(SYS_IO_URING_SETUP, 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")


BROADCAST = (socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
WAYS = {
    "udp4": lambda: send(INET, DGRAM, 0, (V4, 9999)),
    "udp6": lambda: send(INET6, DGRAM, 0, (V6, 9999)),
    "quic4": lambda: send(INET, DGRAM, 0, (V4, 443), b"\xc0" * 1200),
    "quic6": lambda: send(INET6, DGRAM, 0, (V6, 443), b"\xc0" * 1200),
    "icmp4": lambda: send(INET, RAW, socket.IPPROTO_ICMP, (V4, 0), b"\x08\x00\xf7\xff\x00\x00\x00\x00"),
    "icmp6": lambda: send(INET6, RAW, socket.IPPROTO_ICMPV6, (V6, 0), b"\x80\x00\x00\x00\x00\x00\x00\x00"),
    "ping4": lambda: send(INET, DGRAM, socket.IPPROTO_ICMP, (V4, 0), b"\x08\x00\xf7\xff\x00\x00\x00\x00"),
    "raw4": lambda: send(INET, RAW, socket.IPPROTO_RAW, (V4, 0)),
    "udplite": lambda: send(INET, DGRAM, socket.IPPROTO_UDPLITE, (V4, 9999)),
    "sctp": lambda: send(INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP, (V4, 9999)),
    "packet": lambda: socket.socket(socket.AF_PACKET, RAW, socket.htons(3)).close(),
    "mark": lambda: send(INET, DGRAM, 0, (V4, 9998), options=[(socket.SOL_SOCKET, socket.SO_MARK, 100)]),
    "vsock": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).connect((2, 1)),
    "terminal input": type_into_the_shell,
    "io_uring": io_uring,
    "broadcast": lambda: send(INET, DGRAM, 0, ("255.255.255.255", 9999), options=[BROADCAST]),
    "multicast": lambda: send(INET, DGRAM, 0, ("239.1.2.3", 9999)),
    "multicast6": lambda: send(INET6, DGRAM, 0, ("ff0e::77", 9999)),
}

results = {}
for name, way in WAYS.items():
    start = time.monotonic()
    try:
        way()
        result = "out"
    except TimeoutError:
        result = "timeout"
    except OSError as error:
        result = errno.errorcode.get(error.errno, repr(error))
    results[name] = [result, (time.monotonic() - start) * 1000]
print(json.dumps(results), flush=True)
