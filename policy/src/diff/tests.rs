//! What is found, and that nothing that was asked for is missed.

use proptest::prelude::*;

use super::*;
use crate::Url;

const HANDLERS: &str = "\nhandlers: { h: { deny: {} }, g: { deny: {} }, w: { wasm: /w } }\n";

fn document(text: &str) -> Document {
    Document::parse(&format!("{text}{HANDLERS}")).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn lines(old: &str, new: &str) -> Vec<String> {
    let diff = diff(&document(old), &document(new));
    assert_eq!(diff.left_out, 0);
    diff.found.into_iter().map(|found| format!("{} {}", found.change.sign(), found.text)).collect()
}

/// Two documents, and the one thing in which they differ.
const DIFFERENT: &[(&str, &str, &str)] = &[
    (
        "allowedHosts: []",
        "allowedHosts: ['https://a.test:443']",
        "+ allow https://a.test:443 * /** (was: deny host_not_allowed)",
    ),
    (
        "allowedHosts: ['https://a.test:443']",
        "allowedHosts: []",
        "- deny host_not_allowed https://a.test:443 * /** (was: allow)",
    ),
    (
        "allowedHosts: []",
        "allowedHosts: [{ host: 'http://a.test:80', methods: [GET], paths: [/x/**] }]",
        "+ allow http://a.test:80 GET /x/** (was: deny host_not_allowed)",
    ),
    (
        "outboundByHost: { 'https://*.a.test:1': h }",
        "outboundByHost: { 'https://*.a.test:1': g }",
        "~ allow through g https://*.a.test:1 * /** (was: allow through h)",
    ),
    (
        "allowedHosts: ['https://10.0.0.0/8:1']",
        "allowedHosts: ['https://10.0.0.0/8:1']\ndeniedHosts: ['10.0.0.0/24']",
        "- deny host_denied https://10.0.0.0/24:1 * /** (was: allow)",
    ),
    ("allowedHosts: ['*.a.test']", "allowedHosts: []", "- deny host_not_allowed *.a.test * /** (was: allow)"),
    ("", "raw: ['a.test:22']", "+ raw a.test:22"),
    ("passthrough: [a.test]", "", "- passthrough a.test"),
    ("", "limits: { connectTimeoutMs: 7 }", "~ limits connectTimeoutMs 7 (was: 10000)"),
    ("", "secrets: { S: { env: S } }", "~ secret S is new"),
    ("secrets: { S: { env: S } }", "secrets: { S: { env: T } }", "~ secret S is another"),
    (
        "secrets: { S: { env: S, hosts: [a.test] } }",
        "secrets: { S: { env: S, hosts: [a.test, b.test] } }",
        "~ secret S is another",
    ),
    (
        "outboundByHost: { 'http://a.test:80': { handlers: h, upgrade: https }, 'https://a.test:443': h }",
        "outboundByHost: { 'http://a.test:80': h, 'https://a.test:443': h }",
        "~ allow through h http://a.test:80 * /** (was: allow over TLS through h)",
    ),
    (
        "outboundByHost: { 'http://a.test:80': h, 'https://a.test:443': g }",
        "outboundByHost: { 'http://a.test:80': { handlers: h, upgrade: https }, 'https://a.test:443': g }",
        "~ allow over TLS through g http://a.test:80 * /** (was: allow through h)",
    ),
    ("", "stores: { s: { memory: {} } }", "~ store s is new"),
    ("stores: { s: { memory: {} } }", "stores: { s: { file: s } }", "~ store s is another"),
    ("tail: [w]", "", "~ tail is another"),
    ("", "resolve: { a.test: 127.0.0.1 }", "~ resolve is another"),
    ("", "upstreamTls: [{ hosts: a.test, roots: [a] }]", "~ upstreamTls is another"),
];

#[test]
fn what_differs() {
    for (old, new, wanted) in DIFFERENT {
        assert_eq!(lines(old, new), [*wanted], "{old} and {new}");
    }
    let monitored = lines(
        "outboundByHost: { 'https://a.test:1': h }",
        "outboundByHost: { 'https://a.test:1': h }\nmonitor: true",
    );
    // On which line the hosts of a secret stand makes no difference.
    assert_eq!(
        lines("secrets: { S: { env: S, hosts: [a.test] } }", "secrets:\n  S: { env: S, hosts: [a.test] }"),
        Vec::<String>::new()
    );
    assert!(
        monitored.contains(&"+ allow, noted * * /** (was: deny internet_disabled)".to_owned()),
        "{monitored:?}"
    );
    assert!(
        lines("outbound: w", "outbound: [{ handlers: w, params: 1 }]")
            .iter()
            .all(|line| line.starts_with("~ allow through w with 1"))
    );
}

#[test]
fn what_is_the_same() {
    for (old, new) in [
        ("", ""),
        ("allowedHosts: [a.test, b.test]", "# other\nallowedHosts:\n- b.test\n- A.TEST"),
        ("allowedHosts: ['*.test']", "allowedHosts: ['*.test', a.test]"),
        (
            "allowedHosts: ['a.test']",
            "allowedHosts: ['http://a.test', 'https://a.test']\nenableInternet: true",
        ),
    ] {
        assert_eq!(lines(old, new), Vec::<String>::new(), "{old} and {new}");
    }
}

#[test]
fn handlers_are_compared_as_they_are_spelled() {
    let found = |old: &str, new: &str| {
        let document = |text: &str| Document::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        diff(&document(old), &document(new)).found.into_iter().map(|found| found.text).collect::<Vec<_>>()
    };
    let old = "handlers: { h: { wasm: h, fetch: [a.test] } }";
    assert_eq!(found(old, &format!("# one line down\n{old}")), Vec::<String>::new());
    assert_eq!(found(old, &old.replace("a.test", "b.test")), ["handler h is another"]);
    assert_eq!(found(old, ""), ["handler h is gone"]);
    assert_eq!(found("", old), ["handler h is new"]);
}

#[test]
fn what_is_too_much_is_said() {
    let hosts: Vec<String> = (0..40_000).map(|number| format!("h{number}.test")).collect();
    let new = format!("allowedHosts: [{}]", hosts.join(", "));
    assert!(diff(&document("allowedHosts: []"), &document(&new)).left_out > 0);
}

fn text() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "(https://)?(\\*\\.)?[ab]\\.test(:44)?",
        "a\\.\\*\\.b\\.test",
        "10\\.0\\.0\\.[0-3]",
        "10\\.0\\.0\\.0/(8|30)",
        Just("*".to_owned())
    ];
    let condition = prop_oneof![
        Just(String::new()),
        Just(", methods: [GET]".to_owned()),
        "(/[ab]){1,2}(/\\*\\*)?".prop_map(|path| format!(", paths: ['{path}']")),
    ];
    let rule = (host, condition).prop_map(|(host, condition)| format!("{{ host: '{host}'{condition} }}"));
    let denied = prop::collection::vec("(\\*\\.)?[ab]\\.test".prop_map(|host| format!("'{host}'")), 0..2);
    (prop::collection::vec(rule, 0..3), denied, any::<bool>()).prop_map(|(allowed, denied, internet)| {
        let allowed =
            if internet { String::new() } else { format!("allowedHosts: [{}]\n", allowed.join(", ")) };
        format!("{allowed}deniedHosts: [{}]\nenableInternet: {internet}", denied.join(", "))
    })
}

proptest! {
    #[test]
    fn a_request_that_is_decided_otherwise_is_never_missed(
        old in text(), new in text(), host in "([abc]\\.){1,3}test|10\\.0\\.0\\.[0-5]", port in "(:44|:45)?", path in "(/[abc]){1,3}", method in "GET|POST",
    ) {
        let url = Url::parse(&format!("https://{host}{port}{path}")).unwrap();
        let (old, new) = (document(&old), document(&new));
        let passes = |document: &Document| Policy::compile(document, &Overrides::default()).verdict(&url.facts(&method)).passes();
        let found = diff(&old, &new).found;
        let has = |change| found.iter().any(|difference| difference.change == change);
        match (passes(&old), passes(&new)) {
            (false, true) => prop_assert!(has(Change::Wider), "{:?}", found),
            (true, false) => prop_assert!(has(Change::Narrower), "{:?}", found),
            _ => {}
        }
    }
}
