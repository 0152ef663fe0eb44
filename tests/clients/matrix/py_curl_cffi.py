"""curl_cffi: BoringSSL and the handshake of a Chrome, post-quantum keys and ECH GREASE among it."""
import curl_cffi
from curl_cffi import requests

import checks


class Client:
    def __init__(self):
        self.session = requests.Session(impersonate="chrome", timeout=60)

    def version(self):
        return f"{curl_cffi.__version__}, {curl_cffi.Curl().version().decode().split(' ')[1]}"

    def ask(self, method, url, body=None):
        answer = self.session.request(method, url, data=body)
        protocol = "HTTP/2" if answer.http_version == curl_cffi.CurlHttpVersion.V2_0 else "HTTP/1.1"
        return checks.Answer(answer.status_code, answer.headers, answer.content, protocol)

    def parts(self, url):
        answer = self.session.get(url, stream=True)
        yield from answer.iter_content()
        answer.close()

    def talk(self, url, text):
        socket = self.session.ws_connect(url)
        socket.send_str(text)
        answer = socket.recv_str()
        socket.close()
        return answer


checks.run(Client())
