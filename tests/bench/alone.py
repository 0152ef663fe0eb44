"""What one proxy takes while no other runs: the time from its start to the first answer that came through it, and its memory, idle, after load, and
with connections that stand idle."""
import contextlib
import pathlib
import subprocess
import sys
import time

import load
from peers import WORK
from turns import memory

CLIENT = pathlib.Path(__file__).with_name("client.py")
SETTLE_SECONDS = 1
ANSWER_SECONDS = 60


def client(peer, *words):
    return subprocess.Popen(peer.inside(sys.executable, CLIENT, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def first_answer(peer):
    """Starts it, and gives the milliseconds up to the first answer. Ours cannot be passed by; of the others only an answer with the minted
    certificate counts."""
    peer.renew()
    asking = client(peer, "first", peer.schemes[0], WORK / "mint.crt" if peer.mints and peer.name != "proxy-everything" else "-")
    # It has been started when it has failed some times.
    time.sleep(SETTLE_SECONDS / 2)
    begun = time.monotonic()
    peer.begin()
    try:
        return (float(asking.communicate(timeout=ANSWER_SECONDS)[0]) - begun) * 1000
    finally:
        asking.kill()
        asking.wait()


def filled(peer, seconds):
    """PSS after load, and what an idle connection adds, in MB and KB; and what went wrong."""
    loaded = getattr(load, peer.schemes[0])(peer, seconds, 0)
    time.sleep(SETTLE_SECONDS)
    after = memory(peer)
    with client(peer, "idle", peer.schemes[0], peer.idle) as holding:
        good = int(holding.stdout.readline())
        time.sleep(SETTLE_SECONDS)
        full = memory(peer)
    errors = [] if good == peer.idle else [f"{good} of {peer.idle} idle connections"]
    return {"loaded": after, "full": full, "connections": peer.idle, "perConnection": (full - after) * 1000 / peer.idle}, loaded["errors"] + errors


def started(peer, fill, seconds):
    """One start."""
    try:
        found, errors = {"first": first_answer(peer)}, []
        time.sleep(SETTLE_SECONDS)
        found["idle"] = memory(peer)
        if fill:
            filling, errors = filled(peer, seconds)
            found |= filling
        return found, errors
    finally:
        peer.end()


def measure(network, kinds, arguments):
    """Starts in turn, by proxy; the last of each is filled."""
    turns, errors = {}, []
    with contextlib.ExitStack() as stack:
        peers = [kind(network) for kind in kinds if kind.name != "direct"]
        for peer in peers:
            stack.callback(peer.leave)
        for number in range(arguments.rounds):
            fill = "memory" in arguments.figures and number == arguments.rounds - 1
            for peer in peers:
                found, wrong = started(peer, fill, arguments.seconds)
                turns.setdefault(peer.name, []).append(found)
                errors += [f"{peer.name}, memory: {error}" for error in wrong]
            print(f"start {number + 1} of {arguments.rounds}", flush=True)
    return turns, errors
