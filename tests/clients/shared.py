"""Ways past a proxy that shares its network with this program, by what needs no capability, and by what needs NET_RAW.

shared.py TARGET4 TARGET6 WAY...: tries each way, `all` for all that need no capability, and prints a line for each: its name, and what
the kernel said.
"""

import socket
import sys

PORT = 9999
DEVICE = b"eth0"


def send(family, address, *options, kind=socket.SOCK_DGRAM):
    with socket.socket(family, kind) as s:
        s.settimeout(0.3)
        for option in options:
            s.setsockopt(*option)
        s.connect((address, PORT))
        s.send(b"LEAKED")


def stream(family, address, *options):
    send(family, address, *options, kind=socket.SOCK_STREAM)


def multicast(family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        if family == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(OWN))
            s.sendto(b"LEAKED", ("224.0.0.251", PORT))
        else:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(DEVICE.decode()))
            s.sendto(b"LEAKED", ("ff05::fb", PORT))


def broadcast(family, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.sendto(b"LEAKED", (address.rsplit(".", 1)[0] + ".255", PORT))


def group(family, address):
    """The kernel tells the network of groups that a program joins."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.3") + socket.inet_aton(OWN))
        # It does so a moment later, if the program is in it still.
        s.settimeout(0.5)
        s.recv(1)


def ping(family, address):
    protocol, kind = (socket.IPPROTO_ICMP, 8) if family == socket.AF_INET else (socket.IPPROTO_ICMPV6, 128)
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as s:
        s.sendto(bytes([kind, 0, 0, 0, 0, 0, 0, 1]) + b"LEAKED", (address, 0))


def marked(family, address):
    for mark in (1, 100, 0x5045, 1 << 31):
        try:
            send(family, address, (socket.SOL_SOCKET, socket.SO_MARK, mark))
        except PermissionError:
            send(family, address)


def dns_elsewhere(family, address):
    """Port 53 of a device that it is bound to."""
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEVICE)
        s.sendto(b"LEAKED", (address, 53))


def frame(family, address):
    """Needs NET_RAW: a packet that no rule of routing sees."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as s:
        source, target = socket.inet_aton(OWN), socket.inet_aton(address)
        head = bytes([0x45, 0, 0, 34, 0, 0, 0, 0, 64, 17, 0, 0]) + source + target
        udp = PORT.to_bytes(2, "big") * 2 + (14).to_bytes(2, "big") + bytes(2)
        s.sendto(head + udp + b"LEAKED", (DEVICE.decode(), 0x0800, 0, 0, b"\xff" * 6))


BOUND = (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, DEVICE)
STRAIGHT = (socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
WAYS = {
    "udp": send,
    "tcp": stream,
    "udp bound": lambda *to: send(*to, BOUND),
    "tcp bound": lambda *to: stream(*to, BOUND),
    "udp straight": lambda *to: send(*to, STRAIGHT),
    "tcp straight": lambda *to: stream(*to, STRAIGHT),
    "multicast": multicast,
    "ping": ping,
    "marked": marked,
    "dns": dns_elsewhere,
}
ONLY4 = {
    "broadcast": broadcast,
    "group": group,
}
PRIVILEGED = {"frame": frame}

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect((sys.argv[1], PORT))
    OWN = s.getsockname()[0]

targets = [(socket.AF_INET, sys.argv[1], "4"), (socket.AF_INET6, sys.argv[2], "6")]
every = [f"{name} {t[2]}" for name in WAYS for t in targets] + [f"{name} 4" for name in ONLY4]
for name in every if sys.argv[3:] == ["all"] else sys.argv[3:]:
    way, version = name.rsplit(" ", 1)
    family, address, _ = targets[0 if version == "4" else 1]
    try:
        (WAYS | ONLY4 | PRIVILEGED)[way](family, address)
        print(name, "sent", flush=True)
    except OSError as error:
        print(name, error, flush=True)
