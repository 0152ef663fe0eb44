"""What asks the proxies, each for some seconds or some number of requests. Each function gives what it measured, how many requests were answered,
how many may have been under way at the end (`open`), and what went wrong."""
import re
import statistics
import subprocess

from network import HOST, SERVICE
from peers import BULK_BYTES, WORK

UNITS = {"us": 1, "ms": 1e3, "s": 1e6}
CONNECTIONS, NEW_CONNECTIONS = 32, 16
H2_CONNECTIONS, H2_STREAMS = 8, 8
NAMES = FULL = 500
DOWNLOADS = 3
ENOUGH_FOR_P999 = 1000


def said(peer, command):
    return subprocess.run(peer.inside(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def wrk(peer, url, connections, seconds, *more):
    output = said(peer, ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *more, url])
    count = re.search(r"(\d+) requests in", output)
    if not count:
        return {"requests": 0, "open": connections, "errors": [output]}
    found = {"requests": int(count[1]), "open": connections, "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),
             "errors": re.findall(r"(?:Non-2xx|Socket errors).*", output) + (["no request was answered"] if count[1] == "0" else [])}
    for percent in (50, 99):
        value, unit = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)", output, re.M).groups()
        found[f"p{percent}"] = float(value) * UNITS[unit]
    return found


def https(peer, seconds, _):
    return wrk(peer, f"https://{HOST}/", CONNECTIONS, seconds)


def http(peer, seconds, _):
    return wrk(peer, f"http://{HOST}/", CONNECTIONS, seconds)


def one(peer, seconds, _):
    return wrk(peer, f"https://{HOST}/", 1, seconds)


def new(peer, seconds, _):
    return wrk(peer, f"https://{HOST}/", NEW_CONNECTIONS, seconds, "-H", "Connection: close")


def h2load(peer, seconds, *more):
    """h2load writes down every request."""
    log = WORK / "h2load.log"
    log.unlink(missing_ok=True)
    output = said(peer, ["h2load", "-D", seconds, f"--log-file={log}", *more, f"https://{HOST}/"])
    lines = [line.split("\t") for line in log.read_text().splitlines()] if log.exists() else []
    times = sorted(int(line[2]) for line in lines if line[1] == "200")
    if len(times) < 2:
        return {"requests": len(times), "open": 0, "errors": [output]}
    counts = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", output)
    bad = len(lines) - len(times)
    at = lambda part: times[min(len(times) - 1, int(len(times) * part))]
    rare = {"p999": at(.999)} if len(times) >= ENOUGH_FOR_P999 else {}
    return rare | {
        "requests": len(times), "rate": len(times) / seconds, "p50": statistics.median(times), "p99": at(.99),
        "errors": ([f"{bad} bad answers"] if bad else []) + ([counts[0]] if any(int(count) for count in counts.groups()) else []),
    }


def h2(peer, seconds, _):
    return {"open": H2_CONNECTIONS * H2_STREAMS} | h2load(peer, seconds, "-c", H2_CONNECTIONS, "-m", H2_STREAMS)


def rate(peer, seconds, _):
    return {"open": CONNECTIONS} | h2load(peer, seconds, "--h1", "-c", CONNECTIONS, f"--rps={peer.rate / CONNECTIONS}")


def curl(peer, urls, *more):
    """Requests of HTTP/1.1: code, bytes and seconds of each."""
    outputs = [word for _ in urls for word in ("-o", "/dev/null")]
    output = said(peer, ["curl", "-sSk", "--http1.1", *outputs, "-w", "%{http_code} %{size_download} %{time_total}\n", *more, *urls])
    return output, [tuple(map(float, line.split())) for line in output.splitlines() if re.fullmatch(r"[\d.]+ \d+ [\d.]+", line)]


def names(peer, _, number):
    """Every connection asks for a name that was never asked for. Where the first try must fail, the next one counts, and costs both."""
    first = number * NAMES
    for _ in range(peer.tries):
        output, answers = curl(peer, [f"https://n[{first}-{first + NAMES - 1}].upstream.test/"], "-Z", "--parallel-max", NEW_CONNECTIONS,
                               "--no-progress-meter", "--resolve", f"*:443:{SERVICE}")
    good = [answer for answer in answers if answer[:2] == (200, 1024)]
    return {"requests": len(good), "open": 0, "errors": [] if len(good) == NAMES else [f"{len(good)} of {NAMES} new names: {output[:300]}"]}


def full(peer, _, __):
    """New connections that resume no session of TLS."""
    output, answers = curl(peer, [f"https://{HOST}/[1-{FULL}]"], "-Z", "--parallel-max", NEW_CONNECTIONS, "--no-progress-meter", "--no-sessionid",
                           "-H", "Connection: close")
    good = [answer for answer in answers if answer[:2] == (200, 1024)]
    return {"requests": len(good), "open": 0, "errors": [] if len(good) == FULL else [f"{len(good)} of {FULL} connections: {output[:300]}"]}


def bulk(peer, _, __):
    output, answers = curl(peer, [f"https://{HOST}/bulk"] * DOWNLOADS)
    good = [answer for answer in answers if answer[:2] == (200, BULK_BYTES)]
    return {"requests": len(good), "open": 0, "megabytes": len(good) * BULK_BYTES / 1e6, "errors": [] if len(good) == DOWNLOADS else [output[:300]]}
