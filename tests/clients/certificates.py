"""Servers with certificates of every kind, good and bad, made element by element; no library would make most of them.

Prints one line of JSON: the cases, and what the policy must hold so that they can be reached. Ends with its standard input, and prints how many
bytes each server was sent after its handshake.
"""
import datetime
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509 import ocsp

FOLDER = sys.argv[1]
NOW = datetime.datetime.utcnow().replace(microsecond=0)
DAY = datetime.timedelta(days=1)


def tlv(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else (b"\x81" + bytes([size]) if size < 256 else b"\x82" + size.to_bytes(2, "big"))
    return bytes([tag]) + length + content


def sequence(*parts):
    return tlv(0x30, *parts)


def oid(text):
    first, second, *rest = map(int, text.split("."))
    out = bytes([40 * first + second])
    for number in rest:
        digits = [number & 127]
        while number := number >> 7:
            digits.append(number & 127 | 128)
        out += bytes(reversed(digits))
    return tlv(6, out)


def integer(number):
    return tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def time(moment):
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode()) if moment.year >= 2050 else tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def name(text):
    return sequence(tlv(0x31, sequence(oid("2.5.4.3"), tlv(12, text.encode()))))


NULL = b"\5\0"
SHA256 = sequence(oid("2.16.840.1.101.3.4.2.1"), NULL)
PSS = sequence(
    tlv(0xA0, SHA256), tlv(0xA1, sequence(oid("1.2.840.113549.1.1.8"), SHA256)), tlv(0xA2, integer(32))
)
ALGORITHMS = {
    "ecdsa": (sequence(oid("1.2.840.10045.4.3.2")), lambda key, data: key.sign(data, ec.ECDSA(hashes.SHA256()))),
    "ecdsa-sha1": (sequence(oid("1.2.840.10045.4.1")), lambda key, data: key.sign(data, ec.ECDSA(hashes.SHA1()))),
    "rsa": (
        sequence(oid("1.2.840.113549.1.1.11"), NULL),
        lambda key, data: key.sign(data, padding.PKCS1v15(), hashes.SHA256()),
    ),
    "rsa-sha1": (
        sequence(oid("1.2.840.113549.1.1.5"), NULL),
        lambda key, data: key.sign(data, padding.PKCS1v15(), hashes.SHA1()),
    ),
    "rsa-pss": (
        sequence(oid("1.2.840.113549.1.1.10"), PSS),
        lambda key, data: key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
    ),
}


def extension(number, value, critical=False):
    return sequence(oid(number), b"\1\1\xff" if critical else b"", tlv(4, value))


def dns(text):
    return tlv(0x82, text.encode())


def address(text):
    return tlv(0x87, socket.inet_aton(text))


def san(*names):
    return extension("2.5.29.17", sequence(*names))


def basic(ca, length=None):
    return extension("2.5.29.19", sequence(b"\1\1\xff" if ca else b"", b"" if length is None else integer(length)), True)


def purposes(*numbers):
    return extension("2.5.29.37", sequence(*map(oid, numbers)))


def constraints(permitted=(), excluded=()):
    trees = [tlv(tag, *(sequence(one) for one in some)) for tag, some in ((0xA0, permitted), (0xA1, excluded)) if some]
    return extension("2.5.29.30", sequence(*trees), True)


SERVER, CLIENT, ANY = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"
UNKNOWN = extension("1.3.6.1.4.1.99999.1", b"\5\0", True)
MUST_STAPLE = extension("1.3.6.1.5.5.7.1.24", sequence(integer(5)))
P256, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
RSA, SMALL = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 1024)
ED25519 = ed25519.Ed25519PrivateKey.generate()


class Ca:
    """Signs; `chain` is what servers send behind their own certificate."""

    def __init__(self, title, issuer=None, key=None, extensions=None, sent=True, **fields):
        self.title, self.key = title, key or ec.generate_private_key(ec.SECP256R1())
        extensions = [basic(True)] if extensions is None else extensions
        self.der = certificate(title, issuer or self, extensions, self.key, **fields)
        self.chain = [self.der] + issuer.chain if issuer and sent else []


