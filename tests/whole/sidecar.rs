//! `sidecar`: the namespace that a workload shares with the proxy has nothing but `lo` afterwards, and the proxy its network.
//!
//! With Docker's networks, with Docker's default capabilities for the workload and the fewest for the proxy; and with plain
//! namespaces that look like those of a Kubernetes pod. What leaves is seen on the bridge.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use harness::{Audit, Container, Engine, Image, Lab, Network, Origin, Settings, User, processes, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::programs::{CURL, LEAK, PYTHON};

const CAPABILITIES: [&str; 6] = ["--cap-drop", "ALL", "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN"];
const EVERYWHERE: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
const FOREVER: [&str; 2] = ["sleep", "infinity"];
const POLICY: &str = "allowedHosts: [api.example.test, v6.example.test]\ndns: { servers: [192.0.2.53] }";

/// A network of Docker with a bridge `pod-N`, and an origin at its gateway.
struct Bridge {
    lab: Lab,
    origin: Origin,
    engine: &'static Engine,
    number: u8,
}

impl Bridge {
    fn new(number: u8) -> Self {
        let engine = Engine::docker();
        let (v4, v6) = (format!("172.31.{number}.0/24"), format!("fd00:{number}::/64"));
        let name = format!("com.docker.network.bridge.name=pod-{number}");
        let options = ["--ipv6", "--subnet", &v4, "--subnet", &v6, "--opt", &name];
        let mtu = ["--opt", "com.docker.network.driver.mtu=1400", &format!("pod-{number}")];
        engine.ask(&[&["network", "create"], &options[..], &mtu].concat());
        let lab = Lab::new(User::Root);
        let origin = Network::of(engine.pid()).enter(|| origin(&lab));
        Self { lab, origin, engine, number }
    }

    fn gateways(&self) -> [String; 2] {
        [format!("172.31.{}.1", self.number), format!("fd00:{}::1", self.number)]
    }

    /// As Docker starts containers, but that root in it may change the network.
    fn workload(&self) -> Container {
        let name = format!("pod-{}", self.number);
        let lab = self.volume();
        let options = ["--network", &name, "--cap-add", "NET_ADMIN", "--volume", &lab];
        self.engine.run(&options, Image::Host, &FOREVER)
    }

    fn volume(&self) -> String {
        let root = self.lab.root().display();
        format!("{root}:{root}")
    }

    fn sidecar(&self, workload: &Container, policy: &str, capabilities: &[&str]) -> Container {
        let [port4, port6] = self.origin.addresses().map(|address| address.port());
        let [v4, v6] = self.gateways();
        let resolve = format!(
            "resolve: {{ 'api.example.test:443': '{v4}:{port4}', 'v6.example.test:443': '[{v6}]:{port6}' }}"
        );
        let roots = format!("upstreamRoots: ['{}']", self.lab.path("ca.pem").display());
        let policy = self.lab.write("policy.yaml", &format!("{policy}\n{resolve}\n{roots}\n"));
        let network = format!("container:{}", workload.name());
        let binary = format!("{}:/proxy-everything:ro", self.lab.program().get_program().display());
        let volumes = ["--network", &network, "--volume", &binary, "--volume", &self.volume()];
        let audit = self.lab.path("audit.jsonl").display().to_string();
        let command = ["/proxy-everything", "sidecar", "--policy", policy.to_str().unwrap()];
        let more = ["--audit", &audit, "--publish", "0.0.0.0:8000:8000"];
        self.engine.run(&[capabilities, &volumes[..]].concat(), Image::Host, &[&command[..], &more].concat())
    }

    /// A sidecar that serves, and whose CA is in the lab.
    fn sealed(&self, workload: &Container) -> Container {
        let sidecar = self.sidecar(workload, POLICY, &CAPABILITIES);
        wait::until("the pod to be attached", || {
            let logs = sidecar.logs();
            assert!(!logs.contains("proxy-everything:") && !logs.contains("ended"), "{logs}");
            logs.contains("attached pod").then_some(())
        });
        self.lab.write("instance.pem", &sidecar.ask(&["/proxy-everything", "ca", "export"]));
        sidecar
    }

    fn curl(&self, workload: &Container, host: &str) -> Output {
        let ca = self.lab.path("instance.pem").display().to_string();
        let url = format!("https://{host}/echo");
        workload.exec(&[CURL, "-fsS", "-m", "3", "--cacert", &ca, &url])
    }

