"""A workload whose proxy is killed again and again: a connection to a denied address every millisecond, and `probe` lines.

`probe` asks an allowed host over new connections until it answers, and prints the milliseconds; `stop` prints as JSON how all
connections ended. A connection that hangs is counted as `TimeoutError`.
"""
import collections
import json
import socket
import ssl
import sys
import threading
import time

# One alone would stand still while nobody answers it.
THREADS = 8

roots, host, allowed, denied = sys.argv[1:5]
context = ssl.create_default_context(cafile=roots)
stop = threading.Event()
counts = collections.Counter()


def request():
    with socket.create_connection((allowed, 443), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname=host) as stream:
            stream.sendall(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
            return stream.recv(12).decode() or "end"


def knock():
    while not stop.wait(THREADS / 1000):
        try:
            with socket.create_connection((denied, 80), timeout=20) as stream:
                if int(time.monotonic() * 1000) % 20 == 0:
                    stream.sendall(b"GET / HTTP/1.1\r\nhost: denied.test\r\n\r\n")
                    counts["denied " + (stream.recv(12).decode() or "end")] += 1
                else:
                    counts["connected"] += 1
        except OSError as error:
            counts[type(error).__name__] += 1


def probe():
    start = time.monotonic()
    while True:
        try:
            answer = request()
        except OSError as error:
            answer = type(error).__name__
        counts[answer] += 1
        if answer == "HTTP/1.1 200":
            return (time.monotonic() - start) * 1000


knocking = [threading.Thread(target=knock) for _ in range(THREADS)]
for thread in knocking:
    thread.start()
print("ready", flush=True)
for line in sys.stdin:
    if line == "stop\n":
        break
    print(f"{probe():.1f}", flush=True)
stop.set()
for thread in knocking:
    thread.join()
print(json.dumps(counts), flush=True)
