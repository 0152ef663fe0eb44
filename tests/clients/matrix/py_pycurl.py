"""libcurl with GnuTLS, as Debian's pycurl has it."""
import io
import queue
import threading

import pycurl

import checks


class Client:
    def version(self):
        library = pycurl.version_info()
        return f"{library[1]}, {library[5]}"

    def perform(self, method, url, body, write):
        curl = pycurl.Curl()
        headers = {}

        def note(line):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()

        for option, value in [
            (pycurl.URL, url), (pycurl.FOLLOWLOCATION, True), (pycurl.TIMEOUT, 60), (pycurl.ACCEPT_ENCODING, ""),
            (pycurl.WRITEFUNCTION, write), (pycurl.HEADERFUNCTION, note), (pycurl.NOSIGNAL, True),
        ]:
            curl.setopt(option, value)
        if body is not None:
            curl.setopt(pycurl.POSTFIELDS, body)
        curl.perform()
        protocol = "HTTP/2" if curl.getinfo(pycurl.INFO_HTTP_VERSION) == pycurl.CURL_HTTP_VERSION_2_0 else "HTTP/1.1"
        return checks.Answer(curl.getinfo(pycurl.RESPONSE_CODE), headers, None, protocol)

    def ask(self, method, url, body=None):
        content = io.BytesIO()
        answer = self.perform(method, url, body, content.write)
        return answer._replace(body=content.getvalue())

    def parts(self, url):
        parts = queue.Queue(16)

        def perform():
            try:
                self.perform("GET", url, None, parts.put)
            finally:
                parts.put(None)

        threading.Thread(target=perform).start()
        while part := parts.get(timeout=60):
            yield part


checks.run(Client())