    fn reaches(&self, workload: &Container) -> bool {
        let before = self.origin.requests().len();
        self.curl(workload, "api.example.test").status.success() && self.origin.requests().len() == before + 1
    }

    fn network(&self) -> Network {
        Network::of(self.engine.pid())
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let name = format!("pod-{}", self.number);
        let _ = self.engine.client().args(["network", "rm", &name]).output();
    }
}

fn origin(lab: &Lab) -> Origin {
    let names = ["api.example.test", "v6.example.test"].map(str::to_owned).to_vec();
    lab.origin(Settings { names, listen: EVERYWHERE, ..Settings::default() })
}

#[test]
fn the_network_is_the_proxys_and_nothing_of_it_the_workloads() {
    let bridge = Bridge::new(1);
    let workload = bridge.workload();
    let inside = Network::of(workload.pid());
    // IPv6 addresses are complete when it is known that nobody else has them.
    wait::until("the addresses", || {
        let found = inside.ask(&["ip", "-6", "addr", "show", "dev", "eth0"]);
        (found.matches("inet6").count() == 2 && !found.contains("tentative")).then_some(())
    });
    let before = configuration(&inside);
    assert!(before.iter().any(|line| line.contains("1400")), "{before:#?}");
    let sidecar = bridge.sealed(&workload);
    let outside = Network::of(sidecar.pid());
    assert_becomes(&outside, &before);
    assert_eq!(inside.ask(&["ip", "-o", "link"]).lines().count(), 1);

    let address = format!("172.31.1.{}", last_octet(&before));
    for host in ["api.example.test", "v6.example.test"] {
        let output = bridge.curl(&workload, host);
        assert!(output.status.success(), "{host}: {output:?}\n{}", sidecar.logs());
    }
    let peers: Vec<_> = bridge.origin.requests().iter().map(|seen| seen.peer.ip().to_canonical()).collect();
    assert_eq!(peers[0].to_string(), address);
    assert!(peers[1].to_string().starts_with("fd00:1::"), "{peers:?}");
    assert!(!workload.exec(&["getent", "hosts", "evil.test"]).status.success());
    assert!(workload.ask(&["getent", "ahostsv4", "api.example.test"]).contains("STREAM"));

    // As a kubelet's probes: from the node, to the pod's address; while nobody listens, they fail at once.
    let url = format!("http://{address}:8000/");
    let probe = || {
        let probe = [CURL, "-fsS", "-m", "20", "-o", "/dev/null", &url];
        bridge.network().command(&probe).output().unwrap().status.code()
    };
    // The reset may come while curl connects still, or while it waits for an answer.
    let (resets, answered) = ([Some(7), Some(56)], Some(0));
    assert!(resets.contains(&probe()));
    for (family, address) in [("AF_INET6", "::1"), ("AF_INET", "127.0.0.1"), ("AF_INET6", "::1")] {
        let server = format!(
            "import http.server as s, socket; s.HTTPServer.address_family = socket.{family}; \
             s.HTTPServer(('{address}', 8000), s.SimpleHTTPRequestHandler).handle_request()"
        );
        let workdir = ["--workdir", "/usr/share"];
        let mut server = workload.command(&workdir, &[PYTHON, "-c", &server]).spawn().unwrap();
        wait::until("an answer of the published port", || (probe() == answered).then_some(()));
        assert!(server.wait().unwrap().success());
    }
    // What drains is recorded too.
    bridge.engine.ask(&["stop", "-t", "20", sidecar.id()]);
    let audit = Audit::read(&bridge.lab.path("audit.jsonl"));
    audit.assert_one_record_each();
    assert_eq!(audit.answered_by_upstream(), bridge.origin.requests().len());
}

