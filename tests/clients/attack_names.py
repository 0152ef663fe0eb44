# Names that disagree: in the address, in the ClientHello and in the request. The first is allowed with a token, the second without.
import ssl

GOOD, OTHER = sys.argv[3:5]
CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


def answer(stream):
    data = b""
    while b"\r\n\r\n" not in data:
        more = stream.recv(65536)
        if not more:
            return "closed"
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0").split(b":")[1])
    while len(body) < length:
        body += stream.recv(65536)
    return head.split()[1].decode() + (" token" if b"the token is right" in body else "")


def ask(stream, hosts, target="/token"):
    got = []
    for host in hosts:
        stream.sendall(f"GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        got.append(answer(stream))
        if got[-1] == "closed":
            break
    return ", ".join(got)


def tls(name, *hosts, target="/token"):
    try:
        with socket.create_connection((V4, 443), timeout=TIMEOUT) as plain:
            with CONTEXT.wrap_socket(plain, server_hostname=name) as stream:
                return ask(stream, hosts, target)
    except ssl.SSLError as error:
        return "no TLS"


def plain(host):
    with socket.create_connection((V4, 80), timeout=TIMEOUT) as stream:
        return ask(stream, [host], "/")


ODD = "0x7f.1 2130706433 0177.0.0.1 127.1 127.0.0.1 127.0.0.1. 0 0.0.0.0 [::1] [::] [::ffff:7f00:1] [::127.0.0.1] [::1%25lo] "
ODD += "[0:0:0:0:0:ffff:a9fe:a9fe] 169.254.169.254 0xa9fea9fe 2852039166 [64:ff9b::7f00:1] localhost good@127.0.0.1 127.0.0.1:22"
ways = {
    "a foreign address": lambda: tls(GOOD, GOOD),
    "fronting": lambda: tls(GOOD, OTHER),
    "the token through another": lambda: tls(OTHER, GOOD),
    "no name": lambda: tls(None, GOOD),
    "the second request": lambda: tls(GOOD, GOOD, OTHER),
    "absolute form": lambda: tls(OTHER, OTHER, target=f"https://{GOOD}/token"),
    "another port": lambda: tls(GOOD, GOOD + ":8443"),
}
ways |= {"odd " + host: lambda host=host: plain(host) for host in ODD.split()}
report(ways)
