"""Asks each server named on the command line, or else line by line, for a page, and prints what came of it."""
import json
import ssl
import sys
import urllib.error
import urllib.request

for host in sys.argv[1:] or map(str.strip, sys.stdin):
    try:
        with urllib.request.urlopen(f"https://{host}/page", timeout=60) as answer:
            got = "ok " + answer.read().decode()
    except urllib.error.HTTPError as error:
        got = json.loads(error.read())["reason"]
    except OSError as error:
        got = f"broken {error!r}"
    except Exception as error:
        got = f"broken {type(error).__name__}"
    print(json.dumps({"host": host, "got": got}), flush=True)
