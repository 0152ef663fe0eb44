//! Containers that run already, in front of the proxy.
//!
//! Real ones, of Docker, podman, rootless podman and bare `runc`. Programs in them need no flag and no variable; each container has
//! a policy, a CA and a network of its own; when it comes back it is attached again; what cannot be sealed is refused.

use std::fs;

use harness::{
    Answer, Attached, Canary, Container, Engine, HOST, Image, Lab, Runc, Settings, TOKEN_POLICY, Transport,
    User, processes, request, wait,
};
use serde_json::{Value, json};

use crate::programs::{CURL, PYTHON, SEARCH};

const FOREVER: [&str; 2] = ["sleep", "infinity"];
const NONE: [&str; 2] = ["--network", "none"];
const PLAIN: &str = "plain.example.test";
const POLICY: &str = r#"
allowedHosts: [api.example.test, plain.example.test]
outboundByHost: { api.example.test: token }
handlers:
  token: { inject: { x-auth-token: "${API_TOKEN}" } }
secrets:
  API_TOKEN: { env: API_TOKEN }
"#;
const RIGHT: &str = "the token is right";

fn plain() -> Settings {
    Settings { names: vec![PLAIN.to_owned()], transport: Transport::Plain, ..Settings::default() }
}

fn token_url() -> String {
    format!("https://{HOST}/token")
}

/// `attach` for containers of an engine.
fn attach<'a>(
    lab: &'a Lab,
    engine: &Engine,
    origins: &[&'a harness::Origin],
    arguments: &[&str],
) -> Attached<'a> {
    let socket = engine.socket();
    lab.attach(POLICY, origins, &[&["--engine", socket.to_str().unwrap()], arguments].concat())
}

fn attached(container: &Container) -> String {
    format!("attached {}", container.id())
}

fn ended(container: &Container) -> String {
    format!("ended {}", container.id())
}

/// Fails at once, and without an answer, where nothing is served.
fn connects(container: &Container) -> bool {
    let script = "import socket; socket.create_connection(('203.0.113.20', 80), timeout=30)";
    container.exec(&[PYTHON, "-c", script]).status.success()
}

#[test]
fn programs_need_no_flags() {
    let lab = Lab::new(User::Root);
    let origins = [lab.origin(Settings::default()), lab.origin(plain())];
    let container = Engine::docker().run(&NONE, Image::Host, &FOREVER);
    let arguments = ["--container", container.name(), "--class", "agent"];
    let mut running = attach(&lab, Engine::docker(), &[&origins[0], &origins[1]], &arguments);
    assert_eq!(running.hear(), attached(&container));

    assert_eq!(container.ask(&[CURL, "-sS", &token_url()]), RIGHT);
    assert_eq!(container.ask(&["/usr/bin/wget", "-qO-", &token_url()]), RIGHT);
    let fetch = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())";
    assert_eq!(container.ask(&[PYTHON, "-c", fetch, &token_url()]), RIGHT);
    assert_eq!(container.ask(&[CURL, "-sS", &format!("http://{PLAIN}/")]), format!("hello from {PLAIN}"));
    let status = [CURL, "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://203.0.113.20/"];
    assert_eq!(container.ask(&status), "403");
    // Exit status 6: the name does not exist.
    assert_eq!(container.exec(&[CURL, "-sS", "https://denied.example.test/"]).status.code(), Some(6));

    let decoy = format!("echo {} > /tmp/decoy", Canary::new().value());
    container.ask(&["sh", "-c", &decoy]);
    let found =
        container.ask(&[PYTHON, "-c", SEARCH, "/etc", "/run", "/tmp", "/var", "/root", "/home", "/dev"]);
    assert!(found.starts_with("/tmp/decoy") && found.ends_with("searched"), "{found}");
    lab.canary.assert_absent("the container", found.as_bytes());
    lab.canary.assert_absent("the log", container.logs().as_bytes());

    // A new policy is in force with the next request; the others stay as they are.
    assert!(running.apply(container.id(), "").status.success());
    let answer =
        container.ask(&[CURL, "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://203.0.113.20/"]);
    assert_eq!(answer, "403");
    assert_eq!(container.exec(&[CURL, "-sS", &token_url()]).status.code(), Some(6));
    let audit = running.stop().audit;
    assert!(audit.exchanges().iter().all(|record| record["instance"] == container.id()), "{audit:#?}");
    assert_eq!(audit.exchanges().last().unwrap()["generation"], 2);
    assert!(!connects(&container), "nobody serves it any more");
}

