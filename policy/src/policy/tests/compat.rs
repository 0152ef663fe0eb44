//! `compat: cloudflare`: its globs, their order, and the refusal that its users expect.

use std::path::Path;

use super::*;
use crate::Part;

fn loose(rest: &str) -> Policy {
    policy(&format!("compat: cloudflare\n{rest}"))
}

#[test]
fn a_star_is_any_characters() {
    for (pattern, yes, no) in [
        (
            "*github.com",
            &["github.com", "xgithub.com", "a.github.com"][..],
            &["github.com.test", "github.org"][..],
        ),
        (
            "google.*",
            &["google.com", "google.co.uk", "Google.Com."],
            &["google", "xgoogle.com", "www.google.com"],
        ),
        ("*.test", &["a.test", "a.b.test"], &["test", "a.tests"]),
        ("*", &["a", "a.test", "192.0.2.1", "[2001:db8::1]"], &[]),
        ("**", &["a", "a.test"], &[]),
        ("a*b.test", &["ab.test", "a.b.test", "axyb.test"], &["ab.test.x", "xab.test"]),
        ("*.*", &["a.b", "a.b.c", "192.0.2.1"], &["a"]),
        ("A*.Test.", &["a.test", "ab.test."], &["b.test"]),
        ("192.0.2.*", &["192.0.2.1", "192.0.2.1."], &["192.0.20.1"]),
        ("a.test", &["a.test", "A.TEST."], &["b.a.test", "a.test.b"]),
        ("*:8443", &["a.test:8443"], &["a.test"]),
        ("http://*.test", &[], &["a.test"]),
    ] {
        let policy = loose(&format!("deniedHosts: ['{pattern}']"));
        for (hosts, wanted) in [(yes, "deny host_denied"), (no, "upstream by enableInternet")] {
            for host in hosts {
                let told = decide(&policy, &format!("https://{host}"));
                assert!(told.starts_with(wanted), "{pattern} and {host}: {told}");
            }
        }
    }
}

#[test]
fn what_could_never_match_is_refused() {
    for (pattern, said) in [
        ("", "empty"),
        (".", "empty"),
        ("*..test", "empty"),
        ("*.test..", "empty"),
        ("b\u{fc}cher*.test", "international"),
        ("xn--*.test", "international"),
        ("*_!.test", "letters"),
        ("[2001:db8::*]", "IPv6"),
        ("*.test/x", "no path"),
        ("*.test:0", "port"),
    ] {
        let fault =
            Document::parse(&format!("compat: cloudflare\ndeniedHosts: ['{pattern}']")).expect_err(pattern);
        assert!(fault.to_string().contains(said), "{pattern}: {fault}");
    }
}

#[test]
fn exact_names_and_then_the_first_glob() {
    let policy = loose("outboundByHost: { '*.b.test': g, 'a*': c, '*a.b.test': h, 'a.b.test': h, '*': c }");
    for (url, wanted) in [
        ("https://a.b.test", "a.b.test h by outboundByHost a.b.test (line 2)"),
        ("https://x.b.test", "*.b.test g by outboundByHost *.b.test (line 2)"),
        ("https://aa.b.test", "*.b.test g by outboundByHost *.b.test (line 2)"),
        ("https://a.a.test", "a* c by outboundByHost a* (line 2)"),
        ("https://b.test", "* c by outboundByHost * (line 2)"),
        ("https://[2001:db8::1]", "* c by outboundByHost * (line 2)"),
    ] {
        assert_eq!(decide(&policy, url), wanted, "{url}");
    }
}

#[test]
fn the_order_of_globs_survives_being_written_and_read() {
    let document =
        Document::parse("compat: cloudflare\nhandlers: { h: { deny: {} }, g: { deny: {} } }").unwrap();
    let text = "outboundByHost: { 'z*': g, '*.test': h, 'a*': g, b.test: [{ handlers: h, methods: [GET] }, { handlers: g }] }";
    let read = Overrides::parse(text, &document).unwrap();
    let again = Overrides::parse(&read.to_json(), &document).unwrap();
    assert_eq!(again, read);
    let order = |all: &Overrides| {
        all.outbound_by_host.iter().map(|r| r.entry.pattern.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order(&again), ["z*", "*.test", "a*", "b.test", "b.test"]);
    let policy = Policy::compile(&document, &again);
    assert_eq!(decide(&policy, "https://a.test"), "*.test h by outboundByHost *.test (at run time)");
}

#[test]
fn the_customary_refusal() {
    for (text, wanted) in [
        ("compat: cloudflare\ndeniedHosts: ['*.test']", Some((520, "Origin is disallowed"))),
        ("compat: cloudflare\nallowedHosts: []", Some((520, "Origin is disallowed"))),
        ("compat: cloudflare\nenableInternet: false", Some((520, "Origin is disallowed"))),
        ("compat: cloudflare\nallowedHosts: []\nanswer: { status: 403, body: no }", Some((403, "no"))),
        ("allowedHosts: []", None),
    ] {
        let host = CanonicalHost::parse("a.test").unwrap();
        let facts = RequestFacts { scheme: Scheme::Https, host: &host, port: 443, method: "GET", path: "/" };
        let Decision::Deny(denial) = policy(text).decide(&facts) else { panic!("{text} lets pass") };
        let answer = denial.answer.as_ref().map(|answer| (answer.status, answer.body.as_str()));
        assert_eq!(answer, wanted, "{text}");
    }
}

/// The Internet that a first document kept out stays out.
#[test]
fn a_later_document_does_not_change_what_was_said() {
    let and =
        |document: Document, text| document.and(&Part { source: Some("later"), base: Path::new(""), text });
    let cloudflare = "compat: cloudflare";
    for (first, wanted) in
        [("", true), (cloudflare, true), ("compat: cloudflare\nenableInternet: false", false)]
    {
        let both = and(Document::parse(first).unwrap(), cloudflare).unwrap();
        assert_eq!((both.compat, both.enable_internet), (Compat::Cloudflare, wanted), "{first}");
    }
    let fault = and(Document::parse("deniedHosts: ['*.test']").unwrap(), cloudflare).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "1:9: `compat` would change what an earlier document means; write it in the first document"
    );
    let silent = and(Document::parse("compat: cloudflare").unwrap(), "allowedHosts: ['*a']").unwrap();
    assert!(silent.enable_internet);
}
