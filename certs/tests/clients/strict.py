"""Arguments: port, host, CA file. Prints the body of the answer, or fails.

Verifies with the two flags that Python sets by default from version 3.13 on.
"""
import socket
import ssl
import sys

port, host, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as plain:
    with context.wrap_socket(plain, server_hostname=host) as tls:
        tls.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        answer = b""
        while chunk := tls.recv(4096):
            answer += chunk
print(answer.decode().split("\r\n\r\n", 1)[1], end="")
