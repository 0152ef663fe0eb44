"""requests."""
import requests

import checks


class Client:
    def __init__(self):
        self.session = requests.Session()

    def version(self):
        return requests.__version__

    def ask(self, method, url, body=None):
        answer = self.session.request(method, url, data=body, timeout=60)
        return checks.Answer(answer.status_code, answer.headers, answer.content, None)

    def parts(self, url):
        with self.session.get(url, stream=True, timeout=60) as answer:
            # Whatever has come.
            yield from answer.iter_content(None)


checks.run(Client())
