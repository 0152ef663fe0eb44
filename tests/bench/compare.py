#!/usr/bin/env python3
"""What the proxy costs, beside no proxy and beside others that do the same job, in one run on one machine.

Proxies have one core; the load and the upstream have another. All run at once and take turns in every round, so that whatever else the machine does
hits all alike. Figures are medians over the rounds; ratios are medians of ratios within one round. Needs root.

  compare.py [--rounds N] [--seconds N] [--only NAME,...] [--figures NAME,...] [--json FILE] [--page FILE]
"""
import argparse
import contextlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

import alone
import growth
import load
import plots
import report
import starts
import summary
from network import Network
from ours import Ours
from parts import BINARY, machine
from peers import MITMPROXY, OTHERS, WORKERD, Upstream, prepare
from turns import rounds

TURNS = ["https", "http", "h2", "one", "rate", "new", "full", "names", "bulk"]
FIGURES = ["memory", "start", *TURNS, "growth"]


def versions():
    def first(*command):
        output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        return output.strip().splitlines()[0] if output.strip() else "?"
    return {
        "proxy-everything": first(BINARY, "--version"), "haproxy": first("haproxy", "-v"), "squid": first("squid", "-v"),
        "mitmproxy": first(MITMPROXY, "--version"), "workerd": first(*WORKERD.glob("workerd-*/bin/workerd"), "--version"),
        "nginx": first("nginx", "-v"), "wrk": first("wrk", "-v"), "h2load": first("h2load", "--version"), "curl": first("curl", "--version"),
    }


def measure(arguments, result):
    """Everything, into `result`."""
    kinds = [kind for kind in [*OTHERS, Ours] if not arguments.only or kind.name in arguments.only]
    turned = [figure for figure in TURNS if figure in arguments.figures]
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(Network())
        prepare()
        stack.enter_context(Upstream(network))
        if {"memory", "start"} & set(arguments.figures):
            result["turns"]["alone"], errors = alone.measure(network, kinds, arguments)
            result["errors"] += errors
        if "start" in arguments.figures:
            result["starts"] = starts.measure(network)
        if turned:
            # All names of all rounds.
            names = arguments.rounds * load.NAMES if "names" in turned else 0
            with contextlib.ExitStack() as running:
                peers = [running.enter_context(kind(network, names)) for kind in kinds]
                turns, errors = rounds(peers, turned, arguments.rounds, arguments.seconds)
                result["turns"] |= turns
                result["errors"] += errors
        if "growth" in arguments.figures:
            result["growth"], errors = growth.measure(network, arguments)
            result["errors"] += errors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commas = lambda text: text.split(",")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", type=commas, help=", ".join(kind.name for kind in [*OTHERS, Ours]))
    parser.add_argument("--figures", type=commas, default=FIGURES, help=", ".join(FIGURES))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--page", type=pathlib.Path)
    arguments = parser.parse_args()
    kinds = [kind.name for kind in [*OTHERS, Ours]]
    if unknown := set(arguments.figures) - set(FIGURES) | set(arguments.only or kinds) - set(kinds):
        parser.error(f"what is {', '.join(unknown)}?")
    if os.geteuid():
        parser.error("namespaces and rules need root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    begun, before = time.monotonic(), os.getloadavg()[0]
    result = {"machine": machine(), "versions": versions(), "rounds": arguments.rounds, "seconds": arguments.seconds,
              "rates": {kind.name: kind.rate for kind in OTHERS}, "turns": {}, "errors": []}
    measure(arguments, result)
    result |= {"load": [round(before, 1), round(os.getloadavg()[0], 1)], "minutes": round((time.monotonic() - begun) / 60, 1)}
    result["figures"] = summary.figures(result["turns"])
    print(report.tables(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    if arguments.page:
        arguments.page.write_text(report.page(result))
        plots.draw(result, arguments.page.with_suffix(""))
    sys.exit(1 if result["errors"] else 0)


if __name__ == "__main__":
    main()
