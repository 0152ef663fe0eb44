"""A server inside: `server.py ADDRESS PORT`. Prints `ready`, and `open N` for each connection, N being how many are open.

The first byte says what it does: `c` counts to the end of what it is sent, answers with the number and closes; `e` says `bye`,
closes its half, then reads slowly and prints `late` and the number of bytes.
"""
import socket
import sys
import threading

address, port = sys.argv[1], int(sys.argv[2])
lock = threading.Lock()
count = 0


def say(text):
    with lock:
        print(text, flush=True)


def serve(stream):
    global count
    with lock:
        count += 1
        print(f"open {count}", flush=True)
    total = 0
    try:
        first = stream.recv(1)
        if first == b"e":
            stream.sendall(b"bye")
            stream.shutdown(socket.SHUT_WR)
        size = 1024 if first == b"e" else 65536
        while data := stream.recv(size):
            total += len(data)
        if first == b"e":
            say(f"late {total}")
        else:
            stream.sendall(str(total).encode())
    except OSError as error:
        say(f"broke {type(error).__name__}")
    with lock:
        count -= 1
    stream.close()


listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
listener.bind((address, port))
listener.listen(512)
say("ready")
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
