//! `sidecar` where the network cannot be sealed: it is shared, and only what the proxy's own cgroup sends may leave.
//!
//! With plain namespaces, a proxy that has NET_ADMIN and no SYS_ADMIN, and a workload without capabilities. What leaves is seen on the
//! node; every way past the proxy is shown to be one before there are rules.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};

use harness::pod::{Cgroup, NODE, POD};
use harness::{Audit, Capture, Lab, Origin, Pod, Settings, User, processes, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::programs::{CURL, PYTHON, SH, SHARED, TWO_THREADS};

/// What the proxy gets where it may not seal.
const ADMIN: [&str; 3] = ["net_admin", "net_bind_service", "dac_override"];
const POLICY: &str = "allowedHosts: [api.example.test, v6.example.test]\ndns: { servers: [192.0.2.53] }";
/// As `all` in the client.
const WAYS: [&str; 22] = [
    "udp 4",
    "udp 6",
    "tcp 4",
    "tcp 6",
    "udp bound 4",
    "udp bound 6",
    "tcp bound 4",
    "tcp bound 6",
    "udp straight 4",
    "udp straight 6",
    "tcp straight 4",
    "tcp straight 6",
    "multicast 4",
    "multicast 6",
    "ping 4",
    "ping 6",
    "marked 4",
    "marked 6",
    "dns 4",
    "dns 6",
    "broadcast 4",
    "group 4",
];

/// A pod, an origin on its node, and files.
struct Shared {
    pod: Pod,
    origin: Origin,
    lab: Lab,
}

impl Shared {
    fn new() -> Self {
        let (pod, lab) = (Pod::new(), Lab::new(User::Root));
        let listen = NODE.map(|address| address.parse::<IpAddr>().unwrap());
        let names = ["api.example.test", "v6.example.test"].map(str::to_owned).to_vec();
        let origin = pod.node.enter(|| lab.origin(Settings { names, listen, ..Settings::default() }));
        pod.network.ask(&[SH, "-c", "echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range"]);
        Self { pod, origin, lab }
    }

    fn path(&self, name: &str) -> String {
        self.lab.path(name).display().to_string()
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let [v4, v6] = self.origin.addresses();
        let resolve = format!("resolve: {{ 'api.example.test:443': '{v4}', 'v6.example.test:443': '{v6}' }}");
        let policy = self.lab.policy(&format!("{POLICY}\n{resolve}"), &[]);
        let policy = self.lab.write("policy.yaml", &policy);
        let program = self.lab.program().get_program().to_str().unwrap().to_owned();
        let policy = policy.display().to_string();
        let (audit, state) = (self.path("audit.jsonl"), self.path("state"));
        let fixed = [&program, "sidecar", "--policy", &policy, "--audit", &audit, "--state-dir", &state];
        fixed.iter().chain(more).map(|text| (*text).to_owned()).collect()
    }

    /// A sidecar that has these capabilities, which has not started yet.
    fn sidecar(&self, cgroup: Cgroup, capabilities: &[&str], more: &[&str]) -> Command {
        let arguments = self.arguments(more);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut sidecar = self.pod.root(cgroup, capabilities, &arguments);
        sidecar.stdout(Stdio::piped()).stderr(Stdio::piped());
        sidecar
    }

    /// One that serves, and whose CA is in the lab.
    fn serving(&self, more: &[&str]) -> Sidecar {
        self.serving_by(&mut self.sidecar(Cgroup::Proxy, &ADMIN, more))
    }

    fn serving_by(&self, command: &mut Command) -> Sidecar {
        let sidecar = Sidecar::start(command);
        let instance = self.lab.cli(&["ca", "export", "--state-dir", &self.path("state")]);
        self.lab.write("instance.pem", &String::from_utf8(instance.stdout).unwrap());
        sidecar
    }

    fn mode(&self) -> String {
        let status = self.lab.cli(&["status", "--state-dir", &self.path("state")]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        status["mode"].as_str().unwrap().to_owned()
    }

    fn curl(&self, options: &[&str]) -> Output {
        let ca = self.path("instance.pem");
        // Beyond what a worker needs that is started again.
        let command = [&[CURL, "-sS", "-m", "10", "--cacert", &ca], options].concat();
        self.pod.workload(&command).output().unwrap()
    }

    fn reaches(&self) -> bool {
        let before = self.origin.requests().len();
        let found = self.curl(&["-f", "https://api.example.test/echo"]);
        found.status.success() && self.origin.requests().len() == before + 1
    }

    /// What the pod sends to the node, but for what the proxy says to the origin.
    fn watch(&self) -> Capture {
        let [port4, port6] = self.origin.addresses().map(|address| address.port());
        let [v4, v6] = POD;
        let discovery = "(icmp6 and ip6[40] >= 133 and ip6[40] <= 136)";
        let filter = format!(
            "((src host {v4} or src host {v6}) and not port {port4} and not port {port6} and not {discovery})"
        );
        Capture::start(self.pod.node.pid(), &filter)
    }

    fn ways(&self, names: &[&str]) -> Command {
        let [v4, v6] = NODE;
        self.pod.workload(&[&[PYTHON, "-c", SHARED, v4, v6], names].concat())
    }

    /// Every way past the proxy is tried, and nothing is seen on the node.
    fn assert_no_way(&self) -> String {
        let watch = self.watch();
        let told = String::from_utf8(self.ways(&["all"]).output().unwrap().stdout).unwrap();
        assert_eq!(told.lines().count(), WAYS.len(), "{told}");
        watch.assert_nothing();
        told
    }
}

/// A sidecar that has said `attached pod`.
struct Sidecar {
    process: Child,
    keeper: u32,
}

impl Sidecar {
    fn start(command: &mut Command) -> Self {
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().and_then(Result::ok);
        if first.as_deref() != Some("attached pod") {
            panic!("{first:?}: {}", errors(&mut process));
        }
        let keeper = processes::descendants(process.id())[0];
        Self { process, keeper }
    }

    fn signal(&self, pid: u32, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
    }

    fn kill_worker(&self) {
        let worker = processes::descendants(self.keeper)[0];
        self.signal(worker, Signal::SIGKILL);
        wait::until("the end of the worker", || processes::gone(worker).then_some(()));
    }

    /// Its exit status, and what it said.
    fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        self.signal(self.keeper, signal);
        let said = errors(&mut self.process);
        (self.process.wait().unwrap().code(), said)
    }
}

fn errors(process: &mut Child) -> String {
    let mut said = String::new();
    process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

#[test]
fn the_policy_decides_and_nothing_else_leaves() {
    let shared = Shared::new();
    for way in WAYS {
        let watch = shared.watch();
        let told = shared.ways(&[way]).output().unwrap();
        assert!(watch.first().is_some(), "{way} is no way out: {told:?}");
    }
    // As in Docker's networks: the proxy must be asked before this could happen.
    let translated = "add table ip docker; add chain ip docker out { type nat hook output priority -100; }; \
                      add rule ip docker out udp dport 53 dnat to 127.0.0.1:5353";
    shared.pod.network.ask(&["nft", translated]);
    let sidecar = shared.serving(&[]);
    assert_eq!(shared.mode(), "shared");
    assert!(shared.reaches());
    let told = shared.assert_no_way();
    // Refused at once, or captured. What the kernel says of a group nobody is told, of an ICMPv6 packet only later.
    for line in told.lines().filter(|line| !line.starts_with("group") && !line.starts_with("ping 6")) {
        let expected =
            if line.starts_with("tcp") || line.starts_with("dns") { "sent" } else { "not permitted" };
        assert!(line.contains(expected), "{told}");
    }
    for (options, expected) in [
        (&["-f", "https://api.example.test/echo"][..], "\"method\""),
        (&["-f", "https://v6.example.test/echo"], "\"method\""),
        (&["http://192.0.2.1/"], "host_not_allowed"),
        (&["http://[2001:db8::1]/"], "host_not_allowed"),
        (&["--interface", "eth0", "http://192.0.2.1/"], "host_not_allowed"),
        (&["--interface", "eth0", "http://[2001:db8::1]/"], "host_not_allowed"),
        (&["http://evil.test/"], "Could not resolve"),
    ] {
        let found = shared.curl(options);
        let said = String::from_utf8([found.stdout, found.stderr].concat()).unwrap();
        assert!(said.contains(expected), "{options:?}: {said}");
    }
    let peers: Vec<_> = shared.origin.requests().iter().map(|seen| seen.peer.ip().to_string()).collect();
    assert_eq!(peers, [POD[0], POD[0], POD[1]]);
    let (code, said) = sidecar.end(Signal::SIGTERM);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(shared.pod.network.ask(&["nft", "list", "table", "ip", "docker"]).contains("dnat"));
    let audit = Audit::read(&shared.lab.path("audit.jsonl"));
    audit.assert_one_record_each();
    assert_eq!(audit.answered_by_upstream(), shared.origin.requests().len());
}

#[test]
fn without_a_proxy_nothing_leaves() {
    let shared = Shared::new();
    let mark = || shared.pod.network.ask(&["nft", "list", "chain", "inet", "proxy_everything", "own"]);
    let sidecar = shared.serving(&[]);
    assert!(shared.reaches());
    let first_mark = mark();
    sidecar.kill_worker();
    assert!(shared.reaches(), "the next worker does not serve");
    // The keeper takes its worker with it.
    let worker = processes::descendants(sidecar.keeper)[0];
    let (code, _) = sidecar.end(Signal::SIGKILL);
    assert_ne!(code, Some(0));
    wait::until("the end of the worker", || processes::gone(worker).then_some(()));
    shared.assert_no_way();
    let watch = shared.watch();
    assert!(!shared.curl(&["http://192.0.2.1/"]).status.success());
    watch.assert_nothing();
    // Another one takes over, and what it leaves behind when it ends well is closed too.
    let sidecar = shared.serving(&[]);
    assert!(shared.reaches());
    assert!(first_mark.contains("mark set") && mark() != first_mark);
    assert_eq!(sidecar.end(Signal::SIGTERM).0, Some(0));
    shared.assert_no_way();
}

/// What was connected before, devices that come later, and what comes from outside.
#[test]
fn neither_before_nor_after_nor_from_outside() {
    let shared = Shared::new();
    let listener = shared.pod.node.enter(|| TcpListener::bind((NODE[0], 0)).unwrap());
    let port = listener.local_addr().unwrap().port().to_string();
    let early = "import socket, sys; s = socket.create_connection(sys.argv[1:]); print('ready', flush=True); input()\n\
                 try:\n  s.sendall(b'LEAKED'); s.recv(1)\nexcept OSError as error: print(error)";
    let mut early = shared.pod.workload(&[PYTHON, "-c", early, NODE[0], &port]);
    let mut early = early.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(early.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let _sidecar = shared.serving(&["--publish", "[::]:8000:8001"]);
    let watch = shared.watch();
    early.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(lines.next().unwrap().unwrap().contains("reset"));
    early.wait().unwrap();
    watch.assert_nothing();

    shared.pod.plug("node1", "eth1", ["10.6.0.1", "fd00:6::1"], ["10.6.0.2", "fd00:6::2"]);
    let watch = Capture::start(shared.pod.node.pid(), "src host 10.6.0.2 or src host fd00:6::2");
    let bound = SHARED.replace("b\"eth0\"", "b\"eth1\"");
    let told = shared.pod.workload(&[PYTHON, "-c", &bound, "10.6.0.1", "fd00:6::1", "all"]).output().unwrap();
    assert_eq!(String::from_utf8(told.stdout).unwrap().lines().count(), WAYS.len());
    watch.assert_nothing();

    let server = |port| {
        let mut server = shared.pod.workload(&[PYTHON, "-m", "http.server", port]);
        server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut servers = [server("8001"), server("8002")];
    let get = |host: &str, port: &str, seconds: &str| {
        let url = format!("http://{host}:{port}/");
        shared
            .pod
            .node
            .command(&[CURL, "-fsS", "-m", seconds, "-o", "/dev/null", &url])
            .output()
            .unwrap()
            .status
            .success()
    };
    wait::until("an answer of the published port", || get(POD[0], "8000", "5").then_some(()));
    assert!(get(&format!("[{}]", POD[1]), "8000", "5"));
    // The workload itself reaches both.
    wait::until("an answer inside", || {
        ["127.0.0.1:8001", "127.0.0.1:8002"]
            .iter()
            .all(|server| shared.curl(&["-f", server]).status.success())
            .then_some(())
    });
    let watch = shared.watch();
    assert!(!get(POD[0], "8002", "1") && !get(POD[0], "8001", "1"));
    watch.assert_nothing();
    assert_eq!(first_datagram(&shared), "from inside");
    servers.iter_mut().for_each(|server| drop(server.kill()));
    servers.iter_mut().for_each(|server| drop(server.wait()));
}

/// The first of two datagrams that gets to the workload: one comes from the node, and then one from the workload itself.
fn first_datagram(shared: &Shared) -> String {
    let receive = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 8003)); \
                   print('ready', flush=True); print(s.recv(99).decode())";
    let send = |words: &str| {
        format!(
            "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'{words}', ('{}', 8003))",
            POD[0]
        )
    };
    let mut receiver = shared.pod.workload(&[PYTHON, "-c", receive]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    shared.pod.node.ask(&[PYTHON, "-c", &send("from outside")]);
    assert!(shared.pod.workload(&[PYTHON, "-c", &send("from inside")]).status().unwrap().success());
    let first = lines.next().unwrap().unwrap();
    receiver.wait().unwrap();
    first
}

/// Each leaves the network as it is.
#[test]
fn what_marks_may_not_hold_is_refused() {
    let shared = Shared::new();
    let sleep = ["sleep", "infinity"];
    let refused = |command: &mut Command, expected: &[&str]| {
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(125), &b""[..]), "{said}");
        assert!(expected.iter().all(|words| said.contains(words)), "{expected:?}: {said}");
        assert_eq!(shared.pod.network.ask(&["nft", "list", "ruleset"]), "", "{said}");
    };
    let cures = ["--cap-add SYS_ADMIN", "--cap-drop NET_RAW", "--accept-degraded"];
    let sidecar = |more: &[&str]| shared.sidecar(Cgroup::Proxy, &ADMIN, more);
    for capability in ["net_raw", "net_admin"] {
        let mut able = shared.pod.root(Cgroup::Workload, &[capability], &sleep).spawn().unwrap();
        let pid = wait::until("the workload", || processes::descendants(able.id()).first().copied());
        wait::until("its program", || (processes::program(pid) == "sleep").then_some(()));
        refused(&mut sidecar(&[]), &[&cures[..], &["has NET_RAW or NET_ADMIN"]].concat());
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
        able.wait().unwrap();
    }
    let two = [PYTHON, "-c", TWO_THREADS];
    let mut two = shared.pod.root(Cgroup::Workload, &["net_raw", "setpcap"], &two);
    let mut two = two.stdout(Stdio::piped()).spawn().unwrap();
    let ready = BufReader::new(two.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let pid = processes::descendants(two.id())[0];
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(ready == "ready" && status.contains("CapBnd:\t0000000000000000"), "{status}");
    refused(&mut sidecar(&[]), &["has NET_RAW or NET_ADMIN"]);
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    two.wait().unwrap();
    refused(&mut unseeing(&shared, &[]), &[&cures[..], &["no process of the workload can be seen"]].concat());
    let flag = ["--accept-degraded"];
    refused(&mut shared.sidecar(Cgroup::Ours, &ADMIN, &flag), &["cgroup", "the root of the hierarchy"]);
    refused(&mut sidecar(&["--publish", "8000:8000"]), &["cannot publish port 8000 on itself"]);
    let admin_lacks =
        shared.sidecar(Cgroup::Proxy, &["net_bind_service", "dac_override"], &[]).output().unwrap();
    assert_eq!(admin_lacks.status.code(), Some(125));

    // The proxy's cgroup, or one below it.
    let mut within = shared.pod.root(Cgroup::Proxy, &[], &sleep).spawn().unwrap();
    let pid = wait::until("the workload", || processes::descendants(within.id()).first().copied());
    refused(&mut sidecar(&flag), &["is in the proxy's cgroup"]);
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    within.wait().unwrap();
}

/// A sidecar as engines start one: it sees its own processes only, and its own part of the cgroups.
fn unseeing(shared: &Shared, more: &[&str]) -> Command {
    let arguments = shared.arguments(more);
    let bounding = format!("--bounding-set=-all,+{}", ADMIN.join(",+"));
    let unshare = ["unshare", "--pid", "--cgroup", "--mount-proc", "--fork"];
    let hierarchy = harness::pod::hierarchy().display().to_string();
    let mount = [SH, "-c", "umount \"$0\" && mount -t cgroup2 none \"$0\" && exec \"$@\"", &hierarchy];
    let setpriv = ["setpriv", &bounding, "--inh-caps=-all"];
    let all = unshare.into_iter().chain(mount).chain(setpriv);
    let all: Vec<_> = all.chain(arguments.iter().map(String::as_str)).collect();
    let everything = [&ADMIN[..], &["sys_admin", "setpcap"]].concat();
    let mut command = shared.pod.root(Cgroup::Proxy, &everything, &all);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What the flag gives up, and what it does not.
#[test]
fn degraded_is_said_and_wanted() {
    let shared = Shared::new();
    let mut able = shared.pod.root(Cgroup::Workload, &["net_raw"], &["sleep", "infinity"]).spawn().unwrap();
    wait::until("the workload", || {
        processes::descendants(able.id()).first().filter(|pid| processes::program(**pid) == "sleep").map(drop)
    });
    let sidecar = shared.serving(&["--accept-degraded"]);
    assert_eq!(shared.mode(), "degraded");
    assert!(shared.reaches());
    // It would have to know the mark.
    let ways = |name: &str| {
        let [v4, v6] = NODE;
        let command = [PYTHON, "-c", SHARED, v4, v6, name];
        let output = shared.pod.root(Cgroup::Workload, &["net_raw"], &command).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let watch = shared.watch();
    for way in ["marked 4", "marked 6", "frame 4"] {
        assert_eq!(ways(way).lines().count(), 1, "{way}");
    }
    watch.assert_nothing();
    let (code, said) = sidecar.end(Signal::SIGTERM);
    assert_eq!(code, Some(0));
    assert_eq!(said.matches("is not sealed").count(), 1, "{said}");
    able.kill().unwrap();
    able.wait().unwrap();

    shared.pod.network.ask(&["nft", "flush", "ruleset"]);
    let watch = shared.watch();
    assert!(ways("frame 4").contains("sent"));
    assert!(watch.first().is_some(), "a frame is no way out");
    let _unseeing = shared.serving_by(&mut unseeing(&shared, &["--accept-degraded"]));
    assert_eq!(shared.mode(), "degraded");
    assert!(shared.reaches());
}

/// The fallback is never chosen where the network can be sealed.
#[test]
fn what_can_be_sealed_is() {
    let shared = Shared::new();
    let capabilities = [&ADMIN[..], &["sys_admin"]].concat();
    let command = &mut shared.sidecar(Cgroup::Proxy, &capabilities, &["--accept-degraded"]);
    let _sidecar = Sidecar::start(command);
    assert_eq!(shared.mode(), "sealed");
    assert_eq!(shared.pod.ip(&["-o", "link"]).lines().count(), 1);
}
