//! The network leads nowhere.
//!
//! What is not TCP or DNS fails at once; nothing of it is ever seen on the host's side; and when the proxy dies, the
//! command dies with it.

use harness::{Capture, Lab, Settings, TOKEN_POLICY, User, for_each_user, processes, wait};
use nix::sys::signal::Signal;

use crate::programs::{CURL, PYTHON, SH, WAYS_OUT};

for_each_user!(only_lo, ways_out_fail_at_once, nothing_is_seen_outside, the_proxy_dies, raw_tcp_is_reset);

fn only_lo(user: User) {
    let lab = Lab::new(user);
    let finished = lab.run("", &[]).finish(&["/usr/bin/ip", "-o", "link"]).ok();
    assert_eq!(finished.stdout.lines().count(), 1, "{}", finished.stdout);
    assert!(finished.stdout.starts_with("1: lo:"), "{}", finished.stdout);
}

fn ways_out_fail_at_once(user: User) {
    let lab = Lab::new(user);
    let results = ways_out(&lab, "203.0.113.50", "2001:db8::50");
    for (name, result) in results.as_object().unwrap() {
        let error = result[0].as_str().unwrap();
        assert!(error.starts_with('E'), "{name}: {error}");
        assert!(result[1].as_f64().unwrap() < 1000.0, "{name} took {} ms", result[1]);
    }
    for name in ["udp4", "udp6", "quic4", "quic6"] {
        assert_eq!(results[name][0], "ECONNREFUSED", "{name}");
    }
    for name in ["packet", "mark", "raw4", "icmp4", "vsock", "terminal input", "io_uring"] {
        assert_eq!(results[name][0], "EPERM", "{name}");
    }
}

fn ways_out(lab: &Lab, v4: &str, v6: &str) -> serde_json::Value {
    let finished = lab.run(TOKEN_POLICY, &[]).finish(&[PYTHON, "-c", WAYS_OUT, v4, v6]).ok();
    finished.json_lines().remove(0)
}

/// A capture on every interface of the host, of addresses that only one test uses.
fn nothing_is_seen_outside(user: User) {
    let (v4, v6) = match user {
        User::Root => ("203.0.113.77", "2001:db8:77::77"),
        _ => ("203.0.113.78", "2001:db8:78::78"),
    };
    let capture = Capture::start(std::process::id(), &format!("(host {v4} or host {v6})"));
    let lab = Lab::new(user);
    ways_out(&lab, v4, v6);
    let script = format!(
        "for url in http://{v4}/ https://{v4}/ http://[{v6}]/ http://{v4}:22/; do {CURL} -sk $url; done"
    );
    lab.run(TOKEN_POLICY, &[]).finish(&[SH, "-c", &script]);
    capture.assert_nothing();
}

fn the_proxy_dies(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let mut running =
        lab.run(TOKEN_POLICY, &[&origin]).start(&[SH, "-c", "echo ready; while read line; do :; done"]);
    assert_eq!(running.hear(), "ready");
    let below = processes::descendants(running.pid());
    assert!(
        processes::sandboxed(running.pid(), "sh").is_some(),
        "the command is not in a network of its own"
    );
    running.signal(Signal::SIGKILL);
    for pid in below {
        wait::until("the command to die with the proxy", || processes::gone(pid).then_some(()));
    }
    assert_eq!(running.finish_abrupt().code(), 137);
}

fn raw_tcp_is_reset(user: User) {
    let lab = Lab::new(user);
    let script = "import socket
for address in (('203.0.113.51', 22), ('2001:db8::51', 5432), ('10.0.0.1', 25)):
    try:
        with socket.create_connection(address, timeout=30) as stream:
            stream.sendall(b'\\x00\\x01not TLS, not HTTP\\r\\n')
            print('end' if stream.recv(1) == b'' else 'data')
    except ConnectionError as error:
        print(type(error).__name__)
";
    let finished = lab.run(TOKEN_POLICY, &[]).finish(&[PYTHON, "-c", script]).ok();
    assert_eq!(finished.stdout, "ConnectionResetError\n".repeat(3));
    let denied = finished.audit.connections().iter().filter(|record| record["decision"] == "deny").count();
    assert_eq!(denied, 3, "{:#?}", finished.audit);
}
