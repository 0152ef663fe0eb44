"""How ours grows: what a request costs with more rules, instances, handlers and connections, and the memory of one more instance. Ratios are
to one of each row within one round."""
import contextlib
import pathlib
import signal
import statistics
import subprocess
import time

from network import HOST
from ours import Ours
from turns import Meter, memory, records, rounds

RULES = [10, 100, 1000, 10_000, 100_000]
INSTANCES = [1, 10, 100]
HANDLERS = [1, 10, 100]
CONNECTIONS = [1, 10, 100, 1000, 10_000]
# One connection is another thing: nothing can be done for several at once.
COMPARED_CONNECTIONS = 10
FILTER = str(pathlib.Path(__file__).with_name("filter.wat"))
CONNECT_SECONDS, ANSWERS_BEFORE, IDLE_SECONDS = 60, 5, 2


def with_rules(network, gateway, count):
    others = [f"host-{number}.rules.test" for number in range(count - 1)]
    return Ours(network, label=f"rules-{count}", gateway=gateway, allowedHosts=["*.upstream.test", *others])


def with_instances(network, gateway, count):
    return Ours(network, label=f"instances-{count}", gateway=gateway, workloads=count)


def with_handlers(network, gateway, count):
    handlers = {f"filter-{number}": {"wasm": FILTER} for number in range(count)}
    return Ours(network, label=f"handlers-{count}", gateway=gateway, handlers=handlers, outboundByHost={"*.upstream.test": "filter-0"})


def row(turns, counts, base, name):
    """CPU by count, and its ratio to that of the count `base`."""
    costs = {count: [turn["cpu"] for turn in turns[name(count)]] for count in counts}
    def ratios(count):
        return [mine / other for mine, other in zip(costs[count], costs[base])]
    return {"base": base, "by": {str(count): {"cpu": statistics.median(costs[count]), "median": statistics.median(ratios(count)),
                                              "low": min(ratios(count)), "high": max(ratios(count))} for count in counts}}


def idle(peer):
    """PSS in MB, and milliseconds of CPU a second, of a process that has nothing to do; and PSS when each instance has been asked once."""
    meter = Meter(peer.pid)
    time.sleep(IDLE_SECONDS)
    found = {"cpu": meter.spent() * 1000 / IDLE_SECONDS, "memory": memory(peer)}
    peer.ask_all()
    return found | {"used": memory(peer)}


def grown(network, gateway, make, counts, arguments):
    """Processes that differ in one number, in turn under the same load."""
    with contextlib.ExitStack() as running:
        peers = [running.enter_context(make(network, gateway, count)) for count in counts]
        for peer in peers:
            peer.name = peer.label
        resting = {str(count): idle(peer) for count, peer in zip(counts, peers)} if make is with_instances else None
        turns, errors = rounds(peers, ["https"], arguments.rounds, arguments.seconds)
    kind = peers[0].label.split("-")[0]
    return row(turns["https"], counts, counts[0], lambda count: f"{kind}-{count}"), errors, resting


def at_once(peer, count, seconds):
    """CPU of one request while so many connections ask. What making them costs is left out: the proxy itself says how many requests it
    answered, and it begins to count when every connection has asked some times."""
    before = peer.admin("/v1/status")["requests"]
    command = ["wrk", "-t1", f"-c{count}", "-d600s", "--timeout", f"{CONNECT_SECONDS}s", f"https://{HOST}/"]
    load = subprocess.Popen(peer.inside(*command), stdout=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + CONNECT_SECONDS
        while peer.admin("/v1/status")["requests"] < before + ANSWERS_BEFORE * count and time.monotonic() < end:
            time.sleep(0.05)
        meter, first = Meter(peer.pid), peer.admin("/v1/status")["requests"]
        time.sleep(seconds)
        spent, answered = meter.spent(), peer.admin("/v1/status")["requests"] - first
    finally:
        load.send_signal(signal.SIGINT)
        output = load.communicate(timeout=CONNECT_SECONDS)[0]
    wrong = [line.strip() for line in output.splitlines() if "Non-2xx" in line or "Socket errors" in line]
    records(peer)
    return {"cpu": spent * 1e6 / answered}, wrong


def connections(network, gateway, arguments):
    turns, errors = {count: [] for count in CONNECTIONS}, []
    with Ours(network, label="connections", gateway=gateway) as peer:
        for number in range(arguments.rounds):
            for count in CONNECTIONS:
                found, wrong = at_once(peer, count, arguments.seconds)
                turns[count].append(found)
                errors += [f"{count} connections, round {number + 1}: {error}" for error in wrong]
    return row(turns, CONNECTIONS, COMPARED_CONNECTIONS, lambda count: count), errors


def measure(network, arguments):
    gateway, found, errors = network.gateway("growth"), {}, []
    for name, make, counts in (("rules", with_rules, RULES), ("instances", with_instances, INSTANCES), ("handlers", with_handlers, HANDLERS)):
        found[name], wrong, resting = grown(network, gateway, make, counts, arguments)
        errors += wrong
        if resting:
            # Each process stands beside the others, so what they share counts the same in all.
            first = resting[str(counts[0])]
            found["further"] = {
                str(count): {what: (resting[str(count)][what] - first[what]) * 1000 / (count - counts[0]) for what in ("memory", "used")}
                | {"cpu": resting[str(count)]["cpu"]} for count in counts[1:]}
        print(f"growth by {name} measured", flush=True)
    found["connections"], wrong = connections(network, gateway, arguments)
    network.remove(gateway)
    return found, errors + wrong
