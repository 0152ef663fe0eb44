"""Tries to get rights back and to look under what was masked. Prints each attempt that worked, then `tried`."""
import ctypes
import os
import signal
import subprocess
import sys

proxy = int(sys.stdin.readline())
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206

ATTEMPTS = [
    ["umount", "/run"],
    ["umount", "-l", "/run"],
    ["umount", "/dev"],
    ["umount", "/proc"],
    ["mount", "-t", "tmpfs", "none", "/mnt"],
    ["ip", "link", "add", "out", "type", "veth"],
    ["ip", "route", "flush", "table", "all"],
    ["nft", "flush", "ruleset"],
    ["unshare", "-Urm", "umount", "/run"],
    ["unshare", "-Urm", "umount", "-l", "/run"],
    ["unshare", "-Urmpf", "--mount-proc", "umount", "-l", "/run"],
    ["unshare", "-Ur", "nft", "flush", "ruleset"],
    ["unshare", "-Ur", "ip", "link", "add", "out", "type", "veth"],
    ["unshare", "-Ur", "ip", "link", "set", "lo", "down"],
    ["nsenter", "-t", "1", "-n", "nft", "flush", "ruleset"],
    ["chroot", "/proc/1/root", "true"],
]
for attempt in ATTEMPTS:
    done = subprocess.run(attempt, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode == 0:
        print("worked:", *attempt, flush=True)
for request in (PTRACE_ATTACH, PTRACE_SEIZE):
    if libc.ptrace(request, proxy, 0, 0) == 0:
        print("worked: ptrace", flush=True)
try:
    os.kill(proxy, signal.SIGKILL)
    print("worked: kill", flush=True)
except OSError:
    pass
print("tried", flush=True)
