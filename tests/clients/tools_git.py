"""A git server, `git http-backend`, for those who know the password: `tools_git.py CERTIFICATE FOLDER`; `ACCOUNT` is USER:PASSWORD.

Prints for each request of theirs its method, its last word of the path, and how its body is coded and framed.
"""
import base64
import os
import subprocess

FOLDER = sys.argv[2]
EXPECTED = "Basic " + base64.b64encode(os.environ["ACCOUNT"].encode()).decode()
PASSED_ON = ["REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "HTTP_CONTENT_ENCODING", "HTTP_GIT_PROTOCOL"]


def app(environ, start):
    sent = read(environ)
    if environ.get("HTTP_AUTHORIZATION") != EXPECTED:
        start("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="code"')])
        return [b"who are you?\n"]
    coding, framing = environ.get("HTTP_CONTENT_ENCODING", "plain"), environ.get("HTTP_TRANSFER_ENCODING", "length")
    print(environ["REQUEST_METHOD"], environ["PATH_INFO"].split("/")[-1], coding, framing, flush=True)
    cgi = {name: environ[name] for name in PASSED_ON if name in environ}
    cgi |= {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": FOLDER, "GIT_HTTP_EXPORT_ALL": "1"}
    # Who is known may push. The repository is another user's.
    cgi |= {"REMOTE_USER": "me", "CONTENT_LENGTH": str(len(sent)), "GIT_CONFIG_COUNT": "1"}
    cgi |= {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    done = subprocess.run(["git", "http-backend"], input=sent, env=cgi, stdout=subprocess.PIPE, check=True)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
    start(headers.pop("Status", "200 OK"), list(headers.items()))
    return [content]


serve(app)
