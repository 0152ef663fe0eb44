# Connects again and again, from before the network was sealed; once /tmp/steal is there, it also tries to take the listener's
# port, each time. Ends when /tmp/stop is there, and prints how often what came of it.
FREE = (socket.IPPROTO_IP, IP_TRANSPARENT, 1)
REUSE = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def connect(address):
    with socket.socket(INET6 if ":" in address[0] else INET) as stream:
        stream.setblocking(False)
        try:
            stream.connect(address)
        except BlockingIOError:
            pass
        return "connected"


def datagram(address):
    with socket.socket(INET, DGRAM) as out:
        out.sendto(b"out", address)


def steal():
    with opened(INET, STREAM, 0, [FREE, REUSE]) as stream:
        stream.bind((LISTEN_V4, LISTEN_PORT))
        return "stolen"


seen = {}
print("looping", flush=True)
while not os.path.exists("/tmp/stop"):
    ways = [lambda: connect((V4, 443)), lambda: connect((V6, 443)), lambda: datagram((V4, 443))]
    if os.path.exists("/tmp/steal"):
        ways.append(steal)
    for way in ways:
        name = "steal: " if way is steal else ""
        name += outcome(way)
        seen[name] = seen.get(name, 0) + 1
        if seen[name] == 1:
            print(name, flush=True)
print(json.dumps(seen), flush=True)
