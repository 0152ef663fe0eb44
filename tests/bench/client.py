"""A client in a workload's network: `first CA` says when the first request was answered (monotonic clock, seconds), `idle COUNT` opens so many
connections, asks once on each, says how many were answered, and holds them until its input ends. `-` is no CA: anybody is believed."""
import asyncio
import socket
import ssl
import sys
import time

HOST, SERVICE = "www.upstream.test", "10.77.255.1"
REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
BODY = b"x" * 1024
AT_ONCE = 64


def context(ca):
    made = ssl.create_default_context(cafile=ca)
    if not ca:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def first(scheme, ca):
    made = context(ca) if scheme == "https" else None
    while True:
        try:
            with socket.create_connection((SERVICE, 443 if made else 80), timeout=2) as plain:
                with made.wrap_socket(plain, server_hostname=HOST) if made else plain as connection:
                    connection.sendall(REQUEST)
                    if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                        return time.monotonic()
        except OSError:
            pass
        time.sleep(0.001)


async def idle(scheme, count):
    made, held, gate = context(None) if scheme == "https" else None, [], asyncio.Semaphore(AT_ONCE)

    async def one():
        async with gate:
            try:
                reader, writer = await asyncio.open_connection(SERVICE, 443 if made else 80, ssl=made, server_hostname=HOST if made else None)
                writer.write(REQUEST)
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(len(BODY))
                if head.startswith(b"HTTP/1.1 200") and body == BODY:
                    held.append(writer)
            except (OSError, EOFError):
                pass

    await asyncio.gather(*(one() for _ in range(count)))
    print(len(held), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    what, scheme, more = sys.argv[1:]
    if what == "first":
        print(first(scheme, None if more == "-" else more))
    else:
        asyncio.run(idle(scheme, int(more)))
