"""Says each signal that arrives, once for each time, and ends with 42 on the one that the argument names.

The interpreter's own handler writes the number into a pipe, so that no signal is lost between two looks, as with pause(2).
"""
import os
import signal
import sys

reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
for name in ("INT", "TERM", "HUP", "USR1"):
    signal.signal(getattr(signal, f"SIG{name}"), lambda *_: None)
os.write(1, b"ready\n")
while True:
    for number in os.read(reader, 16):
        name = signal.Signals(number).name.removeprefix("SIG")
        os.write(1, f"got {name}\n".encode())
        if name == sys.argv[1]:
            raise SystemExit(42)
