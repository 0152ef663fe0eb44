"""How long a user of ours waits: for `run -- true`, beside a new network namespace without a proxy, and for the answer to a workload being
attached to a process that runs already."""
import json
import statistics
import subprocess
import time

from ours import Ours, policy
from parts import BINARY, MEASURED, admin, until
from peers import WORK

TIMES = 20


def milliseconds(command):
    begun = time.perf_counter()
    subprocess.run([*MEASURED, *map(str, command)], check=True)
    return (time.perf_counter() - begun) * 1000


def run():
    """`run -- true` and the same without us, in turn."""
    (WORK / "run.json").write_text(json.dumps(policy()))
    command = [BINARY, "run", "--policy", WORK / "run.json", "--audit", WORK / "run.jsonl", "--state-dir", WORK / "state-run",
               "--cache-dir", WORK / "cache", "--", "true"]
    pairs = [(milliseconds(command), milliseconds(["unshare", "--net", "true"])) for _ in range(TIMES)]
    return dict(zip(("run", "unshare"), map(statistics.median, zip(*pairs))))


class Controlled(Ours):
    """Serves nobody until it is told to."""

    def command(self):
        self.control = WORK / "control.sock"
        return super().command("--control", self.control)

    def __enter__(self):
        self.begin()
        until(lambda: admin(self.control, "/v1/instances"), self.process, self.label, WORK)
        return self


def attach(network):
    times = []
    with Controlled(network, label="control", workloads=0) as ours:
        ours.workloads = [network.add(f"control-{number}") for number in range(TIMES)]
        for workload in ours.workloads:
            begun = time.perf_counter()
            admin(ours.control, "/v1/instances", {"netns": f"/run/netns/{workload}", "policy": json.dumps(policy())})
            times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def measure(network):
    return run() | {"attach": attach(network)}
