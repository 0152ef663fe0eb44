//! Upstreams that fail: the workload gets a status and a reason, and the origin no request.
//!
//! One line for each way to fail.

use std::net::{Ipv4Addr, TcpListener};

use harness::{Certificate, HOST, Lab, Settings, TOKEN_POLICY, Transport, User, for_each_user};
use serde_json::Value;
use tokio::net::TcpSocket;

use crate::programs::{CURL, PYTHON, STRICT};

for_each_user!(bad_certificates, unreachable_upstreams, private_addresses, the_roots_are_the_policys);

const URL: &str = "https://api.example.test/token";
const ASK: [&str; 5] = [CURL, "-sS", "-w", "\n%{http_code}", URL];

fn bad_certificates(user: User) {
    let lab = Lab::new(user);
    for (certificate, reason) in [
        (Certificate::Expired, "upstream_tls_expired"),
        (Certificate::WrongName, "upstream_tls_wrong_name"),
        (Certificate::SelfSigned, "upstream_tls_untrusted"),
        (Certificate::UnknownIssuer, "upstream_tls_untrusted"),
    ] {
        let origin = lab.origin(Settings { transport: Transport::Tls(certificate), ..Settings::default() });
        let finished = lab.run(TOKEN_POLICY, &[&origin]).finish(&ASK).ok();
        assert_failed(&finished.stdout, 502, reason);
        let record = finished.audit.exchanges()[0].clone();
        assert_eq!((&record["status"], &record["error"]), (&502.into(), &reason.into()));
        assert!(origin.requests().is_empty(), "{certificate:?}");
    }
}

fn unreachable_upstreams(user: User) {
    let lab = Lab::new(user);
    // Bound and not listening: refused, and nobody else's meanwhile.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let limits = "limits: { tlsHandshakeTimeoutMs: 200 }";
    for (address, status, reason) in [
        (closed.local_addr().unwrap().to_string(), 502, "upstream_refused"),
        (silent.local_addr().unwrap().to_string(), 504, "upstream_tls_timeout"),
    ] {
        let policy = format!("{TOKEN_POLICY}\n{limits}\nresolve: {{ \"{HOST}:443\": \"{address}\" }}");
        let finished = lab.run(&policy, &[]).finish(&ASK).ok();
        assert_failed(&finished.stdout, status, reason);
    }
}

/// Addresses that only a rule for addresses may open; names and numbers that lead there are refused alike.
fn private_addresses(user: User) {
    let lab = Lab::new(user);
    let script = ["-sS", "-k", "-w", "\n%{http_code}"];
    for url in
        ["http://127.0.0.1:1/", "http://169.254.169.254/", "http://[::ffff:10.0.0.1]/", "http://[fd00::1]/"]
    {
        // 127.0.0.1 is the sandbox's own loopback: nothing of it reaches the proxy.
        let finished = lab.run("enableInternet: true", &[]).finish(&[&[CURL][..], &script, &[url]].concat());
        if url.contains("127.0.0.1") {
            assert_eq!(finished.code(), 7, "{}", finished.stdout);
        } else {
            assert_failed(&finished.stdout, 403, "address_refused");
        }
    }
}

/// The instance's own CA is no root for upstreams, nor are the roots of another policy.
fn the_roots_are_the_policys(user: User) {
    let (lab, other) = (Lab::new(user), Lab::new(user));
    let origin = other.origin(Settings::default());
    let finished = lab.run(TOKEN_POLICY, &[&origin]).finish(&ASK).ok();
    assert_failed(&finished.stdout, 502, "upstream_tls_untrusted");
    let trusted = other.run(TOKEN_POLICY, &[&origin]).finish(&[PYTHON, "-c", STRICT, URL]).ok();
    assert_eq!(trusted.stdout.lines().count(), 2);
}

fn assert_failed(output: &str, status: u16, reason: &str) {
    let (body, code) = output.rsplit_once('\n').expect(output);
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {output}"));
    assert_eq!(code, status.to_string(), "{problem}");
    assert_eq!((&problem["status"], &problem["reason"]), (&status.into(), &reason.into()), "{problem}");
}
