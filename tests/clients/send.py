"""Sends requests of `METHOD PATH BODY` lines over one connection, and prints their statuses."""
import http.client
import sys

connection = http.client.HTTPConnection(sys.argv[1], timeout=60)
for line in sys.stdin:
    method, path, body = line.rstrip("\n").split(" ")
    connection.request(method, path, body or None)
    answer = connection.getresponse()
    answer.read()
    print(answer.status, flush=True)
