"""A process whose first thread gives up every capability, and whose second one keeps them: both have sets of their own."""

import ctypes
import os
import threading

CAPBSET_DROP = 24
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}[os.uname().machine]

threading.Thread(target=threading.Event().wait).start()
libc = ctypes.CDLL(None)
for number in range(41):
    libc.prctl(CAPBSET_DROP, number, 0, 0, 0)
# Version 3, this thread; the raw system call is for no other.
libc.syscall(SYS_CAPSET, (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
print("ready", flush=True)
