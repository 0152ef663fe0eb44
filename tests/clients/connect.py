"""Connects to each unix socket in the arguments (`@NAME` is abstract) and prints how that went: an error's name, or `connected`."""
import errno
import os
import socket
import sys

for path in sys.argv[1:]:
    address = os.fsencode(path)
    address = b"\0" + address[1:] if address.startswith(b"@") else address
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(10)
        try:
            stream.connect(address)
            print("connected")
        except OSError as error:
            print(errno.errorcode.get(error.errno, repr(error)))
