"""Medians over the rounds, and ratios to another proxy within each of them."""
import statistics

MEASURES = ["cpu", "rate", "p50", "p99", "p999", "seconds", "megabytes", "first", "idle", "loaded", "full", "connections", "perConnection"]


def ratio(mine, other, measure):
    """Median, lowest and highest of the ratios of the same rounds."""
    found = [a[measure] / b[measure] for a, b in zip(mine, other) if a.get(measure) and b.get(measure)]
    return {"median": statistics.median(found), "low": min(found), "high": max(found)} if found else None


def one(mine, by_name):
    found = {}
    for measure in MEASURES:
        values = [turn[measure] for turn in mine if turn.get(measure) is not None]
        if values:
            found[measure] = {"median": statistics.median(values), "toHaproxy": ratio(mine, by_name.get("haproxy", []), measure),
                              "toDirect": ratio(mine, by_name.get("direct", []), measure)}
    return found


def figures(turns):
    """By figure, proxy and measure."""
    return {figure: {name: one(mine, by_name) for name, mine in by_name.items()} for figure, by_name in turns.items()}
