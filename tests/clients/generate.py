"""Writes as many bytes as the argument says, different from block to block, and their SHA-256 to standard error."""
import hashlib
import sys

left = int(sys.argv[1])
hash_ = hashlib.sha256()
block = bytearray((value * 37) % 251 for value in range(1 << 20))
number = 0
while left:
    block[:8] = number.to_bytes(8, "big")
    piece = memoryview(block)[:left]
    hash_.update(piece)
    sys.stdout.buffer.write(piece)
    left -= len(piece)
    number += 1
sys.stdout.buffer.flush()
print(hash_.hexdigest(), file=sys.stderr)
