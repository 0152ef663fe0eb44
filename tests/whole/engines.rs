//! The container engines of the harness are real, and the host does not notice them.
//!
//! What the tests of `attach` stand on: containers of Docker, podman, rootless podman and bare `runc`, with nothing but `lo` or
//! with a bridge, and the host's own programs inside.

use std::fs;
use std::path::PathBuf;

use harness::{Engine, Image, Runc, User, wait};

use crate::programs::{CURL, GIT, NODE, PYTHON};

const FOREVER: [&str; 2] = ["sleep", "infinity"];
const LINKS: [&str; 3] = ["ip", "-o", "link"];

#[test]
fn docker() {
    starts_stops_and_removes(Engine::docker());
    runs_the_hosts_programs(Engine::docker());
}

#[test]
fn podman() {
    starts_stops_and_removes(Engine::podman());
    runs_the_hosts_programs(Engine::podman());
}

#[test]
fn rootless_podman() {
    let engine = Engine::rootless_podman();
    starts_stops_and_removes(engine);
    runs_the_hosts_programs(engine);
    let container = engine.run(&["--network", "none"], Image::Busybox, &FOREVER);
    let mapping = fs::read_to_string(format!("/proc/{}/uid_map", container.pid())).unwrap();
    assert_eq!(mapping.split_whitespace().collect::<Vec<_>>(), ["0", "65534", "1"]);
}

#[test]
fn runc() {
    let container = Runc::run(Image::Host, &["/usr/bin/sleep", "infinity"]);
    assert_ne!(network(container.pid()), network(std::process::id()));
    assert!(container.ask(&["/usr/sbin/ip", "-o", "link"]).starts_with("1: lo:"));
    assert_eq!(container.ask(&[PYTHON, "-c", "print(6 * 7)"]), "42");
    let container = Runc::run(Image::Busybox, &FOREVER);
    assert_eq!(container.ask(&LINKS).lines().count(), 1);
    let pid = container.pid();
    drop(container);
    assert!(harness::processes::gone(pid));
}

/// Docker's own networks, with its DNS server in the container and without a trace on the host.
#[test]
fn docker_networks() {
    let before = host();
    let engine = Engine::docker();
    let network = engine.ask(&["network", "create", "engines-test"]);
    let first = engine.run(&["--network", "engines-test"], Image::Busybox, &FOREVER);
    assert_eq!(first.ask(&LINKS).lines().count(), 2);
    assert!(first.ask(&["cat", "/etc/resolv.conf"]).contains("nameserver 127.0.0.11"));
    let joined = format!("container:{}", first.name());
    let second = engine.run(&["--network", &joined], Image::Busybox, &FOREVER);
    assert!(second.ask(&LINKS).contains("eth0"));
    let answer = second.ask(&["nslookup", first.name()]);
    assert!(answer.contains("127.0.0.11:53") && answer.contains("Address: 172."), "{answer}");
    assert_eq!(self::network(first.pid()), self::network(second.pid()));
    // The engine's network has the other ends of the containers' cables, and no way out.
    let routes = fs::read_to_string(format!("/proc/{}/net/route", engine.pid())).unwrap();
    let to_everywhere = |route: &str| route.split('\t').nth(1) == Some("00000000");
    assert!(routes.contains("docker0") && !routes.lines().any(to_everywhere), "{routes}");
    drop((first, second));
    engine.ask(&["network", "rm", &network]);
    assert_eq!(host(), before);
}

fn starts_stops_and_removes(engine: &'static Engine) {
    let options = ["--network", "none", "--label", "purpose=test"];
    let container = engine.run(&options, Image::Busybox, &["sh", "-c", "echo hello; sleep infinity"]);
    wait::until("the first output", || container.logs().contains("hello").then_some(()));
    assert_eq!(container.ask(&LINKS).lines().count(), 1);
    assert!(container.ask(&LINKS).starts_with("1: lo:"));
    assert_eq!(container.exec(&["sh", "-c", "exit 7"]).status.code(), Some(7));
    let labelled = engine.ask(&["ps", "--no-trunc", "--quiet", "--filter", "label=purpose"]);
    assert!(labelled.lines().any(|id| id == container.id()), "{labelled}");
    let first = container.pid();
    assert_ne!(network(first), network(std::process::id()));
    container.restart();
    assert!(container.pid() != first && harness::processes::gone(first));
    container.stop();
    assert_eq!(container.pid(), 0);
    container.start();
    let id = container.id().to_owned();
    drop(container);
    assert!(!engine.client().args(["inspect", &id]).output().unwrap().status.success());
    assert!(engine.socket().exists());
}

fn runs_the_hosts_programs(engine: &'static Engine) {
    let container = engine.run(&["--network", "none"], Image::Host, &["sleep", "infinity"]);
    for program in [CURL, GIT, NODE, PYTHON] {
        container.ask(&[program, "--version"]);
    }
    let roots = "import ssl; ssl.create_default_context(cafile='/etc/ssl/certs/ca-certificates.crt')";
    container.ask(&[PYTHON, "-c", roots]);
    let written = container.exec(&["touch", "/usr/test"]);
    assert!(!written.status.success(), "the host's programs can be changed");
}

fn network(pid: u32) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/ns/net")).unwrap()
}

/// What an engine usually changes: firewall rules and forwarding.
fn host() -> [String; 2] {
    let rules = User::Root.command("nft").args(["--stateless", "list", "ruleset"]).output().unwrap().stdout;
    let forward = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    [String::from_utf8(rules).unwrap(), forward]
}
