"""Ours, as `attach` serves workloads: a keeper and its worker in the gateway, before which the workloads' networks have only `lo`."""
import json
import subprocess

from network import HOST, SERVICE, inside
from parts import BINARY, MEASURED, admin
from peers import CONNECTIONS, HEADER, TOKEN, WORK, Peer

TEN_MINUTES_MS = 600_000


def policy(names=(HOST,), **more):
    """One that does what the others do."""
    return {
        "allowedHosts": ["*.upstream.test"], "outboundByHost": {"*.upstream.test": "token"},
        "handlers": {"token": {"inject": {HEADER: TOKEN}}},
        "resolve": {name: SERVICE for name in [*names, "untrusted.upstream.test"]}, "upstreamRoots": [str(WORK / "root.pem")],
        "limits": {"maxConnections": CONNECTIONS, "requestHeadTimeoutMs": TEN_MINUTES_MS}, **more,
    }


class Ours(Peer):
    name = "proxy-everything"

    def __init__(self, network, names=0, label="ours", workloads=1, gateway=None, **more):
        self.network, self.label, self.count = network, label, workloads
        self.own = not gateway
        self.gateway = gateway or network.gateway(label)
        self.document = policy([HOST] + [f"n{number}.upstream.test" for number in range(names)], **more)
        self.workloads = []
        self.renew()

    def renew(self):
        """What a proxy that has ended leaves behind stays sealed; a new start gets new networks."""
        for workload in self.workloads:
            self.network.remove(workload)
        self.workloads = [self.network.add(f"{self.label}-{number}") for number in range(self.count)]
        self.workload = next(iter(self.workloads), None)

    def leave(self):
        for workload in self.workloads:
            self.network.remove(workload)
        if self.own:
            self.network.remove(self.gateway)

    def command(self, *more):
        self.audit, self.state = WORK / f"{self.label}.jsonl", WORK / f"state-{self.label}"
        self.audit.unlink(missing_ok=True)
        (WORK / f"{self.label}.json").write_text(json.dumps(self.document))
        networks = [word for workload in self.workloads for word in ("--netns", f"/run/netns/{workload}")]
        return [BINARY, "attach", *networks, "--policy", WORK / f"{self.label}.json", "--audit", self.audit,
                "--state-dir", self.state, "--cache-dir", WORK / "cache", *more]

    def begin(self):
        self.start(self.label, inside(self.gateway, *MEASURED, *self.command()))

    def said(self):
        return (WORK / f"{self.label}.log").read_text()

    def answers(self):
        return self.said().count("attached ") >= self.count and super().answers()

    def trust(self):
        ca = WORK / f"{self.label}.crt"
        exported = subprocess.run([BINARY, "ca", "export", "--instance", self.workload, "--state-dir", self.state], stdout=subprocess.PIPE, check=True)
        ca.write_bytes(exported.stdout)
        return ["--cacert", ca]

    def ask_all(self):
        """One request of every workload."""
        for self.workload in reversed(self.workloads):
            if super().answers() is None:
                raise SystemExit(f"{self.workload} got no answer; see {WORK}")

    def admin(self, resource):
        return admin(self.state / f"{self.workload}.sock", resource)
