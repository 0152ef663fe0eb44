"""aiohttp, which is asynchronous."""
import asyncio

import aiohttp

import checks


class Client:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.session = self.wait(self.open())

    def wait(self, work):
        return self.loop.run_until_complete(work)

    async def open(self):
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60))

    def version(self):
        return aiohttp.__version__

    def ask(self, method, url, body=None):
        async def ask():
            async with self.session.request(method, url, data=body) as answer:
                return checks.Answer(answer.status, answer.headers, await answer.read(), None)

        return self.wait(ask())

    def parts(self, url):
        answer = self.wait(self.session.get(url))
        while part := self.wait(answer.content.readany()):
            yield part

    def talk(self, url, text):
        async def talk():
            async with self.session.ws_connect(url) as socket:
                await socket.send_str(text)
                return await socket.receive_str()

        return self.wait(talk())


client = Client()
checks.run(client)
client.wait(client.session.close())