/// Root with NET_RAW and NET_ADMIN (the attacks A1 to A4 and A13 of the threat model), on a wire that is watched.
#[test]
fn nothing_but_the_proxys_packets_is_on_the_wire() {
    let bridge = Bridge::new(2);
    let [v4, v6] = bridge.gateways();
    let filter = "port 9999 or ether proto 0x88b5 or vlan or ip proto 47 or ip proto 253";
    let wire = Wire::watch(&bridge.network(), "pod-2", filter);
    let workload = bridge.workload();
    let told = workload.ask(&[PYTHON, "-c", LEAK, &v4, &v6]);
    assert!(told.contains("ways True"), "{told}");
    let leaks = wire.until_mark(&bridge.network(), &v4);
    // The attacks are real: without a sidecar they get out.
    for kind in ["UDP", "Flags [S]", "0x88b5", "802.1Q", "gre", "253", "fd00:2::"] {
        assert!(
            leaks.iter().any(|line| line.to_lowercase().contains(&kind.to_lowercase())),
            "{kind}: {leaks:#?}"
        );
    }
    let sidecar = bridge.sealed(&workload);
    assert!(bridge.reaches(&workload));
    let told = workload.ask(&[PYTHON, "-c", LEAK, &v4, &v6, "--tear-down"]);
    assert!(told.contains("nft flush ruleset True") && told.contains("ways True"), "{told}");
    let leaks = wire.until_mark(&bridge.network(), &v4);
    assert!(leaks.is_empty(), "{leaks:#?}\n{}", sidecar.logs());
    assert!(!bridge.reaches(&workload), "the attack tore its own network down");
}

#[test]
fn without_a_proxy_there_is_no_network() {
    let bridge = Bridge::new(3);
    let workload = bridge.workload();
    let sidecar = bridge.sealed(&workload);
    assert!(bridge.reaches(&workload));
    let keeper = Pid::from_raw(i32::try_from(sidecar.pid()).unwrap());
    let worker = processes::descendants(sidecar.pid())[0];
    kill(keeper, Signal::SIGSTOP).unwrap();
    kill(Pid::from_raw(i32::try_from(worker).unwrap()), Signal::SIGKILL).unwrap();
    wait::until("the end of the worker", || processes::gone(worker).then_some(()));
    assert!(!bridge.reaches(&workload), "there is a way without the worker");
    kill(keeper, Signal::SIGCONT).unwrap();
    wait::until("the next worker", || bridge.reaches(&workload).then_some(()));

    // The policy's file is watched, as in a pod.
    let policy = std::fs::read_to_string(bridge.lab.path("policy.yaml")).unwrap();
    bridge.lab.write("policy.yaml", "");
    wait::until("the empty policy", || (!bridge.reaches(&workload)).then_some(()));
    bridge.lab.write("policy.yaml", &policy);
    wait::until("the policy", || bridge.reaches(&workload).then_some(()));

    sidecar.stop();
    assert!(!bridge.reaches(&workload), "there is a way without the sidecar");
    let inside = Network::of(workload.pid());
    assert_eq!(inside.ask(&["ip", "-o", "link"]).lines().count(), 1);
    // What it had taken is gone with it.
    sidecar.start();
    wait::until("a word about it", || sidecar.logs().contains("no interface beside `lo`").then_some(()));
    assert!(!bridge.reaches(&workload));
}

/// What cannot be is said before anything is taken.
#[test]
fn refusals_leave_the_workload_as_it_is() {
    let bridge = Bridge::new(4);
    let workload = bridge.workload();
    let admin = ["--cap-drop", "ALL", "--cap-add", "NET_ADMIN"];
    let system = ["--cap-drop", "ALL", "--cap-add", "SYS_ADMIN"];
    for (policy, capabilities, expected) in [
        ("allowedHosts: [api.example.test]", &CAPABILITIES[..], "dns.servers"),
        (POLICY, &admin[..], "CAP_SYS_ADMIN is needed"),
        (POLICY, &system[..], "Operation not permitted"),
        ("allowedHost: []", &CAPABILITIES[..], "did you mean `allowedHosts`"),
    ] {
        let sidecar = bridge.sidecar(&workload, policy, capabilities);
        wait::until("an error", || {
            let logs = sidecar.logs();
            assert!(!logs.contains("attached"), "{logs}");
            logs.contains(expected).then_some(())
        });
        let link = workload.ask(&["ip", "-o", "link", "show", "eth0"]);
        assert!(link.contains("UP"), "{expected}: {link}");
    }
}

