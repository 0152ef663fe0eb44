# The listener's own addresses and ports: taking them, sharing them, standing before them.
REUSE = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1), (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)]
FREE4, FREE6 = (socket.IPPROTO_IP, IP_TRANSPARENT, 1), (socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)


def listen(family, address, options):
    with opened(family, STREAM, 0, options) as stream:
        stream.bind(address)
        stream.listen()
        return "stolen"


def bind(family, address, options):
    with opened(family, DGRAM, 0, options) as stream:
        stream.bind(address)
        return "stolen"


ways = {}
for shared, options in (("", []), (" shared", REUSE)):
    ways["tcp 4" + shared] = lambda options=options: listen(INET, (LISTEN_V4, LISTEN_PORT), [FREE4] + options)
    ways["tcp 6" + shared] = lambda options=options: listen(INET6, (LISTEN_V6, LISTEN_PORT), [FREE6] + options)
    ways["tcp 4 all" + shared] = lambda options=options: listen(INET, ("0.0.0.0", LISTEN_PORT), [FREE4] + options)
    ways["tcp 6 all" + shared] = lambda options=options: listen(INET6, ("::", LISTEN_PORT), [FREE6] + options)
    ways["udp 4" + shared] = lambda options=options: bind(INET, (LISTEN_V4, 53), [FREE4] + options)
    ways["udp 6" + shared] = lambda options=options: bind(INET6, (LISTEN_V6, 53), [FREE6] + options)
    ways["udp 4 all" + shared] = lambda options=options: bind(INET, ("0.0.0.0", 53), [FREE4] + options)
report(ways)
