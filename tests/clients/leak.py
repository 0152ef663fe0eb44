"""Sends packets to port 9999 of a v4 and a v6 address in every way that root knows; prints how many ways there were.

What becomes of each is seen on the wire, so no error matters here. Whatever interface there is, it is used.
"""
import socket
import struct
import subprocess
import sys

V4, V6 = sys.argv[1:3]
PORT = 9999
INET, INET6 = (socket.AF_INET, V4), (socket.AF_INET6, V6)
ways = 0


def attempt(way):
    global ways
    ways += 1
    try:
        way()
    except OSError:
        pass


def send(family, address, kind, *options):
    with socket.socket(family, kind) as out:
        for option in options:
            out.setsockopt(*option)
        out.settimeout(0.5)
        out.connect((address, PORT))
        out.send(b"LEAKED")


def frame(device, data):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
        out.bind((device, 0))
        out.send(data)


def udp():
    return struct.pack("!HHHH", 40000, PORT, 8 + 6, 0) + b"LEAKED"


def syn(source, destination):
    return struct.pack("!HHIIBBHHH", source, destination, 1, 0, 5 << 4, 2, 1024, 0, 0)


def ip(protocol, payload, source="0.0.0.0", destination=V4):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
    head += socket.inet_aton(source) + socket.inet_aton(destination)
    total = sum(struct.unpack("!10H", head))
    total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack("!H", total) + head[12:] + payload


def raw(packet, destination=V4):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as out:
        out.sendto(packet, (destination, 0))


def everything():
    names = [name for _, name in socket.if_nameindex()]
    for family in (INET, INET6):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            attempt(lambda: send(*family, kind))
            for name in [*names, "eth0"]:
                device = (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode())
                attempt(lambda: send(*family, kind, device))
            for mark in [1, 2, 100, 0x539, 0xBEEF, -1]:
                attempt(lambda: send(*family, kind, (socket.SOL_SOCKET, socket.SO_MARK, mark)))
    for name in names:
        for ethertype, payload in [(0x0800, ip(17, udp())), (0x0800, ip(6, syn(40001, PORT))), (0x88B5, b"LEAKED")]:
            head = b"\xff" * 6 + b"\x02\0\0\0\0\1"
            attempt(lambda: frame(name, head + struct.pack("!H", ethertype) + payload))
            attempt(lambda: frame(name, head + struct.pack("!HHH", 0x8100, 7, ethertype) + payload))
    for protocol, payload in [(17, udp()), (6, syn(40002, PORT)), (47, b"LEAKED"), (253, b"LEAKED")]:
        attempt(lambda: raw(ip(protocol, payload)))
    # As if it had come from there: an answer would be the reply of a known connection.
    for address in ("127.0.0.1", "192.0.0.8", V4.rpartition(".")[0] + ".2"):
        attempt(lambda: raw(ip(6, syn(PORT, 40003), V4, address), address))


def run(command):
    return subprocess.run(command.split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


everything()
if "--tear-down" in sys.argv:
    for command in ["nft flush ruleset", "ip route flush table local dev lo", "ip -6 route flush table local dev lo"]:
        print(command, run(command))
    run("ip link add out0 type veth peer name out1")
    for command in ["ip link set out0 up", "ip link set out1 up", "ip route add default dev out0"]:
        print(command, run(command))
    everything()
print("ways", ways > 50, flush=True)
