"""One WebSocket: `websocket_talk.py URL`. Says `open`; sends each line of standard input, and `pour` without an end; says how it was closed."""
import asyncio
import sys

import websockets


async def pour(socket):
    while True:
        await socket.send("x")
        await asyncio.sleep(0)


async def talk(socket):
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line == "pour\n":
            await pour(socket)
        await socket.send(line)


async def main():
    async with websockets.connect(sys.argv[1], ping_interval=None, close_timeout=60) as socket:
        print("open", flush=True)
        talking = asyncio.create_task(talk(socket))
        await socket.wait_closed()
        talking.cancel()
        await asyncio.wait([talking])
        print("closed", socket.close_code, flush=True)


asyncio.run(main())
