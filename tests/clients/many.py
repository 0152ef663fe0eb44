"""Opens many connections to a unix socket and says nothing on them, or only the beginning of a request. Prints `open`, and for a
line on standard input `over` once the other side has closed them all."""
import resource
import socket
import sys

path, count, text = sys.argv[1], int(sys.argv[2]), sys.argv[3]
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
streams = []
for _ in range(count):
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(60)
    stream.connect(path)
    stream.sendall(text.encode())
    streams.append(stream)
print("open", flush=True)
sys.stdin.readline()
for stream in streams:
    try:
        while stream.recv(4096):
            pass
    except ConnectionError:
        pass
print("over", flush=True)
