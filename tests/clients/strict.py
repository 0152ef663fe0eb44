"""Fetches each URL twice: with Python's default TLS settings and with the strict ones of Python 3.13."""
import ssl
import sys
import urllib.request

strict = ssl.create_default_context()
strict.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
for url in sys.argv[1:]:
    for context in (None, strict):
        with urllib.request.urlopen(url, context=context, timeout=30) as answer:
            print(answer.status, answer.read().decode().strip())
