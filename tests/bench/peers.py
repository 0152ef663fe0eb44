"""The others: what each is started with to do the job that ours does. TLS is opened with a certificate made for the name, the upstream is verified
against the root of the benchmark, and every request gets one header. `Direct` is the same way with no proxy."""
import shutil
import subprocess

from network import HOST, SERVICE, divert, inside
from parts import MEASURED, OTHER, ROOT, Process, certificates, free_port, run, until

WORK = ROOT / "target/bench"
HEADER, TOKEN = "x-auth-token", "s3cr3t"
HTTP, HTTPS = 15080, 15443
MITMPROXY = ROOT / "target/mitmproxy/bin/mitmdump"
WORKERD = ROOT / "target/bench-handlers/node_modules/@cloudflare"
BULK_BYTES = 100_000_000
# More than the 10,000 that stand idle.
CONNECTIONS = 20_000


def prepare():
    """An empty folder with the upstream's root and certificate, one that the root knows nothing of, and a CA for those who mint."""
    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "cache").mkdir(parents=True, mode=0o700)
    certificates(WORK, "DNS:*.upstream.test")
    for name in ("untrusted", "mint"):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", f"subjectAltName=DNS:{name}.upstream.test", folder=WORK)
    (WORK / "mint.pem").write_text((WORK / "mint.crt").read_text() + (WORK / "mint.key").read_text())
    with open(WORK / "bulk", "wb") as file:
        file.truncate(BULK_BYTES)


