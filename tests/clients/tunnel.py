"""A raw connection that listens first, then repeats what standard input says. Prints `end` when the other side ends."""
import socket
import sys
import threading

address, port = sys.argv[1], int(sys.argv[2])
stream = socket.create_connection((address, port), timeout=60)


def listen():
    try:
        for line in stream.makefile():
            print(line, end="", flush=True)
    except OSError:
        pass
    print("end", flush=True)


listener = threading.Thread(target=listen)
listener.start()
for line in sys.stdin:
    if line == "half-close\n":
        stream.shutdown(socket.SHUT_WR)
    else:
        stream.sendall(line.encode())
listener.join()
