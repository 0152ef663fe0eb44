//! The order of evaluation, connections, names for DNS, and addresses.

use proptest::prelude::*;

use super::*;
use crate::{Authority, CanonicalHost};

mod compat;
mod laws;
mod names;
mod properties;
mod treat;

fn policy(text: &str) -> Policy {
    const HANDLERS: &str = "\nhandlers: { h: { deny: {} }, g: { deny: {} }, c: { deny: {} } }\n";
    let document = Document::parse(&format!("{text}{HANDLERS}"));
    Policy::compile(&document.unwrap_or_else(|fault| panic!("{text}: {fault}")), &Overrides::default())
}

/// `deny REASON by RULE`, `upstream by RULE` or `HANDLERS by RULE`.
fn told(policy: &Policy, decision: Decision) -> String {
    match decision {
        Decision::Deny(denial) => format!("deny {} by {}", denial.reason, denial.rule),
        Decision::Forward { rule, binding: None, .. } => format!("upstream by {rule}"),
        Decision::Forward { rule, binding: Some(id), .. } => {
            let binding = &policy.bindings()[id.index()];
            format!("{} {} by {rule}", binding.pattern, binding.handlers.join(","))
        }
    }
}

fn decide(policy: &Policy, url: &str) -> String {
    let (scheme, authority) = url.split_once("://").expect(url);
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    let Authority { host, port } = Authority::parse(authority, scheme).expect(url);
    told(policy, policy.decide(&RequestFacts { scheme, host: &host, port, method: "GET", path: "/" }))
}

/// Rows of document, URL and answer.
fn check(table: &[(&str, &str, &str)]) {
    for (document, url, wanted) in table {
        assert_eq!(decide(&policy(document), url), *wanted, "{document} and {url}");
    }
}

#[test]
fn what_lets_a_request_pass_in_its_order() {
    check(&[
        // 9: nothing is said.
        ("", "https://a.test", "deny internet_disabled by default"),
        ("enableInternet: false", "https://a.test", "deny internet_disabled by default"),
        // 8: the Internet is enabled.
        ("enableInternet: true", "https://a.test", "upstream by enableInternet"),
        // 7 before 8 and 9: allowedHosts matched.
        ("allowedHosts: [a.test]", "https://a.test", "upstream by allowedHosts[0] a.test (line 1)"),
        (
            "enableInternet: true\nallowedHosts: [b.test, a.test]",
            "https://a.test",
            "upstream by allowedHosts[1] a.test (line 2)",
        ),
        // 6 before 7 and 8: the catch-all.
        ("outbound: c", "https://a.test", "* c by outbound"),
        ("outbound: c\nenableInternet: true", "https://a.test", "* c by outbound"),
        ("outbound: c\nallowedHosts: [a.test]", "https://a.test", "* c by outbound"),
        // 4 before 6, 7 and 8: a binding.
        ("outboundByHost: { a.test: h }", "https://a.test", "a.test h by outboundByHost a.test (line 1)"),
        (
            "outbound: c\noutboundByHost: { a.test: [h, g] }",
            "https://a.test",
            "a.test h,g by outboundByHost a.test (line 2)",
        ),
        ("outbound: c\noutboundByHost: { b.test: h }", "https://a.test", "* c by outbound"),
        (
            "outboundByHost: { a.test: h }\nallowedHosts: [a.test]",
            "https://a.test",
            "a.test h by outboundByHost a.test (line 1)",
        ),
        (
            "outboundByHost: { a.test: h }\nenableInternet: true",
            "https://b.test",
            "upstream by enableInternet",
        ),
        ("outboundByHost: { a.test: h }", "https://b.test", "deny internet_disabled by default"),
    ]);
}

