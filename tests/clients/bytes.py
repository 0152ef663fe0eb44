"""Sends bytes, given in hex, on one plain connection, and prints the status line of every answer, then `end`."""
import re
import socket
import sys

host, data = sys.argv[1], bytes.fromhex(sys.argv[2])
with socket.create_connection((host, 80), timeout=30) as stream:
    answer = b""
    try:
        stream.sendall(data)
        while piece := stream.recv(65536):
            answer += piece
    except OSError:  # reset
        pass
for line in re.findall(rb"HTTP/1\.1 \d\d\d", answer):
    print(line.decode())
print("end")
