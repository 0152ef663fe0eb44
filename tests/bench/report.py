"""Tables and page of the comparison, from what was measured."""
from page import table

TITLES = {"direct": "direct", "haproxy": "HAProxy", "squid": "Squid", "mitmproxy": "mitmproxy", "workerd": "workerd", "proxy-everything": "ours"}
OURS = "proxy-everything"

# What is shown of which figure: measure, words, digits.
ROWS = [
    ("https", "cpu", "TLS, 32 connections: CPU a request, µs", 1),
    ("https", "rate", "TLS, 32 connections: requests/s", 0),
    ("https", "p50", "TLS, 32 connections: p50, µs", 0),
    ("https", "p99", "TLS, 32 connections: p99, µs", 0),
    ("http", "cpu", "plain HTTP, 32 connections: CPU a request, µs", 1),
    ("http", "rate", "plain HTTP, 32 connections: requests/s", 0),
    ("http", "p50", "plain HTTP, 32 connections: p50, µs", 0),
    ("http", "p99", "plain HTTP, 32 connections: p99, µs", 0),
    ("h2", "cpu", "HTTP/2, 8 connections of 8 streams: CPU a request, µs", 1),
    ("h2", "rate", "HTTP/2, 8 connections of 8 streams: requests/s", 0),
    ("one", "cpu", "TLS, one connection: CPU a request, µs", 1),
    ("one", "p50", "TLS, one connection: p50, µs", 0),
    ("one", "p99", "TLS, one connection: p99, µs", 0),
    ("rate", "cpu", "TLS, fixed rate: CPU a request, µs", 1),
    ("rate", "p50", "TLS, fixed rate: p50, µs", 0),
    ("rate", "p99", "TLS, fixed rate: p99, µs", 0),
    ("rate", "p999", "TLS, fixed rate: p99.9, µs", 0),
    ("new", "cpu", "new TLS connections: CPU of each, µs", 0),
    ("new", "rate", "new TLS connections: connections/s", 0),
    ("full", "cpu", "new TLS connections, nothing resumed: CPU of each, µs", 0),
    ("full", "rate", "new TLS connections, nothing resumed: connections/s", 0),
    ("names", "cpu", "new names: CPU of each, µs", 0),
    ("names", "rate", "new names: certificates/s", 0),
    ("bulk", "seconds", "bulk: CPU seconds for 100 MB", 3),
    ("bulk", "megabytes", "bulk: MB for a second of CPU", 0),
    ("alone", "first", "from the start to the first answer, ms", 0),
    ("alone", "idle", "memory after the start, MB", 1),
    ("alone", "loaded", "memory after load, MB", 1),
    ("alone", "perConnection", "memory of an idle connection, KB", 1),
]

# What is promised as a ratio to HAProxy: figure, measure, words, at most.
RATIOS = [
    ("https", "cpu", "TLS keep-alive, CPU", 1.0),
    ("http", "cpu", "plain HTTP keep-alive, CPU", 1.0),
    ("new", "cpu", "new TLS connection, CPU", 0.7),
    ("full", "cpu", "new TLS connection, nothing resumed, CPU", 0.7),
    ("bulk", "seconds", "bulk, CPU", 1.1),
    ("one", "p50", "p50 of one connection", 1.1),
    ("https", "p99", "p99 of 32 connections", 1.2),
    ("alone", "idle", "memory after the start, without WebAssembly", 1.0),
]
GROWTHS = {"rules": "host rules", "instances": "instances in one process", "handlers": "handlers loaded", "connections": "connections at once"}


def spread(ratio, digits=2):
    return f"{ratio['median']:.{digits}f} ({ratio['low']:.{digits}f}–{ratio['high']:.{digits}f})" if ratio else "–"


def main_table(result):
    figures = result["figures"]
    names = [name for name in TITLES if any(name in by_name for by_name in figures.values())]
    rows = []
    for figure, measure, words, digits in ROWS:
        by_name = figures.get(figure, {})
        cells = [by_name.get(name, {}).get(measure) for name in names]
        if any(cells):
            ours = by_name.get(OURS, {}).get(measure, {})
            rows.append([words, *(f"{cell['median']:.{digits}f}" if cell else "–" for cell in cells),
                         spread(ours.get("toHaproxy")), spread(ours.get("toDirect"))])
    return table(["", *(TITLES[name] for name in names), "ours / HAProxy", "ours / direct"], rows)


def goals(result):
    """Words, measured, at most, kept."""
    found = []
    def goal(words, value, shown, most, unit=""):
        found.append([words, shown, f"{most}{unit}", "yes" if value <= most else "**no**"])
    for figure, measure, words, most in RATIOS:
        ratio = result["figures"].get(figure, {}).get(OURS, {}).get(measure, {}).get("toHaproxy")
        if ratio:
            goal(words, ratio["median"], f"{spread(ratio)} of HAProxy", most)
    if idle := result["figures"].get("alone", {}).get(OURS, {}).get("idle"):
        goal("the same, by itself", idle["median"], f"{idle['median']:.1f} MB", 12, " MB")
    if growth := result.get("growth"):
        rules, further = growth["rules"]["by"]["100000"], growth["further"]["100"]
        goal("TLS keep-alive with 100,000 host rules, CPU", rules["median"], f"{spread(rules, 3)} of 10 rules", 1.03)
        goal("memory of each of 100 instances", further["memory"], f"{further['memory']:.0f} KB", 300, " KB")
    if starts := result.get("starts"):
        goal("`run -- true`", starts["run"], f"{starts['run']:.1f} ms", 30, " ms")
        goal("attaching a workload to a process that runs", starts["attach"], f"{starts['attach']:.1f} ms", 15, " ms")
    goal("errors", len(result["errors"]), len(result["errors"]), 0)
    return found


