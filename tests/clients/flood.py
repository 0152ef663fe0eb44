"""Sends MEBIBYTES of noise to a server that repeats them, and ends its half. Prints both checksums and lengths."""
import hashlib
import os
import socket
import sys
import threading

MEBIBYTE = 1 << 20
stream = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=120)
sent, heard = hashlib.sha256(), hashlib.sha256()


def send():
    for _ in range(int(sys.argv[3])):
        block = os.urandom(MEBIBYTE)
        sent.update(block)
        stream.sendall(block)
    stream.shutdown(socket.SHUT_WR)


sender = threading.Thread(target=send)
sender.start()
length = 0
buffer = bytearray(MEBIBYTE)
while count := stream.recv_into(buffer):
    heard.update(memoryview(buffer)[:count])
    length += count
sender.join()
print(sent.hexdigest(), int(sys.argv[3]) * MEBIBYTE)
print(heard.hexdigest(), length)
