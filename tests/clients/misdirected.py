"""Opens TLS for one name and asks for another, over HTTP/1.1. Prints the status line, or the error."""
import socket
import ssl
import sys

name, authority = sys.argv[1:3]
with socket.create_connection((name, 443), timeout=30) as plain:
    with ssl.create_default_context().wrap_socket(plain, server_hostname=name) as stream:
        stream.sendall(f"GET /token HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: stream.recv(65536), b""))
        print(answer.split(b"\r\n")[0].decode())
