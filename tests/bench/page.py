"""The page about what handlers cost, from what was measured."""

# What is promised: of what, on which transport, which figure, at most.
BARS = [
    ("filter, C", "https", "added", 6, "µs more than none"),
    ("filter, Rust", "https", "added", 6, "µs more than none"),
    ("filter, JavaScript", "https", "added", 40, "µs more than none"),
    ("handler, JavaScript", "http", "toWorkerd", 0.5, "of workerd"),
    ("handler, JavaScript", "https", "toWorkerd", 0.5, "of workerd"),
    ("wasi:http 0.2, Rust", "https", "added", 30, "µs more than none"),
]

NAMES = {"http": "HTTP", "https": "HTTPS"}


def table(heads, rows):
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [heads, ["---"] * len(heads), *rows])


def shown(ratio):
    return "–" if ratio != ratio else ratio


def costs(result, transport):
    heads = ["handler", "CPU µs", "more than none, µs", "times none", "times workerd", "requests/s"]
    rows = [[name, one["cpu"], one["added"], one["toNone"], shown(one["toWorkerd"]), one["rate"]]
            for name, one in result["costs"].get(transport, {}).items()]
    return f"{NAMES[transport]}, keep-alive:\n\n{table(heads, rows)}"


def others(result):
    if "memory" not in result:
        return []
    memory, swap = result["memory"], result["swap"]
    return [
        ("memory of one more JavaScript handler, loaded", memory["loaded"], 8, "MB"),
        ("the same, after its first call", memory["used"], 8, "MB"),
        ("another component for a handler, compiled code from its file", swap["fromFile"][0], 5, "ms"),
        ("the proxy's CPU in that", swap["fromFile"][1], 5, "ms"),
        ("another component, compiled code in memory", swap["fromMemory"][0], 5, "ms"),
        ("the proxy's CPU in that", swap["fromMemory"][1], 5, "ms"),
        ("another component, by `override set-handler`, its own start included", swap["byCommand"], 5, "ms"),
    ]


def bars(result):
    rows = []
    for name, transport, figure, bar, unit in BARS:
        one = result["costs"].get(transport, {}).get(name)
        if one and one[figure] == one[figure]:
            rows.append((f"{name}, {NAMES[transport]}", one[figure], bar, unit))
    return [[what, f"{value} {unit}", bar, "yes" if value <= bar else "**no**"] for what, value, bar, unit in rows + others(result)]


def tables(result):
    found = [costs(result, transport) for transport in result["costs"]]
    found.append("Goals:\n\n" + table(["what", "measured", "at most", "kept"], bars(result)))
    if result["missing"]:
        found.append(f"Not measured: {'; '.join(result['missing'])}.")
    return "\n\n".join(found)


def page(result):
    machine, load = result["machine"], result["load"]
    return f"""# What handlers cost

Written by `make bench-handlers`. One machine, once: read differences and ratios, not absolute figures.

{machine["cpu"]}, {machine["cores"]} cores, Linux {machine["kernel"]}. Load average {load[0]} before, {load[1]} after: well above 2 means that others used the
machine too.

The proxy is what `make guided` builds: its compiler has seen a profile of these loads. workerd is as its package has it.

A request is a GET over a connection that is kept, with 1 KiB in answer; {result["connections"]} connections at once. The proxy has one core, nginx and wrk another.
CPU is that of the proxy's process with all its threads, user and system. Each line has a process of its own; all take turns of
{result["seconds"]} s in {result["rounds"]} rounds, and figures are medians over the rounds, of differences and ratios within one round. `none` is the proxy without a handler,
audit file included.

All but the filter in JavaScript add one header; where it is a secret that is long enough, the response is searched for it (`scrubbed`). With `placeholder`
the workload sends that header, and its made-up text is replaced. Filters in C and Rust take its value from a secret, so that there is none on plain HTTP. The
filter in JavaScript ([tag.js](../handlers/examples/tag.js)) sees requests and responses. The handler in JavaScript
([token-by-host.js](../handlers/examples/token-by-host.js)) is the same file for workerd, which shows one certificate of its own, and mints none; it writes no
audit file.

{tables(result)}
"""
