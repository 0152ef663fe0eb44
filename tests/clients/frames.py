"""Frames and header blocks of HTTP/2 by hand, for clients that spell out what no library would send. Stands before their own text."""
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST, SETTINGS, GOAWAY = 1, 3, 4, 7


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(index, value):
    """A header field without indexing and without Huffman's code (RFC 7541, 6.2.2), of a name in the static table."""
    length = bytes([len(value)]) if len(value) < 127 else b"\x7f" + varint(len(value) - 127)
    return bytes([index]) + length + value


def varint(number):
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def status(block):
    """The first field of a response: `:status`, by the static table or spelled out, perhaps in Huffman's code."""
    if block[0] & 0x80:
        return {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}[block[0] & 0x7F]
    value = block[2 : 2 + (block[1] & 0x7F)]
    if not block[1] & 0x80:
        return value.decode()
    bits, digits = "".join(f"{byte:08b}" for byte in value), ""
    while len(digits) < 3:
        short = int(bits[:5], 2)
        digits += str(short if short < 3 else int(bits[:6], 2) - 22)
        bits = bits[5 if short < 3 else 6 :]
    return digits