#[test]
fn allowed_hosts_come_before_everything_that_lets_pass() {
    check(&[
        // 2 before 4, 6 and 8: allowedHosts is set and does not match.
        ("allowedHosts: []", "https://a.test", "deny host_not_allowed by allowedHosts"),
        ("allowedHosts:", "https://a.test", "deny host_not_allowed by allowedHosts"),
        (
            "allowedHosts: [b.test]\nenableInternet: true",
            "https://a.test",
            "deny host_not_allowed by allowedHosts",
        ),
        ("allowedHosts: [b.test]\noutbound: c", "https://a.test", "deny host_not_allowed by allowedHosts"),
        (
            "allowedHosts: [b.test]\noutboundByHost: { a.test: h }",
            "https://a.test",
            "deny host_not_allowed by allowedHosts",
        ),
        (
            "allowedHosts: ['a.test:443']\noutboundByHost: { a.test: h }",
            "https://a.test:22",
            "deny host_not_allowed by allowedHosts",
        ),
    ]);
}

#[test]
fn denied_hosts_come_before_everything() {
    check(&[
        // 1 before everything: deniedHosts.
        ("deniedHosts: [a.test]", "https://a.test", "deny host_denied by deniedHosts[0] a.test (line 1)"),
        (
            "deniedHosts:\n  - b.test\n  - A.Test.\nallowedHosts: [a.test]",
            "https://a.test",
            "deny host_denied by deniedHosts[1] a.test (line 3)",
        ),
        (
            "deniedHosts: ['*']\nallowedHosts: [a.test]\noutboundByHost: { a.test: h }\noutbound: c\nenableInternet: true",
            "https://a.test",
            "deny host_denied by deniedHosts[0] * (line 1)",
        ),
        (
            "deniedHosts: [a.test]\nallowedHosts: []",
            "https://a.test",
            "deny host_denied by deniedHosts[0] a.test (line 1)",
        ),
        ("deniedHosts: [b.test]\nenableInternet: true", "https://a.test", "upstream by enableInternet"),
        ("deniedHosts: ['a.test:22']\nenableInternet: true", "https://a.test", "upstream by enableInternet"),
        (
            "deniedHosts: ['http://a.test']\nenableInternet: true",
            "https://a.test",
            "upstream by enableInternet",
        ),
        (
            "deniedHosts: ['http://a.test']\nenableInternet: true",
            "http://a.test",
            "deny host_denied by deniedHosts[0] http://a.test (line 1)",
        ),
    ]);
}

#[test]
fn addresses_are_no_names() {
    check(&[
        // Addresses.
        (
            "deniedHosts: [203.0.113.0/24]\nenableInternet: true",
            "http://[::ffff:203.0.113.10]",
            "deny host_denied by deniedHosts[0] 203.0.113.0/24 (line 1)",
        ),
        ("allowedHosts: ['*.test']", "https://192.0.2.1", "deny host_not_allowed by allowedHosts"),
        ("allowedHosts: ['*']", "https://192.0.2.1", "upstream by allowedHosts[0] * (line 1)"),
    ]);
}

#[test]
fn the_most_specific_binding_serves() {
    let policy = policy(
        "outbound: c\noutboundByHost:\n  '*': g\n  '*.b.test': [g, h]\n  a.b.test: h\n  'a.b.test:22': [h, g]\n  10.0.0.0/8: h\n",
    );
    for (url, wanted) in [
        ("https://a.b.test", "a.b.test h by outboundByHost a.b.test (line 5)"),
        ("https://a.b.test:22", "a.b.test:22 h,g by outboundByHost a.b.test:22 (line 6)"),
        ("https://x.b.test", "*.b.test g,h by outboundByHost *.b.test (line 4)"),
        ("https://b.test", "* g by outboundByHost * (line 3)"),
        ("https://10.1.1.1", "10.0.0.0/8 h by outboundByHost 10.0.0.0/8 (line 7)"),
        ("https://11.1.1.1", "* g by outboundByHost * (line 3)"),
    ] {
        assert_eq!(decide(&policy, url), wanted, "{url}");
    }
    let patterns: Vec<&str> = policy.bindings().iter().map(|binding| binding.pattern.as_str()).collect();
    assert_eq!(patterns, ["*", "*.b.test", "a.b.test", "a.b.test:22", "10.0.0.0/8", "*"]);
}

