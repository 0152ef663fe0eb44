//! Connections: raw bytes, TLS that is passed through, and what is always inspected.

use super::*;
use crate::{ConnectionFacts, Protocol, Treatment};

const HOST: &str = "93.184.216.34:22";

fn host(text: &str) -> CanonicalHost {
    CanonicalHost::parse(text).expect(text)
}

/// `inspect`, `deny REASON by RULE` or `splice to HOST:PORT by RULE`.
fn treat(document: &str, destination: &str, names: &[&str], protocol: Protocol<'_>) -> String {
    let names: Vec<CanonicalHost> = names.iter().map(|name| host(name)).collect();
    let destination = destination.parse().expect(destination);
    match policy(document).treat(&ConnectionFacts { destination, names: &names, protocol }) {
        Treatment::Inspect => "inspect".to_owned(),
        Treatment::Splice(tunnel) => format!("splice to {} by {}", tunnel.to, tunnel.rule),
        Treatment::Refuse(denial) => format!("deny {} by {}", denial.reason, denial.rule),
    }
}

/// Rows of document, destination, names and treatment. Before anything is read the answer is to splice, or none yet.
fn check_raw(table: &[(&str, &str, &[&str], &str)]) {
    for &(document, destination, names, wanted) in table {
        let told = |protocol| treat(document, destination, names, protocol);
        let case = format!("{document} and {destination} {names:?}");
        assert_eq!(told(Protocol::Opaque), wanted, "{case}");
        let unread = if wanted.starts_with("splice") { wanted } else { "inspect" };
        assert_eq!(told(Protocol::Unread), unread, "{case}");
        assert_eq!(told(Protocol::Http), "inspect", "{case}");
        assert_eq!(told(Protocol::Tls { server_name: None }), "inspect", "{case}");
    }
}

#[test]
fn raw_bytes_need_a_rule_of_their_own() {
    const NO_RULE: &str = "deny not_http by raw";
    check_raw(&[
        ("", HOST, &[], NO_RULE),
        ("enableInternet: true", HOST, &[], NO_RULE),
        ("allowedHosts: ['*', 93.184.216.34, '93.184.216.34:22']", HOST, &[], NO_RULE),
        ("outbound: c", HOST, &[], NO_RULE),
        ("outboundByHost: { 93.184.216.34: h }\nenableInternet: true", HOST, &[], NO_RULE),
        ("allowedHosts: [db.test]", "198.18.0.9:5432", &["db.test"], NO_RULE),
        ("passthrough: ['*']\nenableInternet: true", "93.184.216.34:443", &["a.test"], NO_RULE),
    ]);
}

#[test]
fn raw_rules_for_addresses() {
    const ONE: &str = "splice to 93.184.216.34:22 by raw 93.184.216.34:22 (line 1)";
    check_raw(&[
        ("raw: ['93.184.216.34:22']", HOST, &[], ONE),
        ("raw: ['93.184.216.34:22']", "[::ffff:93.184.216.34]:22", &[], ONE),
        ("raw: ['93.184.216.34:22']\nallowedHosts: []", HOST, &[], ONE),
        ("raw: ['93.184.216.34:22']\noutboundByHost: { 93.184.216.34: h }", HOST, &[], ONE),
        ("raw: ['93.184.216.34:23']", HOST, &[], "deny not_http by raw"),
        ("raw: ['93.184.216.35:22']", HOST, &[], "deny not_http by raw"),
        (
            "raw: ['93.184.0.0/16:22', '93.184.216.0/24:22', '93.184.216.0/24:23']",
            HOST,
            &[],
            "splice to 93.184.216.34:22 by raw 93.184.216.0/24:22 (line 1)",
        ),
        (
            "raw: ['[2606:4700::/32]:22']",
            "[2606:4700::1]:22",
            &[],
            "splice to [2606:4700::1]:22 by raw [2606:4700::/32]:22 (line 1)",
        ),
        // An address that is not public needs a rule that means it.
        ("raw: ['10.0.0.0/8:22']", "10.0.0.1:22", &[], "splice to 10.0.0.1:22 by raw 10.0.0.0/8:22 (line 1)"),
        ("raw: ['0.0.0.0/0:22']", "10.0.0.1:22", &[], "deny address_refused by default"),
        ("raw: ['0.0.0.0/0:22']", "127.0.0.1:22", &[], "deny address_refused by default"),
        ("raw: ['[::/0]:22']", "[64:ff9b::a00:1]:22", &[], "deny address_refused by default"),
        ("raw: ['10.0.0.0/8:23']", "10.0.0.1:22", &[], "deny not_http by raw"),
    ]);
}

