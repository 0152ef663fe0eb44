"""Python's own urllib, verifying as strictly as Python 3.13 and later do by default."""
import gzip
import ssl
import sys
import urllib.error
import urllib.request

import checks


class Client:
    def __init__(self):
        self.context = ssl.create_default_context()
        self.context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN

    def version(self):
        return f"{sys.version.split()[0]}, {ssl.OPENSSL_VERSION}"

    def open(self, method, url, body=None):
        request = urllib.request.Request(url, body, method=method)
        try:
            return urllib.request.urlopen(request, context=self.context, timeout=60)
        except urllib.error.HTTPError as answer:
            return answer

    def ask(self, method, url, body=None):
        with self.open(method, url, body) as answer:
            content = answer.read()
            if answer.headers["content-encoding"] == "gzip":
                content = gzip.decompress(content)
            return checks.Answer(answer.status, answer.headers, content, None)

    def parts(self, url):
        with self.open("GET", url) as answer:
            while part := answer.read1():
                yield part


checks.run(Client())