#[test]
fn a_name_resolves_if_some_request_for_it_could_pass() {
    for (document, host, wanted) in [
        ("", "a.test", Err("internet_disabled by default")),
        ("enableInternet: true", "a.test", Ok("enableInternet")),
        ("outbound: c", "a.test", Ok("outbound")),
        (
            "outboundByHost: { 'http://a.test:8080': h }",
            "a.test",
            Ok("outboundByHost http://a.test:8080 (line 1)"),
        ),
        ("outboundByHost: { 'http://a.test:8080': h }", "b.test", Err("internet_disabled by default")),
        ("allowedHosts: ['*.a.test']", "x.a.test", Ok("allowedHosts[0] *.a.test (line 1)")),
        ("allowedHosts: ['*.a.test']", "a.test", Err("host_not_allowed by allowedHosts")),
        ("allowedHosts: [10.0.0.0/8]", "a.test", Err("host_not_allowed by allowedHosts")),
        (
            "allowedHosts: ['a.test:22']\ndeniedHosts: ['a.test:22']",
            "a.test",
            Err("host_not_allowed by allowedHosts"),
        ),
        (
            "allowedHosts: ['a.test']\ndeniedHosts: ['a.test:443']",
            "a.test",
            Ok("allowedHosts[0] a.test (line 1)"),
        ),
        (
            "enableInternet: true\ndeniedHosts: [a.test]",
            "a.test",
            Err("host_denied by deniedHosts[0] a.test (line 2)"),
        ),
        ("enableInternet: true\ndeniedHosts: ['https://a.test']", "a.test", Ok("enableInternet")),
        (
            "enableInternet: true\ndeniedHosts: ['https://a.test', 'http://a.test']",
            "a.test",
            Err("host_denied by deniedHosts[0] https://a.test (line 2)"),
        ),
        ("enableInternet: true\ndeniedHosts: ['a.test:443', 'a.test:80']", "a.test", Ok("enableInternet")),
        ("raw: ['a.test:5432']", "a.test", Ok("raw a.test:5432 (line 1)")),
        ("raw: ['*.a.test:5432']\nallowedHosts: []", "x.a.test", Ok("raw *.a.test:5432 (line 1)")),
        ("raw: ['a.test:5432']", "b.test", Err("internet_disabled by default")),
        ("raw: ['0.0.0.0/0:5432']", "a.test", Err("internet_disabled by default")),
        ("raw: ['a.test:5432']\ndeniedHosts: ['a.test:5432']", "a.test", Err("internet_disabled by default")),
        ("passthrough: [a.test]", "a.test", Err("internet_disabled by default")),
    ] {
        let told = policy(document).resolves(&CanonicalHost::parse(host).unwrap());
        let told = told.map(|resolution| resolution.rule.to_string());
        let told = told.map_err(|denial| format!("{} by {}", denial.reason, denial.rule));
        assert_eq!(told.as_deref().map_err(String::as_str), wanted, "{document} and {host}");
    }
}

const HTTPS: Option<Scheme> = Some(Scheme::Https);

/// Rows of document, address, scheme and refusal.
fn check_addresses(table: &[(&str, &str, Option<Scheme>, &str)]) {
    for &(document, address, scheme, wanted) in table {
        let told = policy(document).check_address(address.parse().unwrap(), scheme);
        let told = told.map_or_else(|refusal| refusal.to_string(), |()| String::new());
        assert_eq!(told, wanted, "{document} and {address} {scheme:?}");
    }
}