#[test]
fn raw_rules_for_names() {
    const DB: &str = "198.18.0.9:5432";
    const ONE: &str = "splice to db.test:5432 by raw db.test:5432 (line 1)";
    check_raw(&[
        ("raw: ['db.test:5432']", DB, &["db.test"], ONE),
        ("raw: ['DB.test.:5432']", DB, &["other.test", "db.test"], ONE),
        // Even where a rule for addresses matches: the address may be nobody's.
        ("raw: ['db.test:5432', '0.0.0.0/0:5432']", DB, &["db.test"], ONE),
        ("raw: ['db.test:5432']", DB, &[], "deny not_http by raw"),
        ("raw: ['db.test:5432']", DB, &["other.test"], "deny not_http by raw"),
        ("raw: ['db.test:5432']", "198.18.0.9:5433", &["db.test"], "deny not_http by raw"),
        (
            "raw: ['*.test:5432', '*.db.test:5432']",
            DB,
            &["a.db.test"],
            "splice to a.db.test:5432 by raw *.db.test:5432 (line 1)",
        ),
        ("raw: ['*.db.test:5432']", DB, &["db.test"], "deny not_http by raw"),
        (
            "raw: ['93.184.216.34:22']",
            HOST,
            &["db.test"],
            "splice to 93.184.216.34:22 by raw 93.184.216.34:22 (line 1)",
        ),
    ]);
}

#[test]
fn denied_beats_raw() {
    check_raw(&[
        (
            "deniedHosts: [93.184.0.0/16]\nraw: ['93.184.216.34:22']",
            HOST,
            &[],
            "deny host_denied by deniedHosts[0] 93.184.0.0/16 (line 1)",
        ),
        (
            "deniedHosts: [93.184.0.0/16]\nraw: ['[64:ff9b::/96]:22']",
            "[64:ff9b::93.184.216.34]:22",
            &[],
            "deny host_denied by deniedHosts[0] 93.184.0.0/16 (line 1)",
        ),
        (
            "deniedHosts: [93.184.0.0/16]",
            "[64:ff9b::93.184.216.34]:22",
            &[],
            "deny host_denied by deniedHosts[0] 93.184.0.0/16 (line 1)",
        ),
        (
            "deniedHosts: ['*']\nraw: ['93.184.216.34:22', 'a.test:22']",
            HOST,
            &["a.test"],
            "deny host_denied by deniedHosts[0] * (line 1)",
        ),
        (
            "deniedHosts: ['*.db.test']\nraw: ['a.db.test:22']",
            HOST,
            &["a.db.test"],
            "deny host_denied by deniedHosts[0] *.db.test (line 1)",
        ),
        // The name that is not denied is the one that is dialled.
        (
            "deniedHosts: [a.test]\nraw: ['a.test:22', 'b.test:22']",
            HOST,
            &["a.test", "b.test"],
            "splice to b.test:22 by raw b.test:22 (line 2)",
        ),
        (
            "deniedHosts: ['93.184.216.34:23']\nraw: ['93.184.216.34:22']",
            HOST,
            &[],
            "splice to 93.184.216.34:22 by raw 93.184.216.34:22 (line 2)",
        ),
    ]);
}

/// Rows of document, server name, port and treatment.
fn check_tls(table: &[(&str, &str, u16, &str)]) {
    for (document, name, port, wanted) in table {
        let name = host(name);
        let tls = Protocol::Tls { server_name: Some(&name) };
        let told = treat(document, &format!("198.18.0.9:{port}"), &["other.test"], tls);
        assert_eq!(told, *wanted, "{document} and {name}:{port}");
    }
}

