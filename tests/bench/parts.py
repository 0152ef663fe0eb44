"""The processes of the benchmark: upstream, proxies and workerd. Each is started when it is entered, and ends with its `with`."""
import contextlib
import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target/bench-handlers"
HANDLERS = ROOT / "target/handlers"
BINARY = os.environ.get("PROXY_EVERYTHING_BIN", str(ROOT / "target/release/proxy-everything"))
CORES = sorted(os.sched_getaffinity(0))
MEASURED, OTHER = ["taskset", "-c", str(CORES[0])], ["taskset", "-c", str(CORES[-1])]
READY_SECONDS = 120
PLACEHOLDER = "a-text-in-the-place-of-the-token-of-the-benchmark"


def component(name):
    """Where a component is built."""
    return str(HANDLERS / f"{name}.wasm")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def process_time(pid):
    """CPU seconds of all threads of a process, user and system: the kernel's CPU clock of that process, in nanoseconds."""
    return time.clock_gettime(~pid << 3 | 2)


def resident(pid):
    """The process's own share of memory, in MB, with what its files in memory hold that is not mapped now."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = field(rollup, "Pss") * 1024
    mapped = 0
    for mapping in re.split(r"^(?=[0-9a-f]+-)", pathlib.Path(f"/proc/{pid}/smaps").read_text(), flags=re.M):
        if "/memfd:" in mapping:
            # Pages that were written to are copies.
            mapped += (field(mapping, "Pss") - field(mapping, "Anonymous")) * 1024
    files = {}
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(entry).startswith("/memfd:"):
                files[entry.stat().st_ino] = entry.stat().st_blocks * 512
    return (own - mapped + sum(files.values())) / 1e6


def field(text, name):
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1])


def machine():
    """What all this runs on."""
    cpu = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return {"cpu": cpu[1] if cpu else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release()}


def until(ready, process, what, folder=WORK):
    """Waits until `ready()` is something, while the process lives."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if found := ready():
                return found
        time.sleep(0.05)
    raise SystemExit(f"{what} did not come up; see {folder}")


def run(*command, folder=WORK):
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def certificates(folder=WORK, names="DNS:upstream.test,DNS:localhost"):
    """A root, and a certificate by it that the upstream and workerd show."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    run("openssl", "req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=Benchmark root",
        "-addext", "basicConstraints=critical,CA:TRUE", folder=folder)
    run("openssl", "req", "-x509", *key, "-keyout", "leaf.key", "-out", "leaf.pem", "-subj", "/CN=upstream.test",
        "-CA", "root.pem", "-CAkey", "root.key", "-addext", "basicConstraints=CA:FALSE",
        "-addext", f"subjectAltName={names}", folder=folder)


def admin(path, resource, body=None):
    """Asks the admin API at the socket `path`."""
    connection = http.client.HTTPConnection("localhost", timeout=READY_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    with contextlib.closing(connection):
        connection.request("POST" if body else "GET", resource, body and json.dumps(body))
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status in (200, 201), said
        return json.loads(said)


class Process:
    """One process; its output goes to a file."""

    folder = WORK

    def start(self, name, command, **pipes):
        with open(self.folder / f"{name}.log", "w") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stderr=log, **{"stdout": log, **pipes})
        self.pid = self.process.pid

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Upstream(Process):
    """nginx with a kilobyte."""

    def __init__(self):
        shutil.rmtree(WORK / "state", ignore_errors=True)
        WORK.mkdir(parents=True, exist_ok=True)
        (WORK / "cache").mkdir(mode=0o700, exist_ok=True)
        certificates()
        self.ports = {"http": free_port(), "https": free_port()}

    def __enter__(self):
        temporary = "".join(f"{kind}_temp_path {WORK}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (WORK / "nginx.conf").write_text(f"""daemon off; master_process off; pid {WORK}/nginx.pid; error_log {WORK}/nginx.log;