/// Docker's default bridge has no IPv6, and Docker switches it off in the container.
#[test]
fn a_network_without_ipv6() {
    let (engine, lab) = (Engine::docker(), Lab::new(User::Root));
    let workload = engine.run(&[], Image::Host, &FOREVER);
    assert_eq!(workload.ask(&["cat", "/proc/sys/net/ipv6/conf/lo/disable_ipv6"]), "1");
    let network = format!("container:{}", workload.name());
    let binary = format!("{}:/proxy-everything:ro", lab.program().get_program().display());
    let options = [&CAPABILITIES[..], &["--network", &network, "--volume", &binary]].concat();
    let sidecar = engine.run(&options, Image::Host, &["/proxy-everything", "sidecar", "--audit", "-"]);
    wait::until("the pod to be attached", || sidecar.logs().contains("attached pod").then_some(()));
    for address in ["192.0.2.1", "[2001:db8::1]"] {
        let told = workload.ask(&[CURL, "-sS", "-m", "5", &format!("http://{address}/")]);
        assert!(told.contains("\"status\":403"), "{address}: {told}");
    }
}

/// As Calico and the VPC network of AWS set up a pod: a gateway that is no neighbour but by decree; and a second interface.
fn node_and_pod() -> [Network; 2] {
    let (node, pod) = (Network::fresh(), Network::fresh());
    let pid = pod.pid().to_string();
    for line in [
        "link add cali1 address ee:ee:ee:ee:ee:ee type veth peer name eth0 mtu 1300 netns POD",
        "link add net1 type veth peer name net1 netns POD",
        "addr add 10.9.9.9/32 dev lo",
        "link set cali1 up",
        "link set net1 up",
        "route add 10.1.2.3 dev cali1 scope link",
        "addr add fd00:9::1/64 dev net1 nodad",
    ] {
        node.ask(&words(&line.replace("POD", &pid)));
    }
    for line in [
        "link set eth0 up",
        "addr add 10.1.2.3/32 dev eth0",
        "route add 169.254.1.1 dev eth0 scope link",
        "route add default via 169.254.1.1 dev eth0",
        "neigh replace 169.254.1.1 lladdr ee:ee:ee:ee:ee:ee dev eth0 nud permanent",
        "link set net1 up",
        "addr add fd00:9::2/64 dev net1 nodad",
        "addr add 10.7.0.2/24 dev net1",
        "addr add 10.7.0.3/24 dev net1",
        "route add 10.8.0.0/16 via 10.7.0.9 dev net1 src 10.7.0.3 metric 7 mtu 1200",
        "-6 route add default via fd00:9::1 dev net1",
    ] {
        pod.ask(&words(line));
    }
    wait::until("the addresses", || {
        let links = pod.ask(&["ip", "-6", "addr"]);
        (links.matches("fe80").count() == 2 && !links.contains("tentative")).then_some(())
    });
    [node, pod]
}

