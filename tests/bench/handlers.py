#!/usr/bin/env python3
"""What handlers cost: the proxy with one handler after the other, and workerd, in turn under the same load.

The proxy has one core; the load (wrk) and the upstream (nginx) have another. Every configuration has a process of its own for the whole
time, and gets a turn in every round, so that whatever else the machine does hits all alike. Figures are medians over the rounds, of
differences and ratios within one round. Writes a table, JSON and the page.

  handlers.py [--rounds N] [--seconds N] [--only NAME;...] [--json FILE] [--page FILE]
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import time

import page
from parts import HANDLERS, PLACEHOLDER, WORK, Proxy, Upstream, Workerd, component, machine, process_time, resident

CONNECTIONS = 8
VARIANTS = 11
SWAPS = 20

# Name, handler (none: no handler), the transports it can be measured on (a secret is never sent on plain HTTP), and what else the
# policy says of LONG_TOKEN. API_TOKEN is too short to be searched for.
BOTH = ("http", "https")
TOKEN = {"secrets": ["API_TOKEN"]}
SECRET = {"inject": {"x-auth-token": "${LONG_TOKEN}"}}
CONFIGURATIONS = [
    ("none", None, BOTH),
    ("inject", {"inject": {"x-auth-token": "s3cr3t"}}, BOTH),
    ("inject, secret", SECRET, ("https",), {"scrub": False}),
    ("inject, secret, scrubbed", SECRET, ("https",), {}),
    ("placeholder, scrubbed", None, ("https",), {"placeholder": {"value": PLACEHOLDER}}),
    ("filter, text", {"wasm": str(pathlib.Path(__file__).with_name("filter.wat"))}, BOTH),
    ("filter, C", {"wasm": component("c-inject"), **TOKEN}, ("https",)),
    ("filter, Rust", {"wasm": component("rust-inject"), **TOKEN}, ("https",)),
    ("filter, JavaScript", {"wasm": component("tag")}, BOTH),
    ("handler, JavaScript", {"wasm": component("token-by-host"), "config": {"SECRET": "s3cr3t"}}, BOTH),
    ("wasi:http 0.2, Rust", {"wasm": component("other-wstd"), "calls": 128}, BOTH),
]


def turn(server, transport, seconds):
    """One turn of load: CPU microseconds per request, and requests a second."""
    before = process_time(server.pid)
    said = server.load(transport, CONNECTIONS, seconds)
    spent = process_time(server.pid) - before
    found = re.search(r"(\d+) requests in", said)
    if not found or "Non-2xx" in said or int(found[1]) == 0 or spent == 0:
        raise SystemExit(f"{server.name}, {transport}: {said}")
    return {"cpu": spent * 1e6 / int(found[1]), "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])}


def rounds(servers, count, seconds):
    """The turns of every server on every transport: lists with one entry for each round."""
    turns = {}
    for number in range(count):
        for name, (server, transports) in servers.items():
            for transport in transports:
                turns.setdefault((name, transport), []).append(turn(server, transport, seconds))
        print(f"round {number + 1} of {count}", flush=True)
    return turns


def compared(turns):
    """Medians, also of what each costs beside `none` and workerd in the same round."""
    costs = {}
    for (name, transport), mine in turns.items():
        def beside(other, measure):
            pairs = zip(mine, turns.get((other, transport), []))
            return round(statistics.median([measure(a["cpu"], b["cpu"]) for a, b in pairs] or [float("nan")]), 2)
        costs.setdefault(transport, {})[name] = {
            "cpu": round(statistics.median(turn["cpu"] for turn in mine), 1),
            "rate": round(statistics.median(turn["rate"] for turn in mine)),
            "added": beside("none", lambda mine, other: mine - other),
            "toNone": beside("none", lambda mine, other: mine / other),
            "toWorkerd": beside("workerd", lambda mine, other: mine / other),
        }
    return costs


def variants():
    """Components that do the same and are not the same: each has a section that nobody reads."""
    plain = (HANDLERS / "token-by-host.wasm").read_bytes()
    paths = []
    for number in range(VARIANTS):
        path = WORK / f"variant-{number}.wasm"
        path.write_bytes(plain + bytes([0, 3, 1, ord("n"), number]))
        paths.append(str(path))
    return paths


def memory(upstream, paths):
    """MB for each further JavaScript handler: loaded, and after its first call."""
    measured = []
    # The first process compiles them all, and is not looked at.
    for count in (len(paths), 1, len(paths)):
        handlers = {f"h{n}": {"wasm": path, "config": {"SECRET": "x"}} for n, path in enumerate(paths[:count])}
        with Proxy(f"memory-{count}", upstream, handlers, {f"h{n}.test": f"h{n}" for n in range(count)}) as proxy:
            loaded = resident(proxy.pid)
            for number in range(count):
                proxy.ask(f"http://h{number}.test:{upstream.ports['http']}/")
            measured.append((loaded, resident(proxy.pid)))
    further = len(paths) - 1
    _, (loaded, used), (all_loaded, all_used) = measured
    return {"loaded": round((all_loaded - loaded) / further, 2), "used": round((all_used - used) / further, 2)}


def swaps(upstream, paths):
    """Milliseconds that a change of component takes, and of CPU in it: from the file of compiled code, and from memory; and by the
    command line."""
    handler = {"wasm": paths[0], "config": {"SECRET": "x"}}
    with Proxy("swap", upstream, {"h": handler}, {"h.test": "h"}) as proxy:
        def swap(path):
            begun, before = time.perf_counter(), process_time(proxy.pid)
            proxy.admin("/v1/setHandler", {"name": "h", "wasm": path})
            return (time.perf_counter() - begun) * 1000, (process_time(proxy.pid) - before) * 1000
        from_file = [swap(path) for path in paths[1:]]
        from_memory = [swap(paths[number % 2]) for number in range(SWAPS)]
        begun = time.perf_counter()
        proxy.override("set-handler", "h", paths[2])
        by_command = (time.perf_counter() - begun) * 1000
    middle = lambda pairs: [round(statistics.median(times), 2) for times in zip(*pairs)]
    return {"fromFile": middle(from_file), "fromMemory": middle(from_memory), "byCommand": round(by_command, 2)}


def measure(arguments):
    """Everything, as one value."""
    begun_load = os.getloadavg()
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(Upstream())
        servers, missing = {}, []
        for name, handler, transports, *secret in CONFIGURATIONS:
            if arguments.only and name not in arguments.only.split(";"):
                continue
            if handler and not os.path.exists(handler.get("wasm", "/")):
                missing.append(name)
                continue
            handlers = {"measured": handler} if handler else {}
            proxy = Proxy(name, upstream, handlers, {"upstream.test": "measured"} if handler else {}, *secret)
            servers[name] = (stack.enter_context(proxy), transports)
        if not arguments.only or "workerd" in arguments.only.split(";"):
            servers["workerd"] = (stack.enter_context(Workerd(upstream)), BOTH)
        costs = compared(rounds(servers, arguments.rounds, arguments.seconds))
    result = {"costs": costs, "missing": missing}
    print(page.tables(result), flush=True)
    if not arguments.only:
        with Upstream() as upstream:
            paths = variants()
            result |= {"memory": memory(upstream, paths), "swap": swaps(upstream, paths)}
    return result | {
        "machine": machine(),
        "load": [round(begun_load[0], 1), round(os.getloadavg()[0], 1)],
        "rounds": arguments.rounds, "seconds": arguments.seconds, "connections": CONNECTIONS,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--page", type=pathlib.Path)
    arguments = parser.parse_args()
    result = measure(arguments)
    print(page.tables(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    if arguments.page:
        arguments.page.write_text(page.page(result))


main()