def certificate(title, issuer, extensions, key=P256, algorithm=None, begins=-DAY, ends=30 * DAY, version=3, serial=None, broken=False):
    algorithm = algorithm or ("rsa" if isinstance(issuer.key, rsa.RSAPrivateKey) else "ecdsa")
    identifier, sign = ALGORITHMS[algorithm]
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    body = sequence(
        tlv(0xA0, integer(version - 1)) if version > 1 else b"",
        integer(serial or int.from_bytes(os.urandom(8), "big")),
        identifier,
        name(issuer.title),
        sequence(time(NOW + begins), time(NOW + ends)),
        name(title),
        public,
        tlv(0xA3, sequence(*extensions)) if extensions else b"",
    )
    signature = sign(issuer.key, body)
    if broken:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    return sequence(body, identifier, tlv(3, b"\0", signature))


def pem(*ders):
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in ders)


def write(file, text):
    path = os.path.join(FOLDER, file)
    with open(path, "w") as out:
        out.write(text)
    return path


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


ROOT, RSA_ROOT, OLD_ROOT = Ca("root"), Ca("RSA root", key=RSA), Ca("old root", begins=-9 * DAY, ends=-DAY)
STRANGER, LISTED = Ca("stranger"), Ca("listed")
MIDDLE = Ca("middle", ROOT)
CASES, CONTEXTS, RECEIVED, RESOLVE = [], {}, {}, {}


def context(chain, key, **fields):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers("ALL:@SECLEVEL=0")
    for field, value in fields.items():
        made.set_ciphers(value) if field == "ciphers" else setattr(made, field, value)
    path = write("chain.pem", pem(*chain) + key_pem(key))
    made.load_cert_chain(path)
    return made


def case(title, expected, extensions, issuer=ROOT, host=None, key=P256, more=(), leaf=None, **fields):
    """A server of its own name; `expected` is `ok` or the reason."""
    host = host or f"{title.lower().replace(chr(32), chr(45))}.c.test"
    leaf = leaf or certificate("leaf", issuer, extensions if isinstance(extensions, list) else [san(dns(host))], key, **fields)
    CASES.append({"title": title, "host": host, "expected": expected})
    CONTEXTS[host] = context([leaf, *more, *issuer.chain], key)
    return leaf


NAMED = None
WRONG, UNTRUSTED, OTHER = "upstream_tls_wrong_name", "upstream_tls_untrusted", "upstream_tls_certificate"
EXPIRED, EARLY, FAILED = "upstream_tls_expired", "upstream_tls_not_yet_valid", "upstream_tls_handshake"


def good():
    case("plain", "ok", NAMED)
    case("P-384", "ok", NAMED, key=P384)
    case("Ed25519", "ok", NAMED, key=ED25519)
    case("RSA", "ok", NAMED, RSA_ROOT, key=RSA)
    case("RSA-PSS signature", "ok", NAMED, RSA_ROOT, algorithm="rsa-pss")
    case("intermediate", "ok", NAMED, MIDDLE)
    case("chain with a stranger in it", "ok", NAMED, MIDDLE, more=[STRANGER.der])
    case("expired root", "ok", NAMED, OLD_ROOT)
    case("several names", "ok", [san(dns("other.test"), address("192.0.2.1"), dns("several-names.c.test"))])
    case("upper case", "ok", [san(dns("UPPER-CASE.C.TEST"))])
    case("other kinds of name", "ok", [san(tlv(0x81, b"a@b.test"), tlv(0x86, b"x://y"), dns("other-kinds-of-name.c.test"))])
    case("no purpose", "ok", NAMED)
    case("server purpose", "ok", [san(dns("server-purpose.c.test")), purposes(CLIENT, SERVER)])
    case("unknown extension", "ok", [san(dns("unknown-extension.c.test")), extension("1.3.6.1.4.1.99999.2", NULL)])
    case("wildcard", "ok", [san(dns("*.w.test"))], host="a.w.test")
    case("permitted name", "ok", NAMED, Ca("only c", ROOT, extensions=[basic(True), constraints([dns("c.test")])]))


