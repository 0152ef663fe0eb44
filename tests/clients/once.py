"""One HTTPS request to an address, once a line comes: `once.py ROOTS HOST ADDRESS PATH`. Prints `connected`, then how it went."""
import socket
import ssl
import sys

roots, host, address, path = sys.argv[1:5]
context = ssl.create_default_context(cafile=roots)
try:
    with socket.create_connection((address, 443), timeout=60) as plain:
        print("connected", flush=True)
        with context.wrap_socket(plain, server_hostname=host) as stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
            answer = stream.makefile().read()
            status, _, body = answer.partition("\r\n") if "\r\n" in answer else answer.partition("\n")
            print(status[9:12] or "end", answer.strip().splitlines()[-1] if answer.strip() else "", flush=True)
except OSError as error:
    print(type(error).__name__, flush=True)
