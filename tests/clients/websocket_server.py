"""A WebSocket server: `websocket_server.py [CERTIFICATE]`. Prints its port, then the token that each client came with, and how it ended.

`/echo` repeats; `/hash` answers with the SHA-256; `/first` speaks first; `/close` closes with a code of its own; `/count` only counts; `/pieces` repeats a
message with a frame for each character, and then as the reason for which it closes.
"""
import asyncio
import hashlib
import ssl
import sys

import websockets


async def serve(socket):
    print("open", socket.request_headers.get("x-auth-token", "-"), flush=True)
    count = 0
    if socket.path == "/first":
        await socket.send("welcome")
    if socket.path == "/close":
        await socket.close(4001, "enough")
    try:
        async for message in socket:
            count += 1
            if socket.path == "/hash":
                await socket.send(hashlib.sha256(message.encode()).hexdigest())
            elif socket.path == "/pieces":
                await socket.send(list(message))
                await socket.close(4002, message)
            elif socket.path != "/count":
                await socket.send(message)
            elif count == 100:
                print("many", flush=True)
    except websockets.ConnectionClosed:
        pass
    print("closed", socket.close_code, flush=True)


async def main():
    tls = None
    if len(sys.argv) > 1:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[1])
    async with websockets.serve(serve, "127.0.0.1", 0, ssl=tls, max_size=None, subprotocols=["two"]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