#[test]
fn only_a_network_that_means_it_permits_a_special_address() {
    let private = "10.1.2.3 is a private address, not a public address";
    check_addresses(&[
        ("", "1.1.1.1:443", HTTPS, ""),
        ("", "[2606:4700::1]:443", HTTPS, ""),
        ("", "10.1.2.3:443", HTTPS, private),
        ("enableInternet: true", "10.1.2.3:443", HTTPS, private),
        ("allowedHosts: ['*', '*.test', a.test]", "10.1.2.3:443", HTTPS, private),
        ("", "[::ffff:10.1.2.3]:443", HTTPS, private),
        ("", "[fd00::1]:443", HTTPS, "fd00::1 is a private address, not a public address"),
        ("allowedHosts: [10.0.0.0/8]", "10.1.2.3:443", HTTPS, ""),
        ("allowedHosts: [10.0.0.0/8]", "[::ffff:10.1.2.3]:443", HTTPS, ""),
        ("allowedHosts: [10.1.2.3]", "10.1.2.3:443", HTTPS, ""),
        (
            "allowedHosts: [10.1.2.3]",
            "10.1.2.4:443",
            HTTPS,
            "10.1.2.4 is a private address, not a public address",
        ),
        ("allowedHosts: ['10.0.0.0/8:8443']", "10.1.2.3:443", HTTPS, private),
        ("allowedHosts: ['10.0.0.0/8:8443']", "10.1.2.3:8443", HTTPS, ""),
        ("allowedHosts: ['http://10.0.0.0/8']", "10.1.2.3:443", HTTPS, private),
        ("allowedHosts: ['https://10.0.0.0/8']", "10.1.2.3:443", HTTPS, ""),
        ("allowedHosts: ['https://10.0.0.0/8']", "10.1.2.3:443", None, private),
        ("outboundByHost: { 10.0.0.0/8: h }", "10.1.2.3:443", HTTPS, ""),
        ("outboundByHost: { 'fd00::/8': h }", "[fd00::1]:443", HTTPS, ""),
        ("raw: ['10.0.0.0/8:5432']", "10.1.2.3:5432", None, ""),
        ("raw: ['10.0.0.0/8:5432']", "10.1.2.3:443", None, private),
        ("raw: ['0.0.0.0/0:5432', 'a.test:5432']", "10.1.2.3:5432", None, private),
        ("allowedHosts: [0.0.0.0/0]", "10.1.2.3:443", HTTPS, private),
        ("allowedHosts: ['::/0']", "[::1]:443", HTTPS, "::1 is the loopback address, not a public address"),
        ("allowedHosts: ['::1']", "[::1]:443", HTTPS, ""),
        (
            "allowedHosts: [10.0.0.0/8]",
            "[64:ff9b::10.1.2.3]:443",
            HTTPS,
            "64:ff9b::a01:203 is a translated address that is not public, not a public address",
        ),
    ]);
}

#[test]
fn a_denied_network_refuses_every_form_of_its_addresses() {
    check_addresses(&[
        (
            "deniedHosts: [1.1.1.1]",
            "1.1.1.1:443",
            HTTPS,
            "1.1.1.1 is refused by deniedHosts[0] 1.1.1.1 (line 1)",
        ),
        (
            "deniedHosts: [1.1.1.0/24]",
            "[64:ff9b::1.1.1.1]:443",
            HTTPS,
            "64:ff9b::101:101 is refused by deniedHosts[0] 1.1.1.0/24 (line 1)",
        ),
        (
            "deniedHosts: ['2606:4700::/32']",
            "[2606:4700::1]:443",
            HTTPS,
            "2606:4700::1 is refused by deniedHosts[0] 2606:4700::/32 (line 1)",
        ),
        ("deniedHosts: ['1.1.1.1:80']", "1.1.1.1:443", HTTPS, ""),
        ("deniedHosts: ['http://1.1.1.1']", "1.1.1.1:443", HTTPS, ""),
        ("deniedHosts: ['*']", "1.1.1.1:443", HTTPS, ""),
        (
            "deniedHosts: [10.0.0.0/8]\nallowedHosts: [10.1.2.3]",
            "10.1.2.3:443",
            HTTPS,
            "10.1.2.3 is refused by deniedHosts[0] 10.0.0.0/8 (line 1)",
        ),
    ]);
}

#[test]
fn every_reason_has_a_word_and_a_sentence() {
    for (reason, word) in [
        (Reason::HostDenied, "host_denied"),
        (Reason::HostNotAllowed, "host_not_allowed"),
        (Reason::InternetDisabled, "internet_disabled"),
        (Reason::NotHttp, "not_http"),
        (Reason::AddressRefused, "address_refused"),
    ] {
        assert_eq!((reason.as_str(), reason.to_string().as_str()), (word, word));
        assert!(!reason.explain().is_empty());
    }
}
