//! Which requests may carry which secrets.

use proptest::prelude::*;

use super::*;
use crate::{Overrides, Url};

const DOCUMENT: &str = "
secrets:
  FREE: { env: S }
  EXACT: { env: S, hosts: [a.test, 'b.test:8443'] }
  SECURE: { env: S, hosts: ['https://a.test'] }
  GLOB: { env: S, hosts: ['*.a.test', 10.0.0.0/8] }
  SOME: { env: S, hosts: [{ host: a.test, methods: [GET, HEAD], paths: [/x/**] }, { host: a.test, methods: [POST] }] }
  WIDE: { env: S, hosts: [{ host: a.test, paths: [/x/**] }, '*.test', '*'] }
  PLAIN: { env: S, hosts: [a.test, 'https://c.test'], allowPlaintext: [10.0.0.0/8] }
  ONLY_PLAIN: { env: S, hosts: ['http://a.test'], allowPlaintext: [10.0.0.0/8] }
  FREE_PLAIN: { env: S, allowPlaintext: [10.0.0.0/8] }
  ID: { env: S, instances: [i, j] }
  CLASS: { env: S, classes: [c] }
  EITHER: { env: S, hosts: [a.test], instances: [x], classes: [c] }
";

const ME: InstanceFacts<'_> = InstanceFacts { id: "i", class: "c" };

fn policy(text: &str) -> Policy {
    Policy::compile(&Document::parse(text).unwrap(), &Overrides::default())
}

/// In short: `tls`, `plain`, `-`, and `tls?` for what would be right over TLS.
fn told(found: SecretUse<'_>) -> &'static str {
    match found {
        SecretUse::OverTls => "tls",
        SecretUse::Plaintext(networks) if !networks.is_empty() => "plain",
        SecretUse::Plaintext(_) => "plain, to nowhere",
        SecretUse::NotBound => "-",
        SecretUse::NotWithoutTls => "tls?",
    }
}

#[test]
fn requests() {
    let policy = policy(DOCUMENT);
    for (name, request, wanted) in [
        ("FREE", "GET https://any.test/x", "tls"),
        ("FREE", "GET http://any.test/x", "tls?"),
        ("NONE", "GET https://any.test/x", "-"),
        ("EXACT", "GET https://a.test/", "tls"),
        ("EXACT", "GET https://A.Test.:8443/", "tls"),
        ("EXACT", "GET https://b.a.test/", "-"),
        ("EXACT", "GET https://b.test/", "-"),
        ("EXACT", "GET https://b.test:8443/", "tls"),
        ("EXACT", "GET http://a.test/", "tls?"),
        ("EXACT", "GET http://b.test/", "-"),
        ("SECURE", "GET https://a.test/", "tls"),
        ("SECURE", "GET http://a.test/", "tls?"),
        ("GLOB", "GET https://x.a.test/", "tls"),
        ("GLOB", "GET https://a.test/", "-"),
        ("GLOB", "GET https://10.1.2.3/", "tls"),
        ("GLOB", "GET https://11.1.2.3/", "-"),
        ("SOME", "GET https://a.test/x/y", "tls"),
        ("SOME", "HEAD https://a.test/x/y", "tls"),
        ("SOME", "GET https://a.test/y", "-"),
        ("SOME", "POST https://a.test/y", "tls"),
        ("SOME", "PUT https://a.test/x/y", "-"),
        // What servers could read in two ways is not bound by its path.
        ("SOME", "GET https://a.test/x/../y", "-"),
        ("SOME", "GET https://a.test/x/%2e%2e/y", "-"),
        ("WIDE", "GET https://a.test/x/../y", "tls"),
        ("WIDE", "GET https://192.0.2.1/", "tls"),
        ("PLAIN", "GET http://a.test/", "plain"),
        ("PLAIN", "GET https://a.test/", "tls"),
        ("PLAIN", "GET http://c.test/", "tls?"),
        ("PLAIN", "GET http://b.test/", "-"),
        ("ONLY_PLAIN", "GET http://a.test/", "plain"),
        ("ONLY_PLAIN", "GET https://a.test/", "-"),
        ("FREE_PLAIN", "GET http://b.test/", "plain"),
        ("FREE_PLAIN", "GET https://b.test/", "tls"),
    ] {
        let (method, url) = request.split_once(' ').unwrap();
        let url = Url::parse(url).unwrap();
        assert_eq!(told(policy.secret_use(name, &url.facts(method), &ME)), wanted, "{name} {request}");
    }
}

#[test]
fn instances() {
    let policy = policy(DOCUMENT);
    let url = Url::parse("https://a.test").unwrap();
    let plain = Url::parse("http://a.test").unwrap();
    for (name, id, class, wanted) in [
        ("ID", "i", "x", "tls"),
        ("ID", "j", "x", "tls"),
        ("ID", "I", "x", "-"),
        ("ID", "", "", "-"),
        ("CLASS", "c", "i", "-"),
        ("CLASS", "x", "c", "tls"),
        ("EITHER", "x", "y", "tls"),
        ("EITHER", "y", "c", "tls"),
        ("EITHER", "y", "y", "-"),
        ("FREE", "", "", "tls"),
    ] {
        let instance = InstanceFacts { id, class };
        assert_eq!(
            told(policy.secret_use(name, &url.facts("GET"), &instance)),
            wanted,
            "{name} {id} {class}"
        );
        if wanted == "-" {
            let found = policy.secret_use(name, &plain.facts("GET"), &instance);
            assert_eq!(
                found,
                SecretUse::NotBound,
                "whether it would be right over TLS is none of its business"
            );
        }
    }
}

#[test]
fn placeholders_of_an_instance() {
    let policy = policy(
        "secrets: { B: { env: S, hosts: [a.test], placeholder: { env: V } }, A: { env: S, hosts: [a.test], placeholder: true },
         C: { env: S, hosts: [a.test], placeholder: true, classes: [x] }, D: { env: S, hosts: [a.test] } }",
    );
    let names = |class| {
        let instance = InstanceFacts { id: "i", class };
        policy.placeholders(&instance).map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("c"), ["A", "B"]);
    assert_eq!(names("x"), ["A", "B", "C"]);
    let (_, placeholder) = policy.placeholders(&ME).nth(1).unwrap();
    assert_eq!(placeholder.env.as_deref(), Some("V"));
}

#[test]
fn a_request_that_is_upgraded() {
    let policy = policy(
        "deniedHosts: ['https://d.test']\nhandlers: { h: { respond: {} }, g: { respond: {} } }
outboundByHost:
  a.test: { handlers: h, upgrade: https }
  'b.test:80': { handlers: h, upgrade: https }
  'https://b.test': g
  'http://c.test': { handlers: h, upgrade: https }
  d.test: { handlers: h, upgrade: https }",
    );
    let verdict = |url: &str| match policy.verdict(&Url::parse(url).unwrap().facts("GET")) {
        crate::Verdict::Allow { handlers, upgrade, .. } => {
            format!(
                "{}{}",
                handlers.join(","),
                if upgrade == crate::Upgrade::Https { " upgraded" } else { "" }
            )
        }
        crate::Verdict::Deny(denial) => denial.reason.to_string(),
    };
    assert_eq!(verdict("http://a.test"), "h upgraded");
    assert_eq!(verdict("https://a.test"), "h");
    assert_eq!(verdict("http://b.test"), "g upgraded", "the rule for the request as it leaves");
    assert_eq!(verdict("http://c.test"), "internet_disabled", "nothing lets it pass over TLS");
    assert_eq!(verdict("http://d.test"), "host_denied");
    let facts = |url: &Url| url.facts("GET").upgraded().map(|facts| (facts.scheme, facts.port));
    for (url, wanted) in [
        ("http://a.test", Some((Scheme::Https, 443))),
        ("http://a.test:8080", Some((Scheme::Https, 8080))),
        ("http://a.test:443", Some((Scheme::Https, 443))),
        ("https://a.test", None),
        ("https://a.test:80", None),
    ] {
        assert_eq!(facts(&Url::parse(url).unwrap()), wanted, "{url}");
    }
}

proptest! {
    /// One list of hosts binds what the same list under `allowedHosts` lets pass, over TLS.
    #[test]
    fn hosts_mean_what_they_mean_elsewhere(
        hosts in prop::collection::vec(
            prop_oneof![
                "(https://)?(\\*\\.)?[ab]\\.test(:443|:444)?".prop_map(|host| format!("'{host}'")),
                ("[ab]\\.test", "GET|POST", "(/[ab]){1,2}(/\\*\\*)?")
                    .prop_map(|(host, method, path)| format!("{{ host: {host}, methods: {method}, paths: ['{path}'] }}")),
                "10\\.0\\.0\\.[0-3]",
            ],
            1..4,
        ),
        scheme in "https?", host in "([ab]\\.){1,2}test|10\\.0\\.0\\.[0-3]", port in "|:443|:444",
        path in "(/[ab]){1,3}|/a//b", method in "GET|POST",
    ) {
        let hosts = hosts.join(", ");
        let secrets = policy(&format!("secrets: {{ S: {{ env: S, hosts: [{hosts}] }} }}"));
        let allowed = policy(&format!("allowedHosts: [{hosts}]"));
        let url = Url::parse(&format!("{scheme}://{host}{port}{path}")).unwrap();
        let bound = secrets.secret_use("S", &url.facts(&method), &ME);
        let passes = matches!(allowed.decide(&url.facts(&method)), crate::Decision::Forward { .. });
        if url.scheme == Scheme::Http {
            prop_assert!(matches!(bound, SecretUse::NotBound | SecretUse::NotWithoutTls));
        } else if path != "/a//b" {
            prop_assert_eq!(bound == SecretUse::OverTls, passes);
        } else if passes {
            prop_assert_eq!(bound, SecretUse::OverTls);
        }
    }
}