#[test]
fn busybox() {
    let lab = Lab::new(User::Root);
    let origins = [lab.origin(Settings::default()), lab.origin(plain())];
    let container = Engine::docker().run(&NONE, Image::Busybox, &FOREVER);
    let mut running =
        attach(&lab, Engine::docker(), &[&origins[0], &origins[1]], &["--container", container.id()]);
    assert_eq!(running.hear(), attached(&container));
    assert_eq!(container.ask(&["wget", "-qO-", &format!("http://{PLAIN}/")]), format!("hello from {PLAIN}"));
    assert!(container.ask(&["nslookup", HOST]).contains("Address"));
    assert!(!container.exec(&["nslookup", "denied.example.test"]).status.success());
    let refused = container.exec(&["wget", "-qO-", "http://203.0.113.20/"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("403"), "{refused:?}");
    let bundle = container.ask(&["cat", "/etc/ssl/certs/ca-certificates.crt"]);
    assert!(bundle.contains(running.admin(container.id(), "GET", "/v1/ca").body.trim()));
    let _ = running.stop();
}

/// Two containers by their labels, one of them started later.
#[test]
fn each_has_its_own() {
    let lab = Lab::new(User::Root);
    let origins = [lab.origin(Settings::default()), lab.origin(plain())];
    let folder = lab.directory("policies");
    fs::write(folder.join("token"), lab.policy(TOKEN_POLICY, &[&origins[0]])).unwrap();
    let labelled = |id: &str, more: &[&str]| {
        let id = format!("egress.id={id}");
        let label = [&NONE[..], &["--label", "egress", "--label", &id], more].concat();
        Engine::docker().run(&label, Image::Host, &FOREVER)
    };
    let first = labelled("first", &["--label", "egress.policy=token", "--label", "egress.class=red"]);
    let arguments = ["--label", "egress", "--policies", folder.to_str().unwrap()];
    let mut running = attach(&lab, Engine::docker(), &[&origins[0], &origins[1]], &arguments);
    assert_eq!(running.hear(), "attached first");
    let second = labelled("second", &[]);
    assert_eq!(running.hear(), "attached second");

    let plain = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", &format!("http://{PLAIN}/")];
    let plain = [&[CURL, "--connect-to", "::203.0.113.20:80"], &plain[..]].concat();
    assert_eq!((first.ask(&plain), second.ask(&plain)), ("403".into(), "200".into()));
    assert_eq!(first.ask(&[CURL, "-sS", &token_url()]), RIGHT);
    let status = running.admin("first", "GET", "/v1/status").json();
    assert_eq!(status["class"], "red", "{status}");

    // What one trusts, the other does not.
    let cas = ["first", "second"].map(|id| running.admin(id, "GET", "/v1/ca").body);
    assert_ne!(cas[0], cas[1]);
    let fetch = "import ssl, sys, urllib.request
roots = ssl.create_default_context(cadata=sys.argv[2])
try: print(urllib.request.urlopen(sys.argv[1], context=roots).status)
except urllib.error.URLError as error: print(type(error.reason).__name__)";
    for (container, ca, expected) in [
        (&first, 0, "200"),
        (&second, 1, "200"),
        (&first, 1, "SSLCertVerificationError"),
        (&second, 0, "SSLCertVerificationError"),
    ] {
        assert_eq!(container.ask(&[PYTHON, "-c", fetch, &token_url(), &cas[ca]]), expected);
    }
    // A policy that labels name is watched, each for its own instances.
    fs::write(folder.join("token"), "# nothing\n").unwrap();
    let generation = |id: &str| running.admin(id, "GET", "/v1/status").json()["generation"].clone();
    wait::until("a change", || (generation("first") == 2).then_some(()));
    assert_eq!(generation("second"), 1);
    let audit = running.stop().audit;
    for (id, status) in [("first", 403), ("second", 200)] {
        let to_plain =
            |record: &&&Value| record["authority"] == format!("{PLAIN}:80") && record["instance"] == id;
        let exchanges = audit.exchanges();
        let found: Vec<_> = exchanges.iter().filter(to_plain).map(|record| &record["status"]).collect();
        assert_eq!(found, [&json!(status)], "{audit:#?}");
    }
}

#[test]
fn control() {
    let lab = Lab::new(User::Root);
    let origin = lab.origin(Settings::default());
    let container = Engine::docker().run(&NONE, Image::Host, &FOREVER);
    let path = lab.path("control.sock");
    let mut running = attach(&lab, Engine::docker(), &[&origin], &["--control", path.to_str().unwrap()]);
    wait::until("the control socket", || std::os::unix::net::UnixStream::connect(&path).ok());
    let ask = |method: &str, target: &str, body: Value| -> Answer {
        request(&path, method, target, &body.to_string())
    };
    let post = |body: Value| ask("POST", "/v1/instances", body);

    let faulty =
        post(json!({ "container": container.name(), "policy": "allowedHosts:\n  - a.test\n  - 'b c'\n" }));
    assert_eq!(faulty.status, 422, "{faulty:?}");
    assert_eq!((&faulty.json()["line"], &faulty.json()["column"]), (&json!(3), &json!(5)), "{faulty:?}");
    let id = json!({ "id": "job" });
    for (status, body) in [
        (400, json!({ "container": container.name(), "pid": 1 })),
        (400, json!({ "container": container.name(), "nonsense": 1 })),
        (422, json!({ "container": "nobody" })),
        (201, json!({ "container": container.name(), "id": "job" })),
        (409, json!({ "container": container.name(), "id": "job" })),
        (409, json!({ "container": container.name(), "id": "other" })),
    ] {
        let answer = post(body.clone());
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(status != 201 || answer.json() == id, "{answer:?}");
    }
    assert_eq!(running.hear(), "attached job");
    assert_eq!(container.ask(&[CURL, "-sS", &token_url()]), RIGHT);
    let listed = ask("GET", "/v1/instances", Value::Null).json();
    assert_eq!(
        (&listed["instances"][0]["id"], &listed["instances"][1]),
        (&json!("job"), &Value::Null),
        "{listed}"
    );

    assert_eq!(ask("DELETE", "/v1/instances/nobody", Value::Null).status, 404);
    assert_eq!(ask("DELETE", "/v1/instances/job", Value::Null).status, 200);
    assert_eq!(running.hear(), "ended job");
    assert_eq!(ask("DELETE", "/v1/instances/job", Value::Null).status, 404);
    assert!(!connects(&container), "a workload that was removed has a network");
    assert!(!running.socket("job").exists());
    assert_eq!(post(json!({ "container": container.name(), "id": "next" })).status, 201);
    assert_eq!(running.hear(), "attached next");
    assert_eq!(container.ask(&[CURL, "-sS", &token_url()]), RIGHT);
    let _ = running.stop();
}

#[test]
fn it_comes_back() {
    let lab = Lab::new(User::Root);
    let origin = lab.origin(Settings::default());
    let container = Engine::docker().run(&NONE, Image::Host, &FOREVER);
    container.stop();
    // Not running yet: attached as soon as it does.
    let mut running = attach(&lab, Engine::docker(), &[&origin], &["--container", container.name()]);
    wait::until("the instance", || running.socket(container.id()).exists().then_some(()));
    container.start();
    assert_eq!(running.hear(), attached(&container));
    assert_eq!(container.ask(&[CURL, "-sS", &token_url()]), RIGHT);
    let ca = || running.admin(container.id(), "GET", "/v1/ca").body;
    let before = ca();
    container.restart();
    let between = container.pid();
    assert_eq!([running.hear(), running.hear()], [ended(&container), attached(&container)]);
    assert_eq!(container.pid(), between, "it was restarted once");
    assert_eq!(running.admin(container.id(), "GET", "/v1/ca").body, before, "the CA stays");
    assert_eq!(container.ask(&[CURL, "-sS", &token_url()]), RIGHT);

    // Each proxy counts requests for itself, and yet no two have the same id; that is looked at in the end.
    wait::until("the records", || (running.audit().answered_by_upstream() == 2).then_some(()));
    running.kill_worker();
    assert_eq!(container.ask(&[CURL, "-sS", &token_url()]), RIGHT);
    wait::until("the records", || (running.audit().answered_by_upstream() == 3).then_some(()));

    // A policy outlives the worker, and the container.
    assert!(running.apply(container.id(), "").status.success());
    running.kill_worker();
    let status = running.admin(container.id(), "GET", "/v1/status").json();
    assert_eq!(status["generation"], 2, "{status}");
    let refused = container.exec(&[CURL, "-sS", &token_url()]);
    assert_eq!(refused.status.code(), Some(6), "{refused:?}");

    let (line, socket) = (ended(&container), running.socket(container.id()));
    drop(container);
    assert_eq!(running.hear(), line);
    let finished = running.finish().ok();
    assert_eq!(finished.stdout.lines().filter(|said| **said == line).count(), 2, "{}", finished.stdout);
    assert!(!socket.exists());
}

#[test]
fn what_cannot_be_sealed_is_refused() {
    let lab = Lab::new(User::Root);
    let engine = Engine::docker();
    let refused = |arguments: &[&str], reason: &str| {
        let finished = attach(&lab, engine, &[], arguments).finish();
        assert_eq!(finished.code(), 125, "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(reason), "{arguments:?}: {}", finished.stderr);
        assert!(!finished.stdout.contains("attached"), "{}", finished.stdout);
    };
    let bridged = engine.run(&[], Image::Busybox, &FOREVER);
    refused(&["--container", bridged.name()], "`sidecar`");
    assert!(bridged.ask(&["ip", "-o", "link"]).contains("eth0"), "it was left as it is");
    let host = engine.run(&["--network", "host"], Image::Busybox, &FOREVER);
    refused(&["--container", host.name()], "interfaces beside `lo`");
    refused(&["--pid", &std::process::id().to_string()], "the proxy's own network namespace");
    refused(&["--netns", "/proc/self/ns/net"], "the proxy's own network namespace");
    refused(&["--netns", "/nonexistent"], "cannot open the network namespace /nonexistent");
    refused(&["--netns", "/etc/passwd"], "cannot open the network namespace /etc/passwd");
    refused(&["--container", "nobody"], "no container is called \"nobody\"");
    refused(&["--pid", "4194304"], "there is no process 4194304");
    refused(&[], "nothing to attach");
    refused(&["--container", "a", "--pid", "1", "--id", "x"], "--id is for a single workload");
}

/// The first one goes on as if nothing had been.
#[test]
fn attached_twice() {
    let lab = Lab::new(User::Root);
    let origin = lab.origin(Settings::default());
    let container = Engine::docker().run(&NONE, Image::Host, &FOREVER);
    let mut running = attach(&lab, Engine::docker(), &[&origin], &["--container", container.name()]);
    assert_eq!(running.hear(), attached(&container));
    for (arguments, reason) in [
        (&["--container", container.name()][..], "an instance with this id is running"),
        (&["--container", container.name(), "--id", "other"], "attached already: another proxy serves it"),
        (&["--pid", &container.pid().to_string()], "attached already: another proxy serves it"),
    ] {
        let finished = attach(&lab, Engine::docker(), &[], arguments).finish();
        assert_eq!(finished.code(), 125, "{finished:?}");
        assert!(finished.stderr.contains(reason), "{arguments:?}: {}", finished.stderr);
        assert_eq!(container.ask(&[CURL, "-sS", &token_url()]), RIGHT);
        assert!(running.socket(container.id()).exists());
    }
    let _ = running.stop();
}

/// A19: what hosts and engines set, and what has broken others.
#[test]
fn whatever_the_switches_are() {
    let lab = Lab::new(User::Root);
    let origin = lab.origin(Settings::default());
    let switched = |switches: &[&str]| {
        let options: Vec<_> = switches.iter().flat_map(|switch| ["--sysctl", switch]).collect();
        Engine::docker().run(&[&NONE[..], &options].concat(), Image::Host, &FOREVER)
    };
    let strict = ["rp_filter=1", "src_valid_mark=1", "accept_local=0", "route_localnet=0"];
    let loose = ["rp_filter=2", "accept_local=1", "route_localnet=1", "forwarding=1"];
    let all = |names: [&str; 4]| names.map(|name| format!("net.ipv4.conf.all.{name}"));
    let v6 = ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv4.tcp_tw_reuse=1"].map(str::to_owned);
    let containers = [[&all(strict)[..], &v6].concat(), all(loose).to_vec()]
        .map(|switches| switched(&switches.iter().map(String::as_str).collect::<Vec<_>>()));
    let names = containers.each_ref().map(Container::name);
    let arguments = ["--container", names[0], "--container", names[1]];
    let mut running = attach(&lab, Engine::docker(), &[&origin], &arguments);
    for container in &containers {
        assert_eq!(running.hear(), attached(container));
        for family in ["-4", "-6"] {
            assert_eq!(container.ask(&[CURL, "-sS", family, &token_url()]), RIGHT);
        }
        let udp = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(30)
s.connect(('203.0.113.20', 443)); s.send(b'x')
try: s.recv(1)
except ConnectionRefusedError: print('refused')";
        assert_eq!(container.ask(&[PYTHON, "-c", udp]), "refused");
    }
    let _ = running.stop();
}

#[test]
fn runc() {
    let lab = Lab::new(User::Root);
    let origin = lab.origin(Settings::default());
    let container = Runc::run(Image::Host, &["/usr/bin/sleep", "infinity"]);
    let pid = container.pid();
    let mut running = lab.attach(POLICY, &[&origin], &["--pid", &pid.to_string()]);
    assert_eq!(running.hear(), format!("attached pid-{pid}"));
    assert_eq!(container.ask(&[CURL, "-sS", &token_url()]), RIGHT);
    drop(container);
    assert_eq!(running.hear(), format!("ended pid-{pid}"));
    let _ = running.finish().ok();
}

#[test]
fn podman() {
    works_and_comes_back(Engine::podman(), User::Root);
}

#[test]
fn rootless_podman_by_root() {
    works_and_comes_back(Engine::rootless_podman(), User::Root);
}

/// No root is needed where the containers are one's own.
#[test]
fn rootless_podman_by_its_user() {
    works_and_comes_back(Engine::rootless_podman(), User::Nobody);
}

fn works_and_comes_back(engine: &'static Engine, user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let container = engine.run(&NONE, Image::Host, &FOREVER);
    let mut running = attach(&lab, engine, &[&origin], &["--container", container.name()]);
    assert_eq!(running.hear(), attached(&container));
    assert_eq!(container.ask(&[CURL, "-sS", &token_url()]), RIGHT);
    container.restart();
    assert_eq!([running.hear(), running.hear()], [ended(&container), attached(&container)]);
    assert_eq!(container.ask(&[CURL, "-sS", &token_url()]), RIGHT);
    let _ = running.stop();
}

/// The container says that its trust store lies on the host: by links, and by a folder that it was given.
#[test]
fn nothing_on_the_host_is_written() {
    let lab = Lab::new(User::Root);
    let origin = lab.origin(Settings::default());
    let (file, folder) = (lab.write("bundle.pem", "not yours\n"), lab.directory("certs"));
    fs::write(folder.join("ca-certificates.crt"), fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap())
        .unwrap();
    let given = fs::read(folder.join("ca-certificates.crt")).unwrap();
    let volume = format!("{}:/etc/pki/tls/certs", folder.display());
    let links = format!(
        "mkdir -p /etc/ssl/certs && ln -s ../../../../../../..{path} /etc/ssl/certs/ca-certificates.crt && \
         ln -s {path} /etc/ssl/cert.pem && ln -s /proc/1/root{path} /etc/ssl/ca-bundle.pem && \
         ln -s ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; echo ready; exec sleep infinity",
        path = file.display()
    );
    let options = [&NONE[..], &["--volume", &volume]].concat();
    let container = Engine::docker().run(&options, Image::Busybox, &["sh", "-c", &links]);
    wait::until("the links", || container.logs().contains("ready").then_some(()));
    let mut running = attach(&lab, Engine::docker(), &[&origin], &["--container", container.name()]);
    assert_eq!(running.hear(), attached(&container));
    assert!(container.ask(&["nslookup", HOST]).contains("Address"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "not yours\n");
    assert_eq!(fs::read(folder.join("ca-certificates.crt")).unwrap(), given);
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the container's link and the file: {names:?}");
    let finished = running.stop();
    assert!(finished.stderr.contains("a trust store is left as it is"), "{}", finished.stderr);
}

/// A keeper that is killed takes its worker with it, and the workload has nothing.
#[test]
fn without_a_keeper_there_is_nothing() {
    let lab = Lab::new(User::Root);
    let container = Engine::docker().run(&NONE, Image::Host, &FOREVER);
    let mut running = attach(&lab, Engine::docker(), &[], &["--container", container.name()]);
    assert_eq!(running.hear(), attached(&container));
    assert!(connects(&container));
    let worker = running.worker();
    running.kill_keeper();
    wait::until("the worker to be gone", || processes::gone(worker).then_some(()));
    assert!(!connects(&container));
}