def names():
    case("wrong name", WRONG, [san(dns("other.test"))])
    case("common name only", WRONG, [], leaf=certificate("common-name-only.c.test", ROOT, [basic(False)]))
    case("wildcard and its apex", WRONG, [san(dns("*.apex.test"))], host="apex.test")
    case("wildcard and two labels", WRONG, [san(dns("*.deep.test"))], host="a.b.deep.test")
    case("wildcard in a label", WRONG, [san(dns("w*w.part.test"))], host="wow.part.test")
    case("two wildcards", WRONG, [san(dns("*.*.two.test"))], host="a.b.two.test")
    case("wildcard below a top level", WRONG, [san(dns("*.test"))], host="wild.test")
    case("wildcard alone", WRONG, [san(dns("*"))])
    case("trailing dot", WRONG, [san(dns("trailing-dot.c.test."))])
    case("NUL", WRONG, [san(dns("nul.c.test\0.evil.test"))], host="nul.c.test")
    case("no names", WRONG, [san()])
    case("name of another kind", WRONG, [san(tlv(0x86, b"name-of-another-kind.c.test"))])
    case("not permitted name", OTHER, NAMED, Ca("only d", ROOT, extensions=[basic(True), constraints([dns("d.test")])]))
    case("excluded name", OTHER, NAMED, Ca("but c", ROOT, extensions=[basic(True), constraints((), [dns("c.test")])]))
    case("two lists of names", OTHER, NAMED, Ca("twice", ROOT, extensions=[basic(True), san(dns("x.test")), san(dns("y.test"))]))


def lives():
    case("expired", EXPIRED, NAMED, begins=-9 * DAY, ends=-DAY)
    case("not yet valid", EARLY, NAMED, begins=DAY)
    case("expired intermediate", EXPIRED, NAMED, Ca("old", ROOT, begins=-9 * DAY, ends=-DAY))
    case("future intermediate", EARLY, NAMED, Ca("new", ROOT, begins=DAY))


def chains():
    own = Ca("self", extensions=[san(dns("self-signed.c.test"))], key=P256)
    case("self-signed", UNTRUSTED, [], leaf=own.der)
    case("untrusted root", UNTRUSTED, NAMED, STRANGER)
    case("untrusted root that is sent", UNTRUSTED, NAMED, STRANGER, more=[STRANGER.der])
    case("same name as a root", OTHER, NAMED, Ca("root"))
    case("missing intermediate", UNTRUSTED, NAMED, Ca("missing", ROOT, sent=False))
    case("intermediate that is none", OTHER, NAMED, Ca("no CA", ROOT, extensions=[basic(False)]))
    case("intermediate without constraints", OTHER, NAMED, Ca("bare", ROOT, extensions=[]))
    case("leaf that signs", OTHER, NAMED, Ca("leaf.c.test", ROOT, extensions=[san(dns("leaf.c.test"))]))
    short = Ca("short", ROOT, extensions=[basic(True, 0)])
    case("path too long", OTHER, NAMED, Ca("below short", short))
    case("intermediate of version 1", OTHER, NAMED, Ca("v1", ROOT, extensions=[], version=1))
    case("critical extension above", OTHER, NAMED, Ca("critical", ROOT, extensions=[basic(True), UNKNOWN]))
    case("broken signature", OTHER, NAMED, broken=True)
    case("broken signature above", OTHER, NAMED, Ca("broken", ROOT, broken=True))


def leaves():
    case("SHA-1", OTHER, NAMED, RSA_ROOT, algorithm="rsa-sha1")
    case("SHA-1 with ECDSA", OTHER, NAMED, algorithm="ecdsa-sha1")
    case("RSA of 1024 bits", OTHER, NAMED, key=SMALL)
    case("client purpose", OTHER, [san(dns("client-purpose.c.test")), purposes(CLIENT)])
    case("any purpose", OTHER, [san(dns("any-purpose.c.test")), purposes(ANY)])
    case("CA as server", OTHER, [san(dns("ca-as-server.c.test")), basic(True)], host="ca-as-server.c.test")
    case("version 1", OTHER, [], leaf=certificate("version-1.c.test", ROOT, [], version=1))
    case("critical extension", OTHER, [san(dns("critical-extension.c.test")), UNKNOWN])
    case("must staple and does not", "upstream_tls_status_unknown", [san(dns("must-staple-and-does-not.c.test")), MUST_STAPLE])


