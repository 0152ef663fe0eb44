"""One keep-alive connection, driven from standard input.

Reads lines `METHOD PATH`, sends each on the same connection, prints `STATUS first line of the body`.
Prints `closed` instead when the connection had to be opened again.
"""
import http.client
import sys

connection = http.client.HTTPSConnection(sys.argv[1], timeout=60)
connection.connect()
first = connection.sock
for line in sys.stdin:
    method, path = line.split()
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    if connection.sock is not first:
        print("closed", flush=True)
        sys.exit(1)
    print(answer.status, (body.splitlines() or [""])[0], flush=True)