#[test]
fn a_pod_of_kubernetes() {
    let (lab, [node, pod]) = (Lab::new(User::Root), node_and_pod());
    let before = configuration(&pod);
    let origin = node.enter(|| origin(&lab));
    let [port4, port6] = origin.addresses().map(|address| address.port());
    let resolve = format!(
        "resolve: {{ 'api.example.test:443': '10.9.9.9:{port4}', 'v6.example.test:443': '[fd00:9::1]:{port6}' }}"
    );
    let roots = format!("upstreamRoots: ['{}']", lab.path("ca.pem").display());
    let policy = lab.write("policy.yaml", &format!("{POLICY}\n{resolve}\n{roots}\n"));
    let path = |name: &str| lab.path(name).display().to_string();
    let program = lab.program().get_program().to_str().unwrap().to_owned();
    let command =
        [&program, "sidecar", "--policy", policy.to_str().unwrap(), "--audit", &path("audit.jsonl")];
    let mut sidecar = pod.command(&[&command[..], &["--state-dir", &path("state")]].concat());
    let mut sidecar = sidecar.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(sidecar.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "attached pod");
    assert_becomes(&Network::of(sidecar.id()), &before);
    assert_eq!(pod.ask(&["ip", "-o", "link"]).lines().count(), 1);

    let instance = lab.cli(&["ca", "export", "--state-dir", &path("state")]);
    lab.write("instance.pem", &String::from_utf8(instance.stdout).unwrap());
    for host in ["api.example.test", "v6.example.test"] {
        // Names are asked of whoever answers for the host, so it is said where they lead.
        let connect = format!("{host}:443:198.51.100.7:443");
        let url = format!("https://{host}/echo");
        pod.ask(&[
            CURL,
            "-fsS",
            "-m",
            "5",
            "--cacert",
            &path("instance.pem"),
            "--connect-to",
            &connect,
            &url,
        ]);
    }
    let peers: Vec<_> =
        origin.requests().iter().map(|seen| seen.peer.ip().to_canonical().to_string()).collect();
    assert_eq!(peers, ["10.1.2.3", "fd00:9::2"]);
    kill(Pid::from_raw(i32::try_from(sidecar.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(sidecar.wait().unwrap().success());
    assert_eq!(Audit::read(&lab.path("audit.jsonl")).answered_by_upstream(), 2);
}

fn words(line: &str) -> Vec<&str> {
    ["ip"].into_iter().chain(line.split(' ')).collect()
}

/// Everything that a move could lose, without numbers and times.
fn configuration(network: &Network) -> Vec<String> {
    let json = |command: &[&str]| -> Vec<Value> { serde_json::from_str(&network.ask(command)).unwrap() };
    let mut found = Vec::new();
    for link in json(&["ip", "-j", "addr"]).iter().filter(|link| link["ifname"] != "lo") {
        found.push(format!("{} mtu {} {}", link["ifname"], link["mtu"], link["address"]));
        for address in link["addr_info"].as_array().unwrap() {
            let (local, length) = (&address["local"], &address["prefixlen"]);
            let (scope, broadcast) = (&address["scope"], &address["broadcast"]);
            found.push(format!("{} {local}/{length} {scope} {broadcast}", link["ifname"]));
        }
    }
    for family in ["-4", "-6"] {
        let routes = network.ask(&["ip", family, "route"]);
        found.extend(routes.lines().map(|line| line.trim_end().to_owned()));
        let neighbours = network.ask(&["ip", family, "neigh", "show", "nud", "permanent"]);
        found.extend(neighbours.lines().map(|line| line.trim_end().to_owned()));
    }
    found.sort();
    found
}

/// The kernel adds link-local addresses by itself, a moment after the interface is up.
fn assert_becomes(network: &Network, expected: &[String]) {
    let same = || (configuration(network) == expected).then_some(());
    if wait::within(wait::DEADLINE / 4, same).is_none() {
        assert_eq!(configuration(network), expected);
    }
}

fn last_octet(configuration: &[String]) -> String {
    let found = configuration.iter().find_map(|line| line.split_once("\"172.31.1.")?.1.split_once('"'));
    found.expect("an address").0.to_owned()
}

/// What passes an interface.
struct Wire {
    tcpdump: std::process::Child,
    lines: Receiver<String>,
}

impl Wire {
    fn watch(network: &Network, interface: &str, filter: &str) -> Self {
        let options = ["tcpdump", "-l", "-n", "-e", "-A", "-i", interface, filter];
        let mut tcpdump: Command = network.command(&options);
        let mut tcpdump = tcpdump.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut listening = BufReader::new(tcpdump.stderr.take().unwrap()).lines();
        assert!(listening.any(|line| line.unwrap().contains("listening on")), "tcpdump does not listen");
        let (told, lines) = channel();
        let output = BufReader::new(tcpdump.stdout.take().unwrap());
        std::thread::spawn(move || {
            output
                .split(b'\n')
                .map_while(Result::ok)
                .try_for_each(|line| told.send(String::from_utf8_lossy(&line).into_owned()))
        });
        // Nobody reads the rest.
        std::thread::spawn(move || listening.for_each(drop));
        Self { tcpdump, lines }
    }

    /// Everything before a datagram that is sent now.
    fn until_mark(&self, network: &Network, address: &str) -> Vec<String> {
        let prefix = address.rsplit_once('.').unwrap().0;
        let send = format!(
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
             s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1); s.sendto(b'END-OF-TEST', ('{prefix}.255', 9999))"
        );
        network.ask(&[PYTHON, "-c", &send]);
        let mut lines: Vec<String> = Vec::new();
        loop {
            let line = self.lines.recv_timeout(wait::DEADLINE).expect("the mark on the wire");
            if line.contains("END-OF-TEST") {
                // Its own head, and the line ends inside of it.
                let head = lines.iter().rposition(|line| line.contains(&format!("{prefix}.255.9999")));
                lines.truncate(head.expect("the head of the mark"));
                return lines;
            }
            lines.push(line);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}
