"""httpx with HTTP/2."""
import httpx

import checks


class Client:
    def __init__(self):
        self.session = httpx.Client(http2=True, follow_redirects=True, timeout=60)

    def version(self):
        return httpx.__version__

    def ask(self, method, url, body=None):
        answer = self.session.request(method, url, content=body)
        return checks.Answer(answer.status_code, answer.headers, answer.content, answer.http_version)

    def parts(self, url):
        with self.session.stream("GET", url) as answer:
            yield from answer.iter_raw()


checks.run(Client())