#[test]
fn tls_is_passed_through_for_names_that_may_pass_anyway() {
    const A: &str = "splice to a.test:443 by passthrough a.test (line 1)";
    check_tls(&[
        ("passthrough: [a.test]\nallowedHosts: [a.test]", "a.test", 443, A),
        ("passthrough: [a.test]\nenableInternet: true", "a.test", 443, A),
        ("passthrough: [a.test]\noutbound: c", "a.test", 443, A),
        ("passthrough: [a.test]\nenableInternet: true", "b.test", 443, "inspect"),
        ("passthrough: [a.test]\nenableInternet: true", "x.a.test", 443, "inspect"),
        (
            "passthrough: ['*.a.test']\nenableInternet: true",
            "x.a.test",
            443,
            "splice to x.a.test:443 by passthrough *.a.test (line 1)",
        ),
        ("passthrough: ['*.a.test']\nenableInternet: true", "a.test", 443, "inspect"),
        // Without a port it is the port of https.
        ("passthrough: [a.test]\nenableInternet: true", "a.test", 8443, "inspect"),
        (
            "passthrough: ['https://a.test:8443']\nenableInternet: true",
            "a.test",
            8443,
            "splice to a.test:8443 by passthrough https://a.test:8443 (line 1)",
        ),
        // No allowance by itself.
        ("passthrough: [a.test]", "a.test", 443, "inspect"),
        ("passthrough: [a.test]\nallowedHosts: [b.test]", "a.test", 443, "inspect"),
        ("passthrough: [a.test]\nallowedHosts: ['http://a.test', 'a.test:80']", "a.test", 443, "inspect"),
        ("passthrough: [a.test]\nallowedHosts: [a.test]\ndeniedHosts: [a.test]", "a.test", 443, "inspect"),
        ("passthrough: [a.test]\nraw: ['a.test:443']", "a.test", 443, "inspect"),
        // Handlers of its own are not passed by.
        ("passthrough: [a.test]\noutboundByHost: { a.test: h }", "a.test", 443, "inspect"),
        ("passthrough: [a.test]\noutboundByHost: { '*': h }\noutbound: c", "a.test", 443, "inspect"),
        (
            "passthrough: [a.test]\nenableInternet: true\noutboundByHost: { 'http://a.test': h, 'a.test:8443': h }",
            "a.test",
            443,
            A,
        ),
        // An address is no server name.
        ("passthrough: ['*']\nenableInternet: true", "93.184.216.34", 443, "inspect"),
    ]);
}

#[test]
fn http_and_other_tls_are_always_inspected() {
    let name = host("evil.test");
    for document in ["", "deniedHosts: ['*']", "enableInternet: true", "outbound: c", "passthrough: ['*']"] {
        for server_name in [None, Some(&name)] {
            let told = treat(document, "10.0.0.1:443", &["evil.test"], Protocol::Tls { server_name });
            assert_eq!(told, "inspect", "{document} and {server_name:?}");
        }
        assert_eq!(treat(document, "10.0.0.1:443", &[], Protocol::Http), "inspect", "{document}");
        assert_eq!(policy(document).asks_for_server_names(), document.contains("passthrough"), "{document}");
    }
    let everything = "passthrough: ['*']\nenableInternet: true";
    let unnamed = treat(everything, "93.184.216.34:443", &["a.test"], Protocol::Tls { server_name: None });
    assert_eq!(unnamed, "inspect");
}

/// Passed through, nobody would see what the catch-all leaves out, nor which path could be read in two ways.
#[test]
fn rules_for_some_requests_are_not_passed_by() {
    const RULES: &str = "passthrough: [a.test]\noutbound:\n";
    let tls = host("a.test");
    for (rest, wanted) in [
        ("  - { handlers: h }", "splice"),
        ("  - { handlers: h, methods: [GET] }", "inspect"),
        ("  - { handlers: h, methods: [GET] }\nenableInternet: true", "splice"),
        ("  - { handlers: h, paths: [/a] }\nenableInternet: true", "inspect"),
        ("  - { handlers: h, paths: [/a] }\n  - { handlers: g }", "inspect"),
        ("  - { handlers: h }\noutboundByHost: { a.test: [{ handlers: g, methods: [PUT] }] }", "inspect"),
        ("  - { handlers: h }\nallowedHosts: [{ host: a.test, paths: [/a] }, a.test]", "inspect"),
        ("  - { handlers: h }\nallowedHosts: [{ host: a.test, methods: [PUT] }, a.test]", "splice"),
        ("  - { handlers: h }\nallowedHosts: [{ host: a.test, methods: [PUT] }]", "inspect"),
        ("  - { handlers: h }\ndeniedHosts: [{ host: a.test, methods: [PUT] }]", "inspect"),
        ("  - { handlers: h }\ndeniedHosts: [{ host: a.test, methods: [PUT], monitor: true }]", "inspect"),
    ] {
        let told =
            treat(&format!("{RULES}{rest}"), "192.0.2.1:443", &[], Protocol::Tls { server_name: Some(&tls) });
        assert!(told.starts_with(wanted), "{rest}: {told}");
    }
}
