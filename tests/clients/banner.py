"""Waits for the server to speak first. Prints what it said and how many seconds that took."""
import socket
import sys
import time

start = time.monotonic()
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as stream:
    print(stream.makefile().readline().strip())
    print(time.monotonic() - start)
