# Changing the network itself: rules, routes and interfaces, and then every simple way again.
TIMEOUT = 0.3  # seconds; nothing is answered any more


def run(command):
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=20)
    return "done" if done.returncode == 0 else "refused"


def frames():
    for _, interface in socket.if_nameindex():
        with opened(socket.AF_PACKET, RAW) as out:
            out.bind((interface, 0x0800))
            try:
                out.send(b"\xff" * 12 + b"\x08\0" + ip4("192.0.0.8", V4, 17, udp_header(b"out")))
            except OSError:
                pass


CHANGES = {
    "nested namespaces": "unshare -Urn true",
    "other network": "nsenter --net=/proc/1/root/proc/2/ns/net true",
    "mount": "mount -t tmpfs none /home",
    "flush": "nft flush ruleset",
    "delete rules": "ip rule del pref 0; ip -6 rule del pref 0; ip rule add pref 100 lookup main",
    "dummy": "ip link add d0 type dummy && ip addr add 198.51.100.1/24 dev d0 && ip link set d0 up",
    "cable": "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up",
    "bridge": "ip link add b0 type bridge && ip link set b0 up",
    "vlan": "ip link add link lo name l0 type vlan id 7 && ip link set l0 up",
    "macvlan": "ip link add link lo name m0 type macvlan && ip link set m0 up",
    "gre": f"ip link add g0 type gretap local 192.0.0.8 remote {V4} && ip link set g0 up",
    "vxlan": f"ip link add x0 type vxlan id 7 remote {V4} dstport 4789 && ip link set x0 up",
    "sit": f"ip tunnel add s0 mode sit local 192.0.0.8 remote {V4} && ip link set s0 up",
    "tun": "ip tuntap add t0 mode tun && ip link set t0 up",
    "default route": "ip route flush table local; ip route replace default dev lo; ip -6 route replace default dev lo",
}
AFTER = {
    "plain 4": lambda: tcp((V4, 80)),
    "plain 6": lambda: tcp((V6, 80)),
    "marked": lambda: tcp((V4, 80), [MARK(1)]),
    "udp": lambda: udp((V4, 443)),
    "udp 6": lambda: udp((V6, 443)),
    "icmp": lambda: packet(INET, RAW, socket.IPPROTO_ICMP, (V4, 0), b"\x08\x00\xf7\xff\0\0\0\0"),
    "frames": frames,
    "listener": lambda: tcp((LISTEN_V4, LISTEN_PORT)),
    "foreign source": lambda: tcp((V4, 80), [(socket.IPPROTO_IP, IP_TRANSPARENT, 1)], source=("198.51.100.9", 0)),
}
routes = "for i in $(ls /sys/class/net); do ip route replace default dev $i; ip -6 route replace default dev $i; done"
ways = {name: lambda command=command: run(command) for name, command in CHANGES.items()}
ways |= {"after, " + name: way for name, way in AFTER.items()}
ways["default routes"] = lambda: run(routes)
ways |= {"with routes, " + name: way for name, way in AFTER.items()}
report(ways)