def growths(result):
    found = []
    for name, words in GROWTHS.items():
        if grown := result.get("growth", {}).get(name):
            rows = [[f"{int(count):,}", f"{one['cpu']:.1f}", spread(one)] for count, one in grown["by"].items()]
            found.append(table([words, "CPU a request, µs", f"times that of {grown['base']}"], rows))
    if further := result.get("growth", {}).get("further"):
        rows = [[count, f"{one['memory']:.0f}", f"{one['used']:.0f}", f"{one['cpu']:.1f}"] for count, one in further.items()]
        found.append(table(["instances in one process", "memory of each further one, KB", "after a request of each, KB",
                            "CPU of the process while all is idle, ms a second"], rows))
    return found


def starting(result):
    if not (starts := result.get("starts")):
        return []
    return [table(["start of ours", "ms"], [["`run -- true`", f"{starts['run']:.1f}"], ["`unshare --net true`, for comparison", f"{starts['unshare']:.1f}"],
                                            ["attaching a workload to a process that runs", f"{starts['attach']:.1f}"]])]


def failures(result):
    return ["**There were errors; these figures prove nothing:**\n\n" + "\n".join(f"* {error}" for error in result["errors"])] if result["errors"] else []


def tables(result):
    goal_table = "Goals:\n\n" + table(["what", "measured", "at most", "kept"], goals(result))
    return "\n\n".join([*failures(result), main_table(result), goal_table, *growths(result), *starting(result)])


def held(result):
    """How many connections each held."""
    alone = result["figures"].get("alone", {})
    counts = {TITLES[name]: measures["connections"]["median"] for name, measures in alone.items() if "connections" in measures}
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def page(result):
    machine, load = result["machine"], result["load"]
    versions = "\n".join(f"* {name}: `{version}`" for name, version in result["versions"].items())
    return "\n\n".join([f"""# What the proxy costs

Written by `make bench`, which takes about {result["minutes"]:.0f} minutes, and 20 more to build what is measured. One machine, once: read ratios, not absolute figures.
What handlers cost is in [benchmarks-handlers.md](benchmarks-handlers.md).""", *failures(result), f"""![CPU a request](benchmarks/cpu.svg)

Medians of {result["rounds"]} rounds. Ratios are taken within each round; in brackets are the lowest and the highest.

{main_table(result)}

## Goals

{table(["what", "measured", "at most", "kept"], goals(result))}

![Latency at a fixed rate](benchmarks/latency.svg)

![Memory](benchmarks/memory.svg)

## Growth

What ours takes as one number grows, over TLS; 32 connections, where these are not the number.

![Growth](benchmarks/growth.svg)""", *growths(result), *starting(result), f"""## How it is measured

Every proxy opens TLS with a certificate that it makes for the name, verifies the upstream against one root, and adds one header to each request, over TLS and
plain HTTP; this is checked before anything is measured. workerd makes no certificates, and has plain HTTP only. Ours also decides by its policy and
writes an audit record of each request. `direct` is the same way without a proxy.

Each proxy has a network namespace of its own, and in front of it one with its clients. Between them, HAProxy's connections are taken by TPROXY, those of Squid,
mitmproxy and workerd by a redirect. Ours is `attach`, before a namespace that has only `lo`. All proxies run at once on one core and take turns of
{result["seconds"]} s; those whose turn it is not must be idle. The other core has nginx, which answers with 1 KiB, and the load: wrk, h2load or
curl. Where a rate is near that of `direct`, it is that core which is full.

* **Ours** is what `make guided` builds: its compiler has seen a profile of loads of these kinds. What `make build` builds takes a tenth more
  ([performance.md](performance.md)). The others are as their packages have them.
* **CPU** is that of the proxy's whole process tree, user and system, by the kernel's clocks of processes.
* **Fixed rate**: {result["rates"]["direct"]:,} requests a second over 32 connections for all, but {result["rates"]["mitmproxy"]} for mitmproxy. The time is that from sending to the end of the answer.
* **New TLS connections** are one after the other on 16 connections, and ask once. wrk resumes TLS sessions where the proxy lets it; with *nothing resumed*, curl
  offers no session.
* **New names**: each connection is for a name that was never asked for, so a certificate is made, and a connection to the upstream. Debian's HAProxy ends the first
  connection for each name after the handshake; for it, each name is asked for twice, and both are counted as one.
* **Memory** is PSS of the process tree. A process has been started anew for it, and has served nothing but one request; then {result["seconds"]} s of load; then connections
  that have each asked once and stand idle: {held(result)}. Squid, mitmproxy and workerd hold one to the upstream for each.
* **Start** is from the start of the process to an answer that came through it.
* **Errors** are answers other than 200, sockets that failed, neighbours that were not idle, and for ours any difference between the requests that were answered and
  the records in its audit file.

{machine["cpu"]}, {machine["cores"]} cores, Linux {machine["kernel"]}. Load average {load[0]} before, {load[1]} after.

{versions}"""]) + "\n"
