//! Workloads that attack their network from inside of attached containers.
//!
//! As root, with what Docker grants by default, and with NET_ADMIN and NET_RAW too. Whatever they try, nothing is ever seen outside:
//! neither on the host nor in the network of the engine; and the proxy serves them as before.

use harness::{Attached, Capture, Container, Engine, HOST, Image, Lab, Settings, TOKEN_POLICY, User, wait};
use serde_json::Value;

use crate::programs::{
    ATTACK_FRAMES, ATTACK_LOOP, ATTACK_NAMES, ATTACK_NETWORK, ATTACK_SOCKETS, ATTACK_STEAL, CURL, PYTHON,
};

const DEFAULT: &[&str] = &["--network", "none"];
const PRIVILEGED: &[&str] = &["--network", "none", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"];
const FOREVER: [&str; 2] = ["sleep", "infinity"];
/// What a connection that is captured, and denied, hears from the proxy.
const DENIED: &str = "HTTP 403";

/// Addresses of one test alone.
struct Addresses(String, String);

impl Addresses {
    fn new(number: u8) -> Self {
        Self(format!("203.0.113.{}", 128 + number), format!("2001:db8:a77a:{number}::1"))
    }

    /// Everything that is sent to them, and frames of a type that goes with them.
    fn captures(&self) -> [Capture; 2] {
        let last = self.0.rsplit('.').next().unwrap();
        let kind = 0xff00 | last.parse::<u16>().unwrap();
        let filter = format!("(host {} or host {} or ether proto {kind})", self.0, self.1);
        [std::process::id(), Engine::docker().pid()].map(|pid| Capture::start(pid, &filter))
    }
}

/// Runs an attack in a container of each kind; gives what came of it. Nothing is seen, and the containers are served after it.
fn attack(number: u8, program: &str, kinds: &[&[&str]]) -> Vec<Value> {
    let addresses = Addresses::new(number);
    let captures = addresses.captures();
    let lab = Lab::new(User::Root);
    let origin = lab.origin(Settings::default());
    let containers: Vec<_> =
        kinds.iter().map(|options| Engine::docker().run(options, Image::Host, &FOREVER)).collect();
    let names: Vec<_> = containers.iter().map(Container::name).collect();
    let mut attached = attach(&lab, &[&origin], &names);
    for _ in &containers {
        assert!(attached.hear().starts_with("attached "));
    }
    let results = containers.iter().map(|container| {
        let text = container.ask(&[PYTHON, "-c", program, &addresses.0, &addresses.1]);
        let is_changed = program == ATTACK_NETWORK;
        assert!(is_changed || token(container) == "the token is right", "{text}");
        serde_json::from_str(&text).unwrap()
    });
    let results = results.collect();
    let _ = attached.stop();
    captures.into_iter().for_each(Capture::assert_nothing);
    results
}

fn attach<'a>(lab: &'a Lab, origins: &[&'a harness::Origin], names: &[&str]) -> Attached<'a> {
    let socket = Engine::docker().socket();
    let mut arguments = vec!["--engine", socket.to_str().unwrap()];
    arguments.extend(names.iter().flat_map(|name| ["--container", name]));
    lab.attach(TOKEN_POLICY, origins, &arguments)
}

fn token(container: &Container) -> String {
    container.ask(&[CURL, "-sS", "--max-time", "60", &format!("https://{HOST}/token")])
}

/// A1, A2, A7 to A10, A15, A16, A18.
#[test]
fn sockets_of_every_kind() {
    for results in attack(1, ATTACK_SOCKETS, &[DEFAULT, PRIVILEGED]) {
        for (name, result) in results.as_object().unwrap() {
            let result = result.as_str().unwrap();
            let expected = match name.as_str() {
                "plain 4" | "plain 6" | "bound to lo" | "not routed" | "4 in 6" | "nat64" | "mptcp"
                | "fast open" | "metadata" | "private" | "bridge" | "private 6" => result == DENIED,
                "DNS listener" => result == "ECONNREFUSED",
                name if name.starts_with("bound to ") => result == "ENODEV",
                // The kernel lets NET_RAW choose marks, and Docker grants it: they exempt from nothing.
                name if name.starts_with("mark ") && name.ends_with(" udp") => {
                    ["ECONNREFUSED", "EPERM"].contains(&result)
                }
                name if name.starts_with("mark ") => [DENIED, "EPERM"].contains(&result),
                name if name.starts_with("udp") => ["ECONNREFUSED", "EHOSTUNREACH"].contains(&result),
                name if name.starts_with("listener ") => result == "ECONNREFUSED",
                name if name.starts_with("protocol") => result == "sent" || result.starts_with('E'),
                _ => [DENIED, "silence"].contains(&result) || result.starts_with('E'),
            };
            assert!(expected, "{name}: {result}");
        }
    }
}

/// A5, A6: they are taken, for every address and however they are to be shared.
#[test]
fn the_listeners_cannot_be_taken() {
    for results in attack(2, ATTACK_STEAL, &[DEFAULT, PRIVILEGED]) {
        for (name, result) in results.as_object().unwrap() {
            assert_eq!(result, "EADDRINUSE", "{name}");
        }
    }
}

/// A3, A4.
#[test]
fn packets_made_by_hand() {
    for results in attack(3, ATTACK_FRAMES, &[DEFAULT, PRIVILEGED]) {
        let sent = results.as_object().unwrap().values().filter(|result| *result == "sent").count();
        assert!(sent > 10, "nothing was tried: {results}");
    }
}

/// What the captures would see: the same packets, in a container that has an interface beside `lo`.
#[test]
fn the_captures_see_what_leaves() {
    let addresses = Addresses::new(7);
    let [host, engine] = addresses.captures();
    let bridged = Engine::docker().run(&[], Image::Host, &FOREVER);
    bridged.ask(&[PYTHON, "-c", ATTACK_FRAMES, &addresses.0, &addresses.1]);
    assert!(engine.first().is_some(), "nothing is seen where everything passes");
    host.assert_nothing();
}

/// A13, A14: who takes the rules away has less than before.
#[test]
fn another_network_leads_nowhere() {
    for (results, is_privileged) in
        attack(4, ATTACK_NETWORK, &[DEFAULT, PRIVILEGED]).iter().zip([false, true])
    {
        let done = |name: &str| results[name] == "done";
        assert!(!done("nested namespaces") && !done("other network") && !done("mount"), "{results}");
        assert_eq!(
            (done("flush"), done("cable"), done("default route")),
            (is_privileged, is_privileged, is_privileged)
        );
        for (name, result) in results.as_object().unwrap() {
            let result = result.as_str().unwrap();
            assert!(!result.starts_with("HTTP 2") && result != "answered", "{name}: {result}");
            assert!(
                !is_privileged || !name.contains(", ") || result != DENIED,
                "{name}: the rules were not gone"
            );
        }
    }
}

/// B1 to B4, B7, B8, B14, B15: over a policy that lets everything pass.
#[test]
fn names_that_disagree() {
    let addresses = Addresses::new(5);
    let captures = addresses.captures();
    let lab = Lab::new(User::Root);
    let origins = [HOST, "other.example.test"]
        .map(|name| lab.origin(Settings { names: vec![name.to_owned()], ..Settings::default() }));
    let container = Engine::docker().run(DEFAULT, Image::Host, &FOREVER);
    let socket = Engine::docker().socket();
    let policy = TOKEN_POLICY.replace("allowedHosts: [api.example.test]", "enableInternet: true");
    let arguments = ["--engine", socket.to_str().unwrap(), "--container", container.name()];
    let mut attached = lab.attach(&policy, &[&origins[0], &origins[1]], &arguments);
    attached.hear();
    let program = [PYTHON, "-c", ATTACK_NAMES, &addresses.0, &addresses.1, HOST, "other.example.test"];
    let results: Value = serde_json::from_str(&container.ask(&program)).unwrap();
    for (name, expected) in [
        // Whatever address was connected to: the request goes to where the name leads.
        ("a foreign address", "200 token"),
        ("fronting", "421"),
        ("the token through another", "421"),
        ("the second request", "200 token, 421"),
        ("another port", "421"),
    ] {
        assert_eq!(results[name], expected, "{name}: {results}");
    }
    for (name, result) in results.as_object().unwrap() {
        let result = result.as_str().unwrap();
        assert!(!name.starts_with("odd ") || result.starts_with('4'), "{name}: {result}");
        let is_good = name == "a foreign address" || name == "the second request";
        assert_eq!(result.contains("token"), is_good, "{name}: {result}");
    }
    assert!(origins[1].requests().iter().all(|seen| !seen.headers.contains_key("x-auth-token")));
    let _ = attached.stop();
    captures.into_iter().for_each(Capture::assert_nothing);
}

/// A11, A12 and A5 again: from before the network is sealed, and while no proxy is there.
#[test]
fn before_the_seal_and_between_two_proxies() {
    let addresses = Addresses::new(6);
    let captures = addresses.captures();
    let lab = Lab::new(User::Root);
    let origin = lab.origin(Settings::default());
    let program = [PYTHON, "-c", ATTACK_LOOP, &addresses.0, &addresses.1];
    let container = Engine::docker().run(PRIVILEGED, Image::Host, &program);
    wait::until("the first connection", || container.logs().contains("ENETUNREACH").then_some(()));
    assert!(!container.logs().contains("connected"));
    let mut attached = attach(&lab, &[&origin], &[container.name()]);
    assert_eq!(attached.hear(), format!("attached {}", container.id()));
    wait::until("a captured connection", || container.logs().contains("connected").then_some(()));
    let ca = attached.admin(container.id(), "GET", "/v1/ca").body;
    container.ask(&["touch", "/tmp/steal"]);
    wait::until("an attempt to steal", || container.logs().contains("steal: ").then_some(()));
    for _ in 0..5 {
        attached.kill_worker();
        // Waits for the next one in the listener's queue.
        assert_eq!(token(&container), "the token is right");
    }
    assert_eq!(attached.admin(container.id(), "GET", "/v1/ca").body, ca, "another CA");
    container.ask(&["touch", "/tmp/stop"]);
    let counts = wait::until("the counts", || {
        container.logs().lines().find(|line| line.starts_with('{')).map(str::to_owned)
    });
    let counts: Value = serde_json::from_str(&counts).unwrap();
    let stealing: Vec<_> =
        counts.as_object().unwrap().keys().filter(|name| name.starts_with("steal")).collect();
    assert_eq!(stealing, ["steal: EADDRINUSE"], "{counts}");
    attached.stop_abrupt().audit.assert_one_record_each();
    captures.into_iter().for_each(Capture::assert_nothing);
}

/// A15, A16, A20: nothing of the proxy's can be found inside but what it listens at.
#[test]
fn what_listens_inside() {
    let lab = Lab::new(User::Root);
    let container = Engine::docker().run(DEFAULT, Image::Host, &FOREVER);
    let mut attached = attach(&lab, &[], &[container.name()]);
    attached.hear();
    let listening = container.ask(&["ss", "-Hltnu"]);
    let mut addresses: Vec<_> = listening.lines().filter_map(|line| line.split_whitespace().nth(4)).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["198.18.255.1:53", "198.18.255.1:61001", "[100::ffff]:53", "[100::ffff]:61001"]);
    assert_eq!(
        container.ask(&["ss", "-Hx"]),
        "",
        "unix sockets, abstract ones among them, belong to the network"
    );
    let links = container.ask(&["ip", "-o", "link"]);
    assert!(links.lines().count() == 1 && links.starts_with("1: lo:"), "{links}");
    let _ = attached.stop();
}
