"""A WebSocket client without any configuration: `websocket_client.py URL`; says `done` when everything was as it should be."""
import asyncio
import os
import ssl
import sys

import websockets

url = sys.argv[1]
# One for all: to make one takes long, and nothing else happens meanwhile.
tls = ssl.create_default_context() if url.startswith("wss:") else None


async def echo(message):
    async with websockets.connect(url + "/echo", ssl=tls, max_size=None, open_timeout=60) as socket:
        await socket.send(message)
        assert await socket.recv() == message
        await asyncio.wait_for(await socket.ping(), 60)
    assert socket.close_code == 1000, socket.close_code


async def main():
    await echo("Grüße")
    await echo(os.urandom(1 << 20))
    async with websockets.connect(url + "/first", ssl=tls) as socket:
        assert await socket.recv() == "welcome"
    async with websockets.connect(url + "/close", ssl=tls) as socket:
        await socket.wait_closed()
    assert (socket.close_code, socket.close_reason) == (4001, "enough")
    await asyncio.gather(*(echo(f"one of many {number}") for number in range(100)))
    print("done")


asyncio.run(main())
