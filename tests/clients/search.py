"""Looks for secrets wherever a workload can look, and prints each thing found, one a line.

Directories to walk are the arguments. A secret is known by its shape, so this program does not hold one itself.
"""
import os
import re
import sys

SHAPE = re.compile(rb"SEKRIT-[0-9a-f]{32}")
CHUNK = 1 << 20


def report(place, data):
    for match in set(SHAPE.findall(data)):
        print(place, match.decode(), flush=True)


def read(path):
    try:
        with open(path, "rb") as file:
            report(path, file.read(64 * CHUNK))
    except OSError:
        pass


def memory(process):
    try:
        with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", 0) as mem:
            for line in maps:
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                try:
                    mem.seek(start)
                    report(f"/proc/{process}/mem", mem.read(min(end - start, 64 * CHUNK)))
                except (OSError, ValueError, OverflowError):
                    pass
    except OSError:
        pass


for name in os.listdir("/proc"):
    if name.isdigit():
        for part in ("environ", "cmdline"):
            read(f"/proc/{name}/{part}")
        if int(name) != os.getpid():
            memory(name)
for root in sys.argv[1:]:
    for directory, _, files in os.walk(root):
        for name in files:
            path = os.path.join(directory, name)
            if os.path.isfile(path):
                read(path)
print("searched", flush=True)
