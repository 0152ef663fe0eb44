"""The plots of the page, as small SVG files that are the same for the same figures. Ours has the colour; names are written beside what they name."""
import matplotlib
import matplotlib.ticker

matplotlib.use("svg")
matplotlib.rcParams |= {
    "svg.hashsalt": "bench", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
    "axes.axisbelow": True, "axes.titlesize": 11, "axes.titlelocation": "left",
}
import matplotlib.pyplot as pyplot

from report import GROWTHS, OURS, TITLES

# Okabe and Ito's, which all can tell apart.
OUR_COLOUR, OTHER_COLOUR = "#0072B2", "#A8A8A8"
COLOURS, MARKERS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"], "osD^"
# A bar of more than twice the length of all others is cut, so that these can be compared.
ROOM, CUT = 1.25, "mitmproxy"
PERCENTILES = {"p50": ("o", "p50"), "p99": ("s", "p99"), "p999": ("D", "p99.9")}


def colour(name):
    return OUR_COLOUR if name == OURS else OTHER_COLOUR


def save(figure, path):
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)


def bars(axes, by_name, measure, title, unit, digits=1):
    names = [name for name in reversed(TITLES) if measure in by_name.get(name, {})]
    values = [by_name[name][measure]["median"] for name in names]
    others = max([value for name, value in zip(names, values) if name != CUT] or values)
    limit = ROOM * (max(values) if max(values) < 2 * others else others)
    axes.barh([TITLES[name] for name in names], [min(value, limit) for value in values], color=[colour(name) for name in names], height=0.65)
    for place, (name, value) in enumerate(zip(names, values)):
        cut = value > limit
        text = f"{value:,.{digits}f}" + (" →" if cut else "")
        axes.annotate(text, (min(value, limit), place), xytext=(-4 if cut else 4, 0), textcoords="offset points", va="center",
                      ha="right" if cut else "left", fontweight="bold" if name == OURS else "normal")
    for label, name in zip(axes.get_yticklabels(), names):
        label.set_fontweight("bold" if name == OURS else "normal")
    axes.set(title=title, xlabel=unit, xlim=(0, limit))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#E5E5E5")


def row_of_bars(path, parts):
    parts = [part for part in parts if any(part[1] in measures for measures in part[0].values())]
    if parts:
        figure, all_axes = pyplot.subplots(1, len(parts), figsize=(4.4 * len(parts), 2.4), layout="constrained", squeeze=False)
        for axes, part in zip(all_axes[0], parts):
            bars(axes, *part)
        save(figure, path)


def latency(path, by_name):
    names = [name for name in reversed(TITLES) if "p99" in by_name.get(name, {})]
    if not names:
        return
    figure, axes = pyplot.subplots(figsize=(8, 2.8), layout="constrained")
    for place, name in enumerate(names):
        shown = [(by_name[name][measure]["median"] / 1000, *look) for measure, look in PERCENTILES.items() if measure in by_name[name]]
        axes.plot([time for time, *_ in shown], [place] * len(shown), color=colour(name), linewidth=2.5)
        for time, marker, words in shown:
            axes.plot(time, place, marker, color=colour(name), markerfacecolor="white" if marker == "o" else colour(name), markersize=7,
                      label=words if name == OURS else None)
    axes.set_yticks(range(len(names)), [TITLES[name] for name in names])
    for label, name in zip(axes.get_yticklabels(), names):
        label.set_fontweight("bold" if name == OURS else "normal")
    axes.set(xscale="log", xlabel="milliseconds, logarithmic", title="Latency at a fixed rate (mitmproxy: a lower one)", ylim=(-0.6, len(names) - 0.4))
    axes.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.grid(axis="x", color="#E5E5E5")
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    save(figure, path)


def growth(path, found):
    figure, axes = pyplot.subplots(figsize=(8, 3.2), layout="constrained")
    for (name, words), tone, marker in zip(GROWTHS.items(), COLOURS, MARKERS):
        by_count = {int(count): one for count, one in found[name]["by"].items() if int(count) >= found[name]["base"]}
        low, ratios, high = ([one[part] for one in by_count.values()] for part in ("low", "median", "high"))
        axes.fill_between(list(by_count), low, high, color=tone, alpha=0.12, linewidth=0)
        axes.plot(list(by_count), ratios, color=tone, marker=marker, markersize=5, label=f"{words}, beside {found[name]['base']}")
    axes.axhline(1, color="#808080", linewidth=0.8)
    axes.set(xscale="log", xlabel="number, logarithmic", ylabel="ratio", title="CPU of a request, as one number grows", ylim=(0, None))
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(color="#E5E5E5")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


def draw(result, folder):
    folder.mkdir(parents=True, exist_ok=True)
    figures = result["figures"]
    row_of_bars(folder / "cpu.svg", [(figures.get("https", {}), "cpu", "TLS, 32 connections", "CPU a request, µs"),
                                     (figures.get("http", {}), "cpu", "Plain HTTP, 32 connections", "CPU a request, µs")])
    alone = figures.get("alone", {})
    row_of_bars(folder / "memory.svg", [(alone, "idle", "Memory after the start", "MB"),
                                        (alone, "perConnection", "Memory of an idle connection", "KB")])
    latency(folder / "latency.svg", figures.get("rate", {}))
    if "growth" in result:
        growth(folder / "growth.svg", result["growth"])
