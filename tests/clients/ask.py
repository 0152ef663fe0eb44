"""Asks each URL once and prints what came back, one JSON object a line."""
import json
import sys
import urllib.error
import urllib.request

for url in sys.argv[1:]:
    try:
        answer = urllib.request.urlopen(url, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    except OSError as error:
        print(json.dumps({"url": url, "error": repr(error)}), flush=True)
        continue
    with answer:
        body = answer.read().decode()
        print(json.dumps({"url": url, "status": answer.status, "type": answer.headers["content-type"],
                          "body": body}), flush=True)