def revocation():
    """A list of its own for each of three roots; the policy asks for a status of the first two."""
    for host, expected, serial in (("good.l.test", "ok", 7), ("gone.l.test", "upstream_tls_revoked", 8), ("good.strict.test", "ok", 9), ("gone.strict.test", "upstream_tls_revoked", 8)):
        case(host, expected, [san(dns(host))], LISTED, host=host, serial=serial)
    unlisted, late = Ca("unlisted"), Ca("late")
    case("unlisted.l.test", "ok", [san(dns("unlisted.l.test"))], unlisted, host="unlisted.l.test")
    case("unlisted.strict.test", "upstream_tls_status_unknown", [san(dns("unlisted.strict.test"))], unlisted, host="unlisted.strict.test")
    case("late.l.test", "ok", [san(dns("late.l.test"))], late, host="late.l.test")
    case("late.strict.test", "upstream_tls_status_unknown", [san(dns("late.strict.test"))], late, host="late.strict.test")
    case("late and gone", "upstream_tls_revoked", [san(dns("gone.late.l.test"))], late, host="gone.late.l.test", serial=8)

    def crl(issuer, ends):
        gone = x509.RevokedCertificateBuilder().serial_number(8).revocation_date(NOW - 2 * DAY).build()
        title = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer.title)])
        builder = x509.CertificateRevocationListBuilder().issuer_name(title).last_update(NOW - 9 * DAY).next_update(NOW + ends)
        builder = builder.add_extension(x509.CRLNumber(1), False)
        number = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        made = builder.add_extension(number, False).add_revoked_certificate(gone).sign(issuer.key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    write("lists.pem", crl(LISTED, 9 * DAY) + crl(late, -DAY))
    return pem(LISTED.der, unlisted.der, late.der)


def respond(stream, told, host):
    with stream:
        try:
            data = stream.recv(65536)
            # A handshake for a server that knows of none is no request.
            told[host] = told.get(host, 0) + (0 if data[:1] == b"\x16" else len(data))
            if not data:
                return
            if host.startswith("truncated"):
                stream.sendall(b"HTTP/1.1 200 OK\r\n\r\nthe first half")
                # The connection ends without the alert that says so.
                return
            peer = stream.getpeercert() if isinstance(stream, ssl.SSLSocket) else None
            who = next((value for part in (peer or {}).get("subject", ()) for field, value in part), "nobody")
            body = f"{who} {getattr(stream, 'session_reused', None)}".encode()
            stream.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
            if isinstance(stream, ssl.SSLSocket):
                stream.unwrap()
        except OSError:
            pass


def listen(contexts, plain=False):
    """The port of a server that shows what `contexts` has for the name that is asked for, or its only one."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    first = next(iter(contexts.values()), None)

    def serve(stream):
        host = list(contexts)[0]
        if not plain:
            asked = []

            def choose(sslobject, wanted, _):
                asked.append(wanted)
                if wanted in contexts:
                    sslobject.context = contexts[wanted]

            switch = first
            switch.sni_callback = choose
            try:
                stream.settimeout(60)
                stream = switch.wrap_socket(stream, server_side=True)
            except OSError:
                return
            host = next((one for one in asked if one in contexts), host)
        respond(stream, RECEIVED, host)

    def accept():
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=serve, args=(stream,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def alone(title, host, expected, context, plain=False):
    CASES.append({"title": title, "host": host, "expected": expected})
    RESOLVE[f"{host}:443"] = f"127.0.0.1:{listen({host: context}, plain)}"


def servers():
    def named(host, *names):
        return certificate("leaf", ROOT, [san(*(names or (dns(host),)))])

    for title, host, expected, names in (
        ("address", "192.0.2.1", "ok", [address("192.0.2.1")]),
        ("other address", "192.0.2.2", WRONG, [address("192.0.2.3")]),
        ("address as a name", "192.0.2.4", WRONG, [dns("192.0.2.4")]),
        ("address and wildcard", "192.0.2.5", WRONG, [dns("*.0.2.5")]),
    ):
        alone(title, host, expected, context([named(host, *names)], P256))
    within = tlv(0x87, socket.inet_aton("198.51.100.0") + socket.inet_aton("255.255.255.0"))
    only = Ca("only a network", ROOT, extensions=[basic(True), constraints([within])])
    leaf = certificate("leaf", only, [san(address("192.0.2.6"))])
    alone("not permitted address", "192.0.2.6", OTHER, context([leaf, *only.chain], P256))
    for title, fields in (
        ("TLS 1.0", {"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1}),
        ("TLS 1.1", {"minimum_version": ssl.TLSVersion.TLSv1_1, "maximum_version": ssl.TLSVersion.TLSv1_1}),
        ("RSA key exchange", {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "AES128-GCM-SHA256:@SECLEVEL=0"}),
        ("finite-field key exchange", {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"}),
        ("CBC", {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-RSA-AES128-SHA:@SECLEVEL=0"}),
    ):
        host = title.lower().replace(" ", "-").replace(".", "") + ".v.test"
        leaf = certificate("leaf", RSA_ROOT, [san(dns(host))], RSA)
        alone(title, host, FAILED, context([leaf], RSA, **fields))
    alone("TLS 1.2", "tls12.v.test", "ok", context([named("tls12.v.test")], P256, maximum_version=ssl.TLSVersion.TLSv1_2))
    alone("no TLS", "plain.v.test", FAILED, None, plain=True)
    alone("truncated", "truncated.v.test", "broken", context([named("truncated.v.test")], P256))


def identities():
    """Servers that ask who we are."""
    client = certificate("the client", LISTED, [basic(False)])
    write("client.pem", pem(client))
    write("client-key.pem", key_pem(P256))
    trusted = write("client-root.pem", pem(LISTED.der))

    def asking(host, mode, **fields):
        made = context([certificate("leaf", ROOT, [san(dns(host))])], P256, verify_mode=mode, **fields)
        made.load_verify_locations(trusted)
        return made

    refused = "upstream_tls_client_certificate"
    alone("client certificate", "mine.id.test", "ok the client", asking("mine.id.test", ssl.CERT_REQUIRED))
    alone("client certificate that is not asked for", "quiet.id.test", "ok nobody", context([certificate("leaf", ROOT, [san(dns("quiet.id.test"))])], P256))
    alone("client certificate for others", "other.c.test", "ok nobody", asking("other.c.test", ssl.CERT_OPTIONAL))
    alone("no client certificate", "wants.c.test", refused, asking("wants.c.test", ssl.CERT_REQUIRED))
    old = {"maximum_version": ssl.TLSVersion.TLSv1_2}
    alone("client certificate, TLS 1.2", "old.id.test", "ok the client", asking("old.id.test", ssl.CERT_REQUIRED, **old))
    alone("no client certificate, TLS 1.2", "old.c.test", FAILED, asking("old.c.test", ssl.CERT_REQUIRED, **old))


def staples():
    """OpenSSL's own server staples; its standard output is what it was sent."""
    programs = []
    issuer = x509.load_der_x509_certificate(ROOT.der)
    for title, status, extensions, expected in (
        ("staple says good", ocsp.OCSPCertStatus.GOOD, [], "ok"),
        ("staple says unknown", ocsp.OCSPCertStatus.UNKNOWN, [], "ok"),
        ("staple says revoked", ocsp.OCSPCertStatus.REVOKED, [], "upstream_tls_revoked"),
        ("must staple and does", ocsp.OCSPCertStatus.GOOD, [MUST_STAPLE], "ok"),
    ):
        host = title.replace(" ", "-") + ".s.test"
        leaf = certificate("leaf", ROOT, [san(dns(host)), *extensions])
        gone = status == ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            x509.load_der_x509_certificate(leaf), issuer, hashes.SHA256(), status, NOW - DAY, NOW + DAY, NOW - DAY if gone else None, None
        )
        response = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, issuer).sign(ROOT.key, hashes.SHA256())
        files = [write(f"{host}.pem", pem(leaf) + key_pem(P256)), os.path.join(FOLDER, f"{host}.der")]
        with open(files[1], "wb") as out:
            out.write(response.public_bytes(serialization.Encoding.DER))
        command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", files[0], "-status_file", files[1]]
        command += ["-www"] if expected == "ok" else []
        program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        programs.append((host, program, expected))
        port = None
        while port is None:
            line = program.stdout.readline().decode()
            found = re.search(r"ACCEPT .*:(\d+)", line)
            port = found and found[1]
        CASES.append({"title": title, "host": host, "expected": expected})
        RESOLVE[f"{host}:443"] = f"127.0.0.1:{port}"
    return programs


for part in (good, names, lives, chains, leaves):
    part()
listed = revocation()
servers()
identities()
STAPLING = staples()
port = listen(CONTEXTS)
RESOLVE.update({f"{host}:443": f"127.0.0.1:{port}" for host in CONTEXTS})
write("roots.pem", pem(ROOT.der, RSA_ROOT.der, OLD_ROOT.der))
write("listed.pem", listed)
print(json.dumps({"cases": CASES, "resolve": RESOLVE}), flush=True)
sys.stdin.read()
for host, program, expected in STAPLING:
    program.kill()
    sent = program.communicate()[0]
    RECEIVED[host] = 0 if expected == "ok" else len([line for line in sent.splitlines() if b"HTTP/" in line])
print(json.dumps(RECEIVED), flush=True)
