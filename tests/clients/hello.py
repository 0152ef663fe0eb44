"""Sends ClientHellos of many shapes, each to an address of its own, and prints what came back, one line of JSON each."""
import json
import os
import socket

NAME = b"api.example.test"


def vector(size, data):
    return len(data).to_bytes(size, "big") + data


def extension(kind, data):
    return kind.to_bytes(2, "big") + vector(2, data)


def named(*names, kind=0):
    return extension(0, vector(2, b"".join(bytes([kind]) + vector(2, name) for name in names)))


def hello(*extensions, groups="001d0017"):
    usual = (
        extension(10, vector(2, bytes.fromhex(groups))),
        extension(11, b"\1\0"),
        extension(13, vector(2, bytes.fromhex("040305030804080508060401"))),
        extension(23, b""),
    )
    ciphers = vector(2, bytes.fromhex("1a1a13011302c02bc02cc02fc030"))
    body = b"\3\3" + os.urandom(32) + vector(1, b"") + ciphers + b"\1\0" + vector(2, b"".join(extensions + usual))
    return b"\1" + vector(3, body)


def records(message, size=16384):
    return [b"\x16\3\1" + vector(2, message[at : at + size]) for at in range(0, len(message), size)]


def padded(length):
    return records(hello(named(NAME), extension(21, bytes(length - len(hello(named(NAME))) - 4))))


def post_quantum():
    # X25519MLKEM768: a key of zeros is a valid one; then X25519 alone.
    share = bytes.fromhex("11ec") + vector(2, bytes(1184) + os.urandom(32)) + b"\0\x1d" + vector(2, os.urandom(32))
    versions = extension(43, vector(1, bytes.fromhex("03040303")))
    return hello(named(NAME), versions, extension(51, vector(2, share)), groups="11ec001d")


# outer, HKDF-SHA256 and AES-128-GCM, config id, encapsulated key, payload
ECH = extension(0xFE0D, bytes.fromhex("000001000142") + vector(2, os.urandom(32)) + vector(2, os.urandom(144)))

CASES = {
    "plain": records(hello(named(NAME))),
    "upper case": records(hello(named(NAME.upper()))),
    "bytes": [bytes([byte]) for byte in b"".join(records(hello(named(NAME))))],
    "fragments": records(hello(named(NAME)), 20),
    "16 KiB": padded(16384),
    "near 64 KiB": padded(64000),
    "post-quantum": records(post_quantum()),
    "grease": records(hello(extension(0x2A2A, b""), named(NAME), extension(0x3A3A, b"\0"), groups="4a4a001d0017")),
    "ech": records(hello(named(NAME), ECH)),
    "no name": records(hello()),
    "address": records(hello(named(b"192.0.2.1"))),
    "underscore": records(hello(named(b"a_b.test"))),
    "other name": records(hello(named(b"evil.example.test"))),
    "space": records(hello(named(b"api.example.test evil"))),
    "empty label": records(hello(named(b"api..example.test"))),
    "empty name": records(hello(named(b""))),
    "long": records(hello(named(b".".join([b"a" * 49] * 5) + b".test"))),
    "utf-8": records(hello(named("\u00e4.test".encode()))),
    "nul": records(hello(named(NAME + b"\0"))),
    "line break": records(hello(named(NAME + b"\r\nx: y"))),
    "number": records(hello(named(b"0x7f.0x1"))),
    "two names": records(hello(named(NAME, b"evil.example.test"))),
    "two extensions": records(hello(named(NAME), named(b"evil.example.test"))),
    "other kind": records(hello(named(NAME, kind=1))),
    "no hello": records(b"\2" + hello(named(NAME))[1:]),
    "cut off": records(hello(named(NAME))[:-1], 60)[:1] + [b"\x17\3\3\0\1x"],
    "too long": [b"\x16\3\1" + vector(2, b"\1\1\x11\x70" + bytes(16380))] + records(bytes(53620)),
    "stalled": [records(hello(named(NAME)))[0][:-1]],
}


def answer(stream, chunks):
    try:
        for chunk in chunks:
            stream.sendall(chunk)
        head = stream.recv(7)
        while head and len(head) < 6:
            head += stream.recv(7 - len(head))
        if head[:1] == b"\x15":
            return "alert"
        return "hello" if head[:1] == b"\x16" and head[5:6] == b"\2" else "end" if not head else head.hex()
    except ConnectionError:
        return "end"


for number, (case, chunks) in enumerate(CASES.items(), 1):
    address = f"192.0.2.{number}"
    with socket.create_connection((address, 443), timeout=60) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(json.dumps({"case": case, "to": f"{address}:443", "answer": answer(stream, chunks)}), flush=True)
