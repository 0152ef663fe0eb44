//! HTTP/1.1 and HTTP/2, on either side, in any combination.
//!
//! The workload's choice and the origin's are independent; connections to an origin are used again; bodies, methods and
//! fields arrive as they were sent.

use harness::{HOST, Lab, Settings, TOKEN_POLICY, User, Versions, for_each_user};
use http::Version;
use serde_json::{Value, json};

use crate::programs::{CURL, DIALOGUE, PYTHON};

for_each_user!(
    every_combination,
    connections_are_used_again,
    requests_arrive_as_they_were_sent,
    trace_of_the_hop
);

const URL: &str = "https://api.example.test/token";

fn every_combination(user: User) {
    let lab = Lab::new(user);
    for (versions, upstream) in [
        (Versions::Http1, Version::HTTP_11),
        (Versions::Http2, Version::HTTP_2),
        (Versions::Both, Version::HTTP_2),
    ] {
        let origin = lab.origin(Settings { versions, ..Settings::default() });
        for (flag, version, protocol) in [("--http1.1", "1.1", "h1"), ("--http2", "2", "h2")] {
            let command = [CURL, "-sS", flag, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", URL];
            let finished = lab.run(TOKEN_POLICY, &[&origin]).finish(&command).ok();
            assert_eq!(finished.stdout, format!("200 {version}"), "{flag} to {versions:?}");
            let record = finished.audit.exchanges()[0].clone();
            assert_eq!((&record["protocol"], &record["sni"]), (&protocol.into(), &HOST.into()));
        }
        assert!(origin.requests().iter().all(|seen| seen.version == upstream), "{versions:?}");
    }
}

fn connections_are_used_again(user: User) {
    let lab = Lab::new(user);
    for versions in [Versions::Http1, Versions::Http2] {
        let origin = lab.origin(Settings { versions, ..Settings::default() });
        let mut running = lab.run(TOKEN_POLICY, &[&origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
        for _ in 0..20 {
            assert_eq!(running.ask("GET /token"), "200 the token is right");
        }
        let _ = running.finish().ok();
        let last = origin.requests().iter().map(|seen| seen.connection).max();
        assert!(last < Some(2), "{versions:?}: connection {last:?} for 20 requests");
    }
}

fn requests_arrive_as_they_were_sent(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let url = "https://api.example.test/echo?a=%2F&b=c%20d";
    for flag in ["--http1.1", "--http2"] {
        let command =
            [CURL, "-sS", flag, "-X", "PATCH", "-H", "X-Own: a, b", "-H", "Accept:", "-d", "the body", url];
        let finished = lab.run("allowedHosts: [api.example.test]", &[&origin]).finish(&command).ok();
        let echo = finished.json_lines().remove(0);
        assert_eq!((&echo["method"], &echo["body"]), (&"PATCH".into(), &"the body".into()));
        let headers = echo["headers"].as_array().unwrap();
        let values = |name: &str| -> Vec<&Value> {
            headers.iter().filter(|field| field[0] == name).map(|field| &field[1]).collect()
        };
        assert_eq!(values("x-own"), [&json!("a, b")]);
        assert_eq!(values("content-length"), [&json!("8")]);
        for name in ["accept", "via", "x-forwarded-for", "forwarded", "connection"] {
            assert!(values(name).is_empty(), "{name} was added: {echo}");
        }
        let record = finished.audit.exchanges()[0].clone();
        assert_eq!((&record["path"], &record["method"]), (&"/echo".into(), &"PATCH".into()));
        assert_eq!(record["authority"], "api.example.test:443");
    }
    assert!(origin.requests().iter().all(|seen| seen.uri.query() == Some("a=%2F&b=c%20d")));
}

/// Fields that belong to one hop stay there, whatever the workload names in `connection`.
fn trace_of_the_hop(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let own =
        ["-H", "Connection: keep-alive, X-Hop", "-H", "X-Hop: 1", "-H", "Proxy-Authorization: Basic eA=="];
    let command = [&[CURL, "-sS", "--http1.1", URL][..], &own].concat();
    let finished = lab.run(TOKEN_POLICY, &[&origin]).finish(&command).ok();
    assert_eq!(finished.stdout, "the token is right\n");
    for name in ["x-hop", "proxy-authorization", "connection"] {
        assert!(!origin.requests()[0].headers.contains_key(name), "{name} went on");
    }
}