events {{ worker_connections 1024; }}
http {{
 {temporary} access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; default_type text/plain;
 server {{
  listen 127.0.0.1:{self.ports["http"]};
  listen 127.0.0.1:{self.ports["https"]} ssl; ssl_certificate {WORK}/leaf.pem; ssl_certificate_key {WORK}/leaf.key;
  location / {{ return 200 {"x" * 1024}; }}
 }}
}}
""")
        self.start("nginx", [*OTHER, "nginx", "-e", f"{WORK}/nginx.log", "-c", f"{WORK}/nginx.conf"])
        until(lambda: socket.create_connection(("127.0.0.1", self.ports["https"])).close() is None, self.process, "nginx")
        return self


class Proxy(Process):
    """The proxy around a shell that runs what it reads."""

    def __init__(self, name, upstream, handlers, bound, secret=None):
        self.name, self.upstream = name, upstream
        self.id = "bench-" + "".join(letter if letter.isalnum() else "-" for letter in name)
        hosts = sorted({"upstream.test", *bound})
        self.policy = {
            "allowedHosts": hosts, "outboundByHost": bound, "handlers": handlers,
            "secrets": {"API_TOKEN": {"env": "BENCH_TOKEN"}} if any("secrets" in each for each in handlers.values()) else {},
            "resolve": {host: "127.0.0.1" for host in hosts}, "upstreamRoots": [str(WORK / "root.pem")],
        }
        self.header = []
        if secret is not None:
            self.policy["secrets"]["LONG_TOKEN"] = {"env": "BENCH_LONG_TOKEN", "hosts": [f"upstream.test:{upstream.ports['https']}"], **secret}
            self.header = ["-H", f"'x-auth-token: {PLACEHOLDER}'"] if "placeholder" in secret else []

    def __enter__(self):
        policy = WORK / f"{self.id}.json"
        policy.write_text(json.dumps(self.policy))
        state, cache = ["--state-dir", str(WORK / "state")], ["--cache-dir", str(WORK / "cache")]
        audit = WORK / f"{self.id}.jsonl"
        audit.unlink(missing_ok=True)
        os.environ |= {"BENCH_TOKEN": "s3cr3t", "BENCH_LONG_TOKEN": "the-token-of-the-benchmark-that-nobody-knows"}
        shell = 'while read -r line; do sh -c "$line" 2>&1; echo END; done'
        self.start(self.id, [*MEASURED, BINARY, "run", "--policy", policy, "--id", self.id, *state, *cache,
                             "--audit", audit, "--", "sh", "-c", shell],
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        until(lambda: self.admin("/v1/status")["pid"] == self.pid, self.process, self.name)
        return self

    def inside(self, command):
        """What a command prints whose only network is this proxy."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        said = ""
        for line in self.process.stdout:
            if line == "END\n":
                return said
            said += line
        raise SystemExit(f"{self.name} has ended; see {WORK}")

    def load(self, transport, connections, seconds):
        url = f"{transport}://upstream.test:{self.upstream.ports[transport]}/"
        return self.inside(f"{' '.join([*OTHER, 'wrk', *self.header])} -t1 -c{connections} -d{seconds}s {url}")

    def ask(self, url):
        said = self.inside(f"curl -s -m 60 -o /dev/null -w '%{{http_code}}\\n' {url}")
        assert said.startswith("200"), said

    def admin(self, path, body=None):
        return admin(WORK / f"state/{self.id}.sock", path, body)

    def override(self, *words):
        run(BINARY, "override", *words, "--instance", self.id, "--state-dir", str(WORK / "state"))


class Workerd(Process):
    """Another JavaScript runtime as a proxy that adds the same token. It mints no certificates: it has one, for its own name."""

    name = "workerd"

    def __init__(self, upstream):
        self.upstream = upstream
        self.ports = {"http": free_port(), "https": free_port()}

    def __enter__(self):
        shutil.copy(ROOT / "handlers/examples/token-by-host.js", WORK / "worker.js")
        (WORK / "workerd.capnp").write_text(f"""using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "net", network = (
    allow = ["public", "private", "local"], tlsOptions = (trustedCertificates = [embed "root.pem"])))],
  sockets = [
    (name = "http", address = "127.0.0.1:{self.ports["http"]}", http = (), service = "main"),
    (name = "https", address = "127.0.0.1:{self.ports["https"]}", service = "main", https = (options = (), tlsOptions = (
      keypair = (privateKey = embed "leaf.key", certificateChain = embed "leaf.pem")))),
  ]);
const worker :Workerd.Worker = (modules = [(name = "worker.js", esModule = embed "worker.js")],
  bindings = [(name = "SECRET", text = "s3cr3t")], compatibilityDate = "2026-01-01", globalOutbound = "net");
""")
        # The program itself: `workerd/bin/workerd` may be a script that starts it, whose CPU time says nothing.
        program = next((WORK / "node_modules/@cloudflare").glob("workerd-*/bin/workerd"))
        self.start("workerd", [*MEASURED, str(program), "serve", "workerd.capnp"])
        until(lambda: socket.create_connection(("127.0.0.1", self.ports["https"])).close() is None, self.process, "workerd")
        return self

    def load(self, transport, connections, seconds):
        url = f"{transport}://localhost:{self.ports[transport]}/"
        command = [*OTHER, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", f"Host: localhost:{self.upstream.ports[transport]}", url]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
