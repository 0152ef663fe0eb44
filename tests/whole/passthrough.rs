//! TLS that is passed through: the client sees the origin's own certificate, and the name decides where it goes.
//!
//! Only for names that may pass anyway and that have no handlers of their own; all other TLS is opened.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use harness::{Clients, HOST, Lab, Origin, Run, Settings, User, for_each_user};

use crate::programs::{CURL, PINNED, PYTHON};
use crate::tunnel::this_machine;

for_each_user!(
    the_origins_own_certificate,
    client_certificates,
    the_name_decides_and_not_the_address,
    what_is_not_allowed_is_told_so,
    handlers_are_not_passed_by,
    revoked_within_a_second,
);

const POLICY: &str = "passthrough: [api.example.test]\nallowedHosts: [api.example.test]";
/// Of nobody.
const SOMEWHERE: &str = "192.0.2.66";

/// Under a policy that reaches `origin`, whose requests have no records here: nobody sees them.
fn run<'a>(lab: &'a Lab, policy: &str, origin: &Origin) -> Run<'a> {
    lab.run(&format!("{policy}\nresolve:\n{}", origin.resolve_entries()), &[])
}

fn the_origins_own_certificate(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let mut running =
        run(&lab, POLICY, &origin).start(&[PYTHON, "-c", PINNED, HOST, "443", &lab.ca.pem(), HOST]);
    assert_eq!(running.hear(), "open");
    assert_eq!(running.ask("/"), "200 hello from api.example.test");
    let finished = running.finish().ok();
    let record = finished.audit.connections()[0].clone();
    assert_eq!((&record["decision"], &record["protocol"]), (&"allow".into(), &"tls".into()), "{record}");
    assert_eq!(record["rule"], "passthrough api.example.test (line 1)");
    assert_eq!((&record["sni"], &record["authority"]), (&HOST.into(), &"api.example.test:443".into()));
    let upstreams = origin.addresses().map(|address| address.to_string());
    assert!(upstreams.iter().any(|address| record["upstream"] == **address), "{record}");
    for bytes in ["bytesFromWorkload", "bytesToWorkload"] {
        assert!(record[bytes].as_u64() > Some(300), "{record}");
    }
    assert!(finished.audit.exchanges().is_empty());
    // Without the entry the same client meets the instance's certificate.
    let opened = run(&lab, "allowedHosts: [api.example.test]", &origin);
    let opened = opened.finish(&[PYTHON, "-c", PINNED, HOST, "443", &lab.ca.pem(), HOST]).ok();
    assert_eq!(opened.stdout, "not the pinned certificate\n");
}

fn client_certificates(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings { clients: Clients::Certified, ..Settings::default() });
    let file = lab.write("client.pem", &lab.ca.client_pem());
    for (certificate, answer) in [(file.to_str(), "200 hello from api.example.test"), (None, "end")] {
        let roots = lab.ca.pem();
        let mut command = vec![PYTHON, "-c", PINNED, HOST, "443", &roots, HOST];
        command.extend(certificate);
        let mut running = run(&lab, POLICY, &origin).start(&command);
        assert_eq!(running.hear(), "open");
        assert_eq!(running.ask("/"), answer);
        let _ = running.finish().ok();
    }
    assert_eq!(origin.requests().len(), 1);
}

fn the_name_decides_and_not_the_address(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let evil = TcpListener::bind((this_machine(), 0)).unwrap();
    evil.set_nonblocking(true).unwrap();
    let (address, port) = (this_machine().to_string(), evil.local_addr().unwrap().port().to_string());
    let policy = format!(
        "passthrough: [\"{HOST}:{port}\"]\nallowedHosts: [{HOST}]\nresolve: {{ {HOST}: \"{}\" }}",
        origin.addresses()[0]
    );
    let mut running =
        lab.run(&policy, &[]).start(&[PYTHON, "-c", PINNED, &address, &port, &lab.ca.pem(), HOST]);
    assert_eq!(running.hear(), "open");
    assert_eq!(running.ask("/"), "200 hello from api.example.test");
    let _ = running.finish().ok();
    assert!(evil.accept().is_err(), "the address that the workload chose was dialled");
}

fn what_is_not_allowed_is_told_so(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let to = format!("::{SOMEWHERE}:443");
    for (policy, reason) in [
        ("passthrough: [api.example.test]\nallowedHosts: [b.test]", "host_not_allowed"),
        ("passthrough: ['*']\nenableInternet: true\ndeniedHosts: [api.example.test]", "host_denied"),
        ("passthrough: [api.example.test]", "internet_disabled"),
    ] {
        let command = [CURL, "-sS", "--connect-to", &to, "https://api.example.test/"];
        let finished = run(&lab, policy, &origin).finish(&command).ok();
        let problem = finished.json_lines().remove(0);
        assert_eq!((&problem["status"], &problem["reason"]), (&403.into(), &reason.into()), "{policy}");
    }
    // A private address that nobody named is not dialled for a name either.
    let rebound = "passthrough: [localhost]\nallowedHosts: [localhost]";
    let command = [PYTHON, "-c", PINNED, SOMEWHERE, "443", &lab.ca.pem(), "localhost"];
    let finished = lab.run(rebound, &[]).finish(&command).ok();
    assert_eq!(finished.stdout, "end\n");
    let record = finished.audit.connections()[0].clone();
    assert_eq!((&record["decision"], &record["error"]), (&"deny".into(), &"address_refused".into()));
    assert!(origin.requests().is_empty());
}

fn handlers_are_not_passed_by(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let handlers =
        "outboundByHost: { api.example.test: teapot }\nhandlers: { teapot: { respond: { status: 418 } } }";
    let command = [CURL, "-sS", "-o", "/dev/null", "-w", "%{http_code}", "https://api.example.test/"];
    let finished = run(&lab, &format!("{POLICY}\n{handlers}"), &origin).finish(&command).ok();
    assert_eq!(finished.stdout, "418");
    assert!(origin.requests().is_empty());
}

fn revoked_within_a_second(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let resolve = format!("resolve:\n{}", origin.resolve_entries());
    for next in [
        "allowedHosts: [api.example.test]",
        "passthrough: [api.example.test]\nallowedHosts: []",
        "passthrough: [api.example.test]\nallowedHosts: [api.example.test]\ndeniedHosts: [127.0.0.0/8, '::1']",
    ] {
        let mut running =
            run(&lab, POLICY, &origin).start(&[PYTHON, "-c", PINNED, HOST, "443", &lab.ca.pem(), HOST]);
        assert_eq!(running.hear(), "open");
        // A change that means the same for it changes nothing.
        assert!(running.apply(&format!("{POLICY}\nenableInternet: true\n{resolve}")).status.success());
        assert_eq!(running.ask("/"), "200 hello from api.example.test");
        running.say("wait");
        assert!(running.apply(&format!("{next}\n{resolve}")).status.success());
        let start = Instant::now();
        assert_eq!(running.hear(), "end", "{next}");
        // The promise is one second; the rest is for a busy machine.
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        let finished = running.finish().ok();
        assert_eq!(finished.audit.connections()[0]["error"], "revoked", "{next}");
    }
}
