# Packets made by hand: whole frames on every interface, and raw IP with forged addresses.
MAC = b"\xff" * 6 + b"\x02\0\0\0\0\x01"
DATAGRAM4 = ip4("192.0.0.8", V4, 17, udp_header(b"out"))
DATAGRAM6 = ip6("100::8", V6, 17, udp_header(b"out"))
ARP = struct.pack(">HHBBH", 1, 0x800, 6, 4, 1) + MAC[6:] + socket.inet_aton(V4) + b"\0" * 6 + socket.inet_aton(V4)
FRAMES = {
    "udp": (0x0800, DATAGRAM4),
    "udp 6": (0x86DD, DATAGRAM6),
    "syn": (0x0800, ip4("192.0.0.8", V4, 6, syn("192.0.0.8", V4, 4444, 443))),
    "arp": (0x0806, ARP),
    "vlan": (0x8100, struct.pack(">HH", 7, 0x0800) + DATAGRAM4),
    # A type that nobody speaks, and that only this test uses.
    "another type": (0xFF00 | socket.inet_aton(V4)[3], b"out" * 20),
}


def frame(interface, kind, payload, options=()):
    with opened(socket.AF_PACKET, RAW, 0, options) as out:
        out.bind((interface, kind))
        for _ in range(20):
            out.send(MAC + struct.pack(">H", kind) + payload)


def raw(family, payload, address, options=()):
    with opened(family, RAW, socket.IPPROTO_RAW, options) as out:
        out.sendto(payload, address)


def forged_syn():
    """The kernel's answer to a forged SYN would be a packet to V4 that nobody connected."""
    with opened(INET, STREAM) as server:
        server.bind(("0.0.0.0", 40001))
        server.listen()
        raw(INET, ip4(V4, "192.0.0.8", 6, syn(V4, "192.0.0.8", 443, 40001)), ("192.0.0.8", 0))
        raw(INET, ip4(V4, "127.0.0.1", 6, syn(V4, "127.0.0.1", 443, 40001)), ("127.0.0.1", 0))


def forged_syn_to_the_listener():
    raw(INET, ip4(V4, LISTEN_V4, 6, syn(V4, LISTEN_V4, 443, LISTEN_PORT)), (LISTEN_V4, 0))


ways = {
    "raw ip": lambda: raw(INET, DATAGRAM4, (V4, 0)),
    "raw ip 6": lambda: raw(INET6, DATAGRAM6, (V6, 0)),
    "raw ip, marked": lambda: raw(INET, DATAGRAM4, (V4, 0), [MARK(0xFFFFFFFF)]),
    "first fragment": lambda: raw(INET, ip4("192.0.0.8", V4, 17, udp_header(b"out"), 0x2000), (V4, 0)),
    "last fragment": lambda: raw(INET, ip4("192.0.0.8", V4, 17, b"out", 1), (V4, 0)),
    "foreign source": lambda: raw(INET, ip4("198.51.100.9", V4, 17, udp_header(b"out")), (V4, 0)),
    "question from V4": lambda: raw(INET, ip4(V4, "9.9.9.9", 17, udp_header(b"\0" * 12, 53)), ("9.9.9.9", 0)),
    "forged syn": forged_syn,
    "forged syn to the listener": forged_syn_to_the_listener,
}
for _, interface in socket.if_nameindex():
    for name, (kind, payload) in FRAMES.items():
        ways[f"{interface} {name}"] = lambda i=interface, k=kind, p=payload: frame(i, k, p)
        ways[f"{interface} {name}, marked"] = lambda i=interface, k=kind, p=payload: frame(i, k, p, [MARK(100)])
report(ways)
