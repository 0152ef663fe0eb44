"""Handshakes of clients that can little, and of those that try what they should not. Prints one line of JSON each."""
import json
import socket
import ssl
import subprocess
import sys

HOST, OTHER = sys.argv[1:3]
REQUEST = b"GET /handshake HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n"


def context(version=None, alpn=None, ciphers=None):
    made = ssl.create_default_context()
    if version:
        made.minimum_version = made.maximum_version = version
    if alpn:
        made.set_alpn_protocols(alpn)
    if ciphers:
        made.set_ciphers(ciphers)
    return made


def ask(using, host=HOST, session=None, request=None, address="192.0.2.10"):
    """What came of a request, and the stream. Session tickets come with the answer."""
    try:
        stream = using.wrap_socket(socket.create_connection((address, 443), timeout=60), server_hostname=host, session=session)
    except ssl.SSLError as error:
        return error.args[1].split("] ")[-1].split(" (")[0], None
    shown = f"[{host}]" if ":" in host else host
    stream.sendall(request or REQUEST % shown.encode())
    data = b""
    try:
        while more := stream.recv(65536):
            data += more
    except OSError:
        pass
    return data[9:12].decode() if data.startswith(b"HTTP/") else "no answer", stream


def tell(case, *got):
    print(json.dumps({"case": case, "got": [str(one) for one in got]}), flush=True)


for number, version in (("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)):
    using = context(version)
    status, stream = ask(using)
    tell(f"only {number}", status, stream.version(), stream.selected_alpn_protocol())
    status, again = ask(using, session=stream.session)
    tell(f"again {number}", status, again.session_reused)
    status, again = ask(using, host=OTHER, session=stream.session)
    tell(f"another name {number}", status, again.session_reused)
old = context(ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0")
tell("only 1.1", ask(old)[0])
tell("only RSA", ask(context(ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-RSA-AES128-GCM-SHA256"))[0])
for address in ("192.0.2.11", "2001:db8::11"):
    # No server name is sent for an address, and the certificate must be for it.
    status, stream = ask(context(), host=address, address=address)
    tell(address, status)
for offered in (["http/1.1"], ["h2", "http/1.1"], ["unknown", "http/1.1"], ["unknown"], ["acme-tls/1"]):
    status, stream = ask(context(alpn=offered), request=b"x" if offered[0] == "h2" else None)
    tell(" ".join(offered), stream.selected_alpn_protocol() if stream else status)
status, stream = ask(context(alpn=["h2"]))
tell("HTTP/1.1 where h2 was agreed", status)
command = ["openssl", "s_client", "-connect", "192.0.2.12:443", "-servername", HOST, "-ign_eof"]
printed = subprocess.run(command, input=REQUEST % HOST.encode(), capture_output=True, timeout=60).stdout.decode(errors="replace")
tell("early data", sorted({line.strip() for line in printed.splitlines() if "Early Data" in line or "early data" in line.lower()}))
