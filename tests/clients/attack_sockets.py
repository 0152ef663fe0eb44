# Sockets of every kind, with every option that chooses a way.
NAT64 = "64:ff9b::" + V4


def fast_open():
    with opened(INET, STREAM) as stream:
        stream.settimeout(None)
        stream.sendto(b"GET / HTTP/1.1\r\nhost: denied.example.test\r\n\r\n", socket.MSG_FASTOPEN, (V4, 80))
        return "HTTP " + stream.recv(4096).split()[1].decode()


def protocol(family, number, address):
    with opened(family, RAW, number) as out:
        out.sendto(b"out" * 10, (address, 0))


def source_routed():
    with opened(INET, STREAM, 0, [LOOSE_ROUTE]) as stream:
        stream.settimeout(0.3)
        stream.connect((V4, 80))
        return http(stream)


TRANSPARENT = (socket.IPPROTO_IP, IP_TRANSPARENT, 1)
BROADCAST = (socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
UNICAST_IF = (socket.IPPROTO_IP, 50, struct.pack(">I", 2))
LOOSE_ROUTE = (socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x83\x07\x04" + socket.inet_aton(V4) + b"\x00")
PING, PING6 = b"\x08\x00\xf7\xff\0\0\0\0", b"\x80\x00\0\0\0\0\0\0"

ways = {
    "plain 4": lambda: tcp((V4, 80)),
    "plain 6": lambda: tcp((V6, 80)),
    "bound to lo": lambda: tcp((V4, 80), [DEVICE("lo")]),
    "not routed": lambda: tcp((V4, 80), [(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)]),
    "4 in 6": lambda: tcp(("::ffff:" + V4, 80)),
    "nat64": lambda: tcp((NAT64, 80)),
    "mptcp": lambda: tcp((V4, 80), protocol=262),
    "fast open": fast_open,
    "metadata": lambda: tcp(("169.254.169.254", 80)),
    "private": lambda: tcp(("10.0.0.1", 80)),
    "bridge": lambda: tcp(("172.17.0.1", 80)),
    "private 6": lambda: tcp(("fd00::1", 80)),
    "interface index": lambda: tcp((V4, 80), [UNICAST_IF]),
    "loose source route": source_routed,
    "foreign source": lambda: tcp((V4, 80), [TRANSPARENT], source=("198.51.100.9", 0)),
    "link local": lambda: tcp(("fe80::1", 80, 0, 1)),
    "icmp": lambda: packet(INET, RAW, socket.IPPROTO_ICMP, (V4, 0), PING),
    "icmp 6": lambda: packet(INET6, RAW, socket.IPPROTO_ICMPV6, (V6, 0), PING6),
    "ping": lambda: packet(INET, DGRAM, socket.IPPROTO_ICMP, (V4, 0), PING),
    "udp-lite": lambda: packet(INET, DGRAM, socket.IPPROTO_UDPLITE, (V4, 9999)),
    "sctp": lambda: packet(INET, STREAM, socket.IPPROTO_SCTP, (V4, 9999)),
    "broadcast": lambda: udp(("255.255.255.255", 9999), [BROADCAST]),
    "multicast": lambda: udp(("239.1.2.3", 9999)),
    "ssdp": lambda: udp(("239.255.255.250", 1900)),
    "mdns": lambda: udp(("224.0.0.251", 5353)),
    "multicast 6": lambda: udp(("ff0e::77", 9999)),
    "listener 4": lambda: tcp((LISTEN_V4, LISTEN_PORT)),
    "listener 6": lambda: tcp((LISTEN_V6, LISTEN_PORT)),
    "listener by loopback": lambda: tcp(("127.0.0.1", LISTEN_PORT)),
    "listener by own address": lambda: tcp(("192.0.0.8", LISTEN_PORT)),
    "DNS listener": lambda: udp((LISTEN_V4, 5353)),
}
for name in ("eth0", "docker0", "eth1"):
    ways["bound to " + name] = lambda name=name: tcp((V4, 80), [DEVICE(name)])
for mark in (1, 2, 100, 1337, 0xBEEF, 0x80000000, 0xFFFFFFFF):
    ways[f"mark {mark}"] = lambda mark=mark: tcp((V4, 80), [MARK(mark)])
    ways[f"mark {mark} udp"] = lambda mark=mark: udp((V4, 443), [MARK(mark)])
for port in (67, 123, 443, 853, 1194, 51820):
    ways[f"udp {port}"] = lambda port=port: udp((V4, port))
    ways[f"udp6 {port}"] = lambda port=port: udp((V6, port))
for number in (4, 41, 47, 50, 51, 89, 132, 136, 253):
    ways[f"protocol {number}"] = lambda number=number: protocol(INET, number, V4)
    ways[f"protocol6 {number}"] = lambda number=number: protocol(INET6, number, V6)
report(ways)
