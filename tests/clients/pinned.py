"""A pinned client: trusts the CA in its third argument alone. Connects to an address of its own choice, asks for a name,
with a certificate of its own if a fifth argument names one, says `open`, and sends a request for each line of standard input. Prints status and body, and in the end `end` or why."""
import socket
import ssl
import sys

address, port, roots, name = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
context = ssl.create_default_context(cadata=roots)
if len(sys.argv) > 5:
    context.load_cert_chain(sys.argv[5])
try:
    plain = socket.create_connection((address, port), timeout=60)
    stream = context.wrap_socket(plain, server_hostname=name)
    print("open", flush=True)
    for line in sys.stdin:
        if line == "wait\n":
            print("end" if stream.recv(1) == b"" else "data", flush=True)
            continue
        stream.sendall(f"GET {line.strip()} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        head, body = b"", b""
        while b"\r\n\r\n" not in head:
            head += stream.recv(1)
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < int(length[0].split(b":")[1]):
            body += stream.recv(4096)
        print(head.split()[1].decode(), body.decode().strip(), flush=True)
except ssl.SSLCertVerificationError:
    print("not the pinned certificate", flush=True)
except OSError:
    print("end", flush=True)
