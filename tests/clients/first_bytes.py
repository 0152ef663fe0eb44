"""What protocols other than HTTP say first, or their silence, each to its own port. Prints how each ended and when."""
import json
import socket
import time

# A connection that waits, as browsers open them, is no protocol of its own; it is used at the end.
early = socket.create_connection(("192.0.2.80", 80), timeout=60)
for port, first in (
    (22, b""),
    (22, b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    (25, b""),
    (25, b"EHLO client.example\r\n"),
    (3306, b""),
    (5432, bytes.fromhex("0000000804d2162f")),
    (5432, bytes.fromhex("000000210003000075736572006100")),
    (6379, b"*1\r\n$4\r\nPING\r\n"),
    (443, b"\0\1not TLS\r\n"),
    (80, b"HELO mail\r\n"),
):
    start = time.monotonic()
    with socket.create_connection(("192.0.2.9", port), timeout=60) as stream:
        try:
            stream.sendall(first)
            end = "end" if stream.recv(1) == b"" else "data"
        except ConnectionResetError:
            end = "reset"
    print(json.dumps({"port": port, "end": end, "seconds": time.monotonic() - start}), flush=True)
early.sendall(b"GET / HTTP/1.1\r\nHost: 192.0.2.80\r\nConnection: close\r\n\r\n")
print(json.dumps({"early": early.recv(12).decode()}))
