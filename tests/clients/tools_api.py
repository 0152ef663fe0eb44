"""APIs of several hosts, each with a key of its own: `tools_api.py CERTIFICATE`; `KEYS` is JSON, host: key.

Prints for each request its host and path, and what was right: the place of the key, or `other` if another host's key came too.
"""
import base64
import json
import os

KEYS = json.loads(os.environ["KEYS"])
MESSAGE = {"id": "1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": None}
MESSAGE |= {"content": [{"type": "text", "text": "right"}], "usage": {"input_tokens": 1, "output_tokens": 1}}
CHAT = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
CHAT |= {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "right"}}]}


def piece(word):
    choice = {"index": 0, "finish_reason": None, "delta": {"content": word}}
    return CHAT | {"object": "chat.completion.chunk", "choices": [choice]}


def authorization(environ):
    kind, _, value = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return kind, base64.b64decode(value).decode() if kind == "Basic" else value


def place(environ, sent, key):
    """Where the key is, if it is where an API wants it."""
    kind, value = authorization(environ)
    if environ.get("HTTP_X_API_KEY") == key:
        return "x-api-key"
    if kind in ("Bearer", "token") and value == key:
        return kind
    if kind == "Basic" and value == "me:" + key:
        return kind
    if environ.get("CONTENT_TYPE", "").startswith("application/json") and key in str(json.loads(sent)):
        return "body"
    return None


def answer(environ, sent):
    if environ["PATH_INFO"].endswith("/messages"):
        return json.dumps(MESSAGE), "application/json"
    if environ["PATH_INFO"].endswith("/completions"):
        if json.loads(sent).get("stream"):
            events = [json.dumps(piece(word)) for word in ("piece ", "by ", "piece")] + ["[DONE]"]
            return "".join(f"data: {event}\n\n" for event in events), "text/event-stream"
        return json.dumps(CHAT), "application/json"
    return json.dumps({"login": "right"}), "application/json"


def app(environ, start):
    sent = read(environ)
    host = environ["HTTP_HOST"]
    # The environ has our own environment too.
    head = [value for name, value in environ.items() if name.startswith("HTTP_") or name == "RAW_URI"]
    everything = f"{head} {authorization(environ)} {sent}"
    strange = [other for other, key in KEYS.items() if other != host and key in everything]
    found = "other" if strange else place(environ, sent, KEYS[host])
    print(host, environ["PATH_INFO"], found, flush=True)
    if found in (None, "other"):
        start("401 Unauthorized", [("Content-Type", "application/json")])
        return [b'{"error": "who are you?"}']
    text, kind = answer(environ, sent)
    start("200 OK", [("Content-Type", kind)])
    return [text.encode()]


serve(app)
