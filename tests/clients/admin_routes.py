"""Tries to reach the admin API from inside of a sealed network, by every route there is, and prints what came of each as JSON.

Arguments: its unix socket, a folder with a link to it (`link`), a port at which the machine passes connections on to it, and an
address of the machine. An answer is its first line and what it says of who answered: only the proxy's refusals have a request id."""
import errno
import glob
import json
import os
import socket
import stat
import sys

PATH, FOLDER, PORT, MACHINE = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
ELSEWHERE = "203.0.113.9"
RESULTS = {}


def answer(stream, request):
    stream.settimeout(20)
    stream.sendall(request)
    received = b""
    while part := stream.recv(65536):
        received += part
    text = received.decode("utf-8", "replace")
    status = text.split("\r\n", 1)[0]
    if '"generation"' in text or "Host: localhost" in text:
        return "ADMIN " + text
    return status + (" by the proxy" if "requestId" in text else "") + location(text)


def location(text):
    lines = [line for line in text.split("\r\n") if line.lower().startswith("location:")]
    return " to" + lines[0][9:] if lines else ""


def attempt(name, work):
    try:
        RESULTS[name] = work()
    except socket.gaierror:
        RESULTS[name] = "unknown name"
    except OSError as error:
        RESULTS[name] = errno.errorcode.get(error.errno, repr(error))


def get(host, target="/v1/status", more=""):
    return f"GET {target} HTTP/1.1\r\nhost: {host}\r\n{more}connection: close\r\n\r\n".encode()


def tcp(address, port, request):
    def work():
        with socket.create_connection((address, port), timeout=20) as stream:
            return answer(stream, request)
    return work


def unix(address):
    def work():
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(address)
            return answer(stream, get("localhost"))
    return work


put = b"PUT /v1/policy HTTP/1.1\r\nhost: localhost\r\ncontent-length: 21\r\nconnection: close\r\n\r\nenableInternet: true\n"
for name, address in [
    ("loopback 4", "127.0.0.1"), ("another loopback", "127.8.9.1"), ("loopback 6", "::1"), ("mapped 6", "::ffff:127.0.0.1"),
    ("unspecified 4", "0.0.0.0"), ("unspecified 6", "::"), ("machine", MACHINE), ("mapped machine", "::ffff:" + MACHINE),
    ("gateway", "172.17.0.1"), ("listener 4", "198.18.255.1"), ("listener 6", "100::ffff"), ("metadata", "169.254.169.254"),
]:
    attempt(name, tcp(address, PORT, get("localhost")))
    attempt(name + ", change", tcp(address, PORT, put))
attempt("listener's own port", tcp("198.18.255.1", 61001, get("localhost")))
for name in ["localhost", "proxy-everything", "host.docker.internal", "loop.test", "mapped.test", socket.gethostname()]:
    attempt(f"name {name}", tcp(name, PORT, get("localhost")))
for host in [f"127.0.0.1:{PORT}", f"[::1]:{PORT}", f"[::ffff:127.0.0.1]:{PORT}", f"localhost:{PORT}", f"loop.test:{PORT}",
             f"mapped.test:{PORT}", f"{MACHINE}:{PORT}", f"0.0.0.0:{PORT}", f"2130706433:{PORT}", f"0x7f.1:{PORT}"]:
    attempt(f"host {host}", tcp(ELSEWHERE, PORT, get(host)))
    attempt(f"absolute {host}", tcp(ELSEWHERE, 80, get(host, f"http://{host}/v1/status")))
    attempt(f"connect {host}", tcp(ELSEWHERE, 80, f"CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode() + get("localhost")))
    upgrade = "upgrade: websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n"
    attempt(f"upgrade {host}", tcp(ELSEWHERE, PORT, get(host, "/v1/status", upgrade)))
attempt("host of a socket", tcp(ELSEWHERE, 80, get("localhost", f"http+unix://{PATH.replace('/', '%2F')}/v1/status")))


def redirected():
    first = tcp("redirect.test", 80, get("redirect.test"))()
    if f" to http://127.0.0.1:{PORT}/v1/status" not in first:
        return "no redirect: " + first
    return tcp("127.0.0.1", PORT, get(f"127.0.0.1:{PORT}"))()


attempt("redirect", redirected)

link = os.path.join(FOLDER, "link")
for name, path in [("path", PATH), ("root of 1", "/proc/1/root" + PATH), ("own root", "/proc/self/root" + PATH), ("link", link),
                   ("link through 1", "/proc/1/root" + link), ("parent", "/proc/1/cwd/../../../../.." + PATH)]:
    attempt(name, unix(path))
for name in [PATH, os.path.basename(PATH), "proxy-everything"]:
    attempt(f"abstract {name}", unix("\0" + name))
for root in glob.glob("/proc/[0-9]*/root"):
    attempt(root, unix(root + PATH))


def descriptors():
    own = [int(name) for name in os.listdir("/proc/self/fd")]
    sockets = []
    for number in own:
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                sockets.append(number)
        except OSError:
            pass
    return f"sockets {sockets}"


attempt("descriptors", descriptors)
attempt("list of sockets", lambda: "listed" if os.path.basename(PATH) in open("/proc/net/unix").read() else "not listed")
print(json.dumps(RESULTS))
