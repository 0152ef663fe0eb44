"""One turn after the other: what a load costs a proxy's whole process tree, what went wrong, and whether the audit file has a record of every
request."""
import json
import pathlib
import time

import load
from parts import process_time, resident

# Others that take more than this part of the core while it is not their turn are no idle neighbours.
IDLE_PART = 0.05
SETTLE_SECONDS, LOOK_SECONDS = 30, 0.05


def tree(pid):
    """A process and all its descendants."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


def memory(peer):
    """PSS of the tree, in MB."""
    return sum(resident(pid) for pid in tree(peer.pid))


class Meter:
    """CPU seconds of a tree from one moment on. A process that has ended in between cannot be asked any more, and is an error."""

    def __init__(self, pid):
        self.pid = pid
        self.before = {each: process_time(each) for each in tree(pid)} if pid else {}

    def spent(self):
        after = {each: process_time(each) for each in tree(self.pid)} if self.pid else {}
        if gone := set(self.before) - set(after):
            raise RuntimeError(f"processes {sorted(gone)} of {self.pid} have ended")
        return sum(after.values()) - sum(self.before.values())


def records(peer):
    """How many exchanges were written down, once no more are; the file is empty then."""
    end, size = time.monotonic() + SETTLE_SECONDS, -1
    while time.monotonic() < end and size != (size := peer.audit.stat().st_size):
        time.sleep(0.1)
    with open(peer.audit, "r+b") as file:
        count = sum(json.loads(line)["kind"] == "exchange" for line in file)
        file.truncate(0)
    return count


def audited(peer, found):
    """What is wrong with the number of audit records."""
    count, low = records(peer), found["requests"]
    high = low + found["open"]
    return [] if low <= count <= high else [f"{count} audit records of {low} to {high} requests"]


def settle(peers):
    """Waits until nobody has to do anything any more because of an earlier turn."""
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        meters = [Meter(peer.pid) for peer in peers]
        time.sleep(LOOK_SECONDS)
        if all(meter.spent() <= IDLE_PART * LOOK_SECONDS for meter in meters):
            return


def turn(peer, figure, number, seconds, peers):
    """One turn of one proxy, while all others are idle."""
    settle(peers)
    others = {other.name: Meter(other.pid) for other in peers if other is not peer}
    if hasattr(peer, "audit"):
        records(peer)
    meter, begun = Meter(peer.pid), time.perf_counter()
    found = getattr(load, figure)(peer, seconds, number)
    elapsed = time.perf_counter() - begun
    found.setdefault("rate", found["requests"] / elapsed)
    try:
        spent = meter.spent()
        parts = {name: other.spent() / elapsed for name, other in others.items()}
        found["errors"] += [f"{name} took {part:.1%} of the core meanwhile" for name, part in parts.items() if part > IDLE_PART]
    except RuntimeError as error:
        found["errors"].append(str(error))
        spent = 0
    if peer.pid and found["requests"]:
        found["cpu"] = spent * 1e6 / found["requests"]
        if megabytes := found.pop("megabytes", None):
            found |= {"seconds": spent * 100 / megabytes, "megabytes": megabytes / spent if spent else None}
    else:
        found.pop("megabytes", None)
    if hasattr(peer, "audit"):
        found["errors"] += audited(peer, found)
    return found


def able(peer, figure):
    scheme = "http" if figure == "http" else "https"
    return scheme in peer.schemes and (peer.h2 or figure != "h2")


def rounds(peers, figures, count, seconds):
    """Turns of every proxy for every figure it can be asked for, by figure and proxy, and all errors."""
    turns, errors = {}, []
    for number in range(count):
        for figure in figures:
            for peer in peers:
                if able(peer, figure):
                    found = turn(peer, figure, number, seconds, peers)
                    errors += [f"{peer.name}, {figure}, round {number + 1}: {error}" for error in found.pop("errors")]
                    turns.setdefault(figure, {}).setdefault(peer.name, []).append(found)
        print(f"round {number + 1} of {count}", flush=True)
    return turns, errors