class Upstream(Process):
    """nginx with a kilobyte, 100 MB, and the header that it got."""

    folder = WORK

    def __init__(self, network):
        self.namespace = network.upstream

    def __enter__(self):
        temporary = "".join(f"{kind}_temp_path {WORK}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        pages = f"""location / {{ return 200 {"x" * 1024}; }} location /bulk {{ root {WORK}; }} location /token {{ return 200 "$http_x_auth_token"; }}"""
        (WORK / "nginx.conf").write_text(f"""user root; daemon off; worker_processes 1; pid {WORK}/nginx.pid; error_log {WORK}/nginx.log;
events {{ worker_connections 32768; }}
http {{
 {temporary} access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; default_type text/plain; sendfile on;
 server {{ listen 80 backlog=4096; {pages} }}
 server {{ listen 443 ssl http2 backlog=4096; ssl_certificate {WORK}/leaf.pem; ssl_certificate_key {WORK}/leaf.key; {pages} }}
 server {{ listen 443 ssl http2; server_name untrusted.upstream.test; {pages}
  ssl_certificate {WORK}/untrusted.crt; ssl_certificate_key {WORK}/untrusted.key; }}
}}
""")
        self.start("nginx", inside(self.namespace, *OTHER, "nginx", "-e", f"{WORK}/nginx.log", "-c", f"{WORK}/nginx.conf"))
        until(lambda: (WORK / "nginx.pid").is_file() and (WORK / "nginx.pid").read_text(), self.process, "nginx", WORK)
        return self


class Peer(Process):
    """One that is compared. `schemes` is what it can be asked by, `rate` and `idle` are what it is asked to bear."""

    folder = WORK
    schemes, h2 = ("https", "http"), True
    rate, idle, tries = 2000, 10_000, 1
    mints, transparent, ports = True, False, (HTTP, HTTPS)

    def __init__(self, network, names=0):
        self.network, self.names = network, [HOST] + [f"n{number}.upstream.test" for number in range(names)]
        self.gateway = network.gateway(self.name)
        self.workload = network.client(self.name, self.gateway)
        divert(self.gateway, *self.ports, self.transparent)

    def begin(self):
        self.start(self.name, inside(self.gateway, *MEASURED, *self.command()))

    def __enter__(self):
        try:
            self.begin()
            until(self.answers, self.process, self.name, WORK)
            self.check()
        except BaseException:
            self.__exit__()
            raise
        return self

    def end(self):
        super().__exit__()

    def __exit__(self, *_):
        self.end()
        self.leave()

    def leave(self):
        self.network.remove(self.workload)
        self.network.remove(self.gateway)

    def renew(self):
        """Makes what must be new for another start."""

    def inside(self, *command):
        return inside(self.workload, *OTHER, *command)

    def ask(self, url, *options):
        """What curl prints that knows the CA, or None."""
        asked = subprocess.run(self.inside("curl", "-s", "-f", "-m", 5, *options, url), stdout=subprocess.PIPE, text=True)
        return None if asked.returncode else asked.stdout

    def trust(self):
        return ["--cacert", WORK / "mint.crt"] if self.mints else []

    def answers(self):
        return self.ask(f"{self.schemes[0]}://{HOST}/", *self.trust())

    def check(self):
        """That it does the whole job."""
        for scheme in self.schemes:
            got = self.ask(f"{scheme}://{HOST}/token", *self.trust())
            if got != TOKEN:
                raise SystemExit(f"{self.name} sends {got!r} as {HEADER} over {scheme}; see {WORK}")
        for _ in range(self.tries if self.mints else 0):
            if self.ask("https://untrusted.upstream.test/", "-k") is not None:
                raise SystemExit(f"{self.name} trusts an upstream that it must not; see {WORK}")


class Direct(Peer):
    name, mints, pid = "direct", False, None

    def __init__(self, network, names=0):
        self.network, self.gateway = network, network.gateway(self.name)
        self.workload = network.client(self.name, self.gateway)

    def __enter__(self):
        assert self.ask(f"https://{HOST}/token", "--cacert", WORK / "root.pem") == ""
        return self

    def end(self):
        pass


class HAProxy(Peer):
    """Debian's 2.6 ends the first connection to a name after the handshake, as soon as it has made the certificate. The next one is served."""

    name, transparent, tries = "haproxy", True, 2

    def command(self):
        (WORK / "haproxy.cfg").write_text(f"""global
 nbthread 1
 no strict-limits
 maxconn {CONNECTIONS}
 tune.ssl.cachesize 20000
defaults
 mode http
 timeout client 10m
 timeout server 10m
 timeout connect 5s
 http-reuse always
frontend plain
 bind 127.0.0.1:{HTTP} transparent
 http-request set-header {HEADER} {TOKEN}
 default_backend plain
frontend tls
 bind 127.0.0.1:{HTTPS} transparent ssl crt {WORK}/mint.pem generate-certificates ca-sign-file {WORK}/mint.pem alpn h2,http/1.1
 http-request set-header {HEADER} {TOKEN}
 default_backend tls
backend plain
 server origin 0.0.0.0:0
backend tls
 server origin 0.0.0.0:0 ssl verify required ca-file {WORK}/root.pem sni ssl_fc_sni alpn http/1.1
""")
        return ["haproxy", "-f", WORK / "haproxy.cfg"]


class Squid(Peer):
    """Each connection of a client has one to the upstream for itself, so it stands idle with fewer."""

    name, h2, idle = "squid", False, 5000
    helper = "/usr/lib/squid/security_file_certgen"

    def command(self):
        folder = WORK / "squid"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        run(self.helper, "-c", "-s", folder / "certificates", "-M", "16MB", folder=WORK)
        (folder / "hosts").write_text("".join(f"{SERVICE} {name}\n" for name in [*self.names, "untrusted.upstream.test"]))
        (folder / "mint.pem").write_text((WORK / "mint.pem").read_text())
        (folder / "squid.conf").write_text(f"""http_port {HTTP} intercept
https_port {HTTPS} intercept ssl-bump tls-cert={folder}/mint.pem generate-host-certificates=on dynamic_cert_mem_cache_size=16MB
http_port 127.0.0.1:{free_port()}
sslcrtd_program {self.helper} -s {folder}/certificates -M 16MB
sslcrtd_children 2 startup=1 idle=1
ssl_bump bump all
tls_outgoing_options cafile={WORK}/root.pem
http_access allow all
cache deny all
pinger_enable off
hosts_file {folder}/hosts
request_header_add {HEADER} {TOKEN} all
client_idle_pconn_timeout 10 minutes
server_idle_pconn_timeout 10 minutes
max_filedescriptors {CONNECTIONS}
access_log none
cache_log {folder}/squid.log
pid_filename {folder}/squid.pid
coredump_dir {folder}
cache_effective_user proxy
shutdown_lifetime 0 seconds
""")
        shutil.copy(WORK / "root.pem", folder)
        for path in [folder, *folder.rglob("*")]:
            shutil.chown(path, "proxy")
        return ["squid", "-N", "-f", folder / "squid.conf"]


class Mitmproxy(Peer):
    """As a program of Python it bears less, and is asked to bear less."""

    name, ports = "mitmproxy", (HTTP, HTTP)
    rate, idle = 100, 1000

    def command(self):
        folder = WORK / "mitmproxy"
        folder.mkdir(exist_ok=True)
        shutil.copy(WORK / "mint.pem", folder / "mitmproxy-ca.pem")
        (folder / "header.py").write_text(f"def request(flow):\n    flow.request.headers['{HEADER}'] = '{TOKEN}'\n")
        return [MITMPROXY, "-q", "--mode", "transparent", "--listen-port", HTTP, "--set", f"confdir={folder}",
                "--set", f"ssl_verify_upstream_trusted_ca={WORK}/root.pem", "-s", folder / "header.py"]


class Workerd(Peer):
    """A JavaScript runtime. It mints no certificates, so it has plain HTTP only. Each connection of a client has one to the upstream."""

    name, ports, schemes, h2, mints, idle = "workerd", (HTTP, HTTP), ("http",), False, False, 5000

    def command(self):
        folder = WORK / "workerd"
        folder.mkdir(exist_ok=True)
        (folder / "worker.js").write_text(f"""export default {{
  fetch(request) {{
    const changed = new Request(request);
    changed.headers.set("{HEADER}", "{TOKEN}");
    return fetch(changed);
  }},
}};
""")
        (folder / "workerd.capnp").write_text(f"""using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "net", network = (allow = ["public", "private"]))],
  sockets = [(name = "http", address = "*:{HTTP}", http = (), service = "main")]);
const worker :Workerd.Worker = (modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-01-01", globalOutbound = "net");
""")
        # The program itself: `workerd/bin/workerd` may be a script that starts it, whose CPU time says nothing.
        return [next(WORKERD.glob("workerd-*/bin/workerd")), "serve", folder / "workerd.capnp"]


OTHERS = [Direct, HAProxy, Squid, Mitmproxy, Workerd]
