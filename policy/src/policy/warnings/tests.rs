//! Each warning, and documents that earn none.

use std::{fmt::Write, time::Instant};

use super::*;

fn told(text: &str) -> Vec<String> {
    let document = Document::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let line = |warning: Warning| match &warning.origin {
        Some(origin) => format!("{origin}: {warning}"),
        None => warning.to_string(),
    };
    document.warnings().into_iter().map(line).collect()
}

/// Without those that [`HANDLERS`] earns where its handlers are not used.
fn told_but_of_handlers(text: &str) -> Vec<String> {
    let mut found = told(&format!("{text}{HANDLERS}"));
    found.retain(|warning| !warning.starts_with("handler `"));
    found
}

const HANDLERS: &str = "
secrets: { S: { env: S } }
handlers: { h: { inject: { x: '${S}' } }, g: { deny: {} } }";

/// Documents, each with its only warning.
const ODD: &[(&str, &str)] = &[
    ("allowedHosts: [a.test, b.test, A.test.]", "line 1: `a.test` is here a second time (line 1)"),
    (
        "deniedHosts:\n- a.example\n- '*.test'\n- b.a.test:443",
        "line 4: `b.a.test:443` adds nothing: deniedHosts[1] *.test (line 3)",
    ),
    ("deniedHosts:\n- '*.test'\n- a.*.test", "line 3: `a.*.test` adds nothing"),
    ("deniedHosts:\n- 10.0.0.0/8\n- 10.1.0.0/16", "line 3: `10.1.0.0/16` adds nothing"),
    ("deniedHosts:\n- a.test\n- { host: a.test, methods: [GET] }", "line 3: `a.test` adds nothing"),
    ("deniedHosts:\n- a.test\n- { host: a.test, monitor: true }", "line 3: `a.test` adds nothing"),
    (
        "allowedHosts: [a.test]\ndeniedHosts: ['*.test']",
        "line 1: `a.test` lets nothing pass: deniedHosts[0] *.test (line 2) refuses",
    ),
    ("allowedHosts: [10.0.0.1]\ndeniedHosts: ['*']", "line 1: `10.0.0.1` lets nothing pass"),
    ("allowedHosts: [a.test]\ndeniedHosts: ['*']\ncompat: cloudflare", "line 1: `a.test` lets nothing pass"),
    (
        "outboundByHost: { 'https://a.test': g }\ndeniedHosts: ['https://a.test']",
        "line 1: `https://a.test` lets nothing pass",
    ),
    ("raw: ['a.test:22']\ndeniedHosts: [a.test]", "line 1: `a.test:22` lets nothing pass"),
    ("resolve: { a.test: 127.0.0.1 }\ndeniedHosts: [a.test]", "`a.test` under `resolve` is never looked up"),
    (
        "upstreamTls: [{ hosts: a.test, roots: [a] }]\ndeniedHosts: [a.test]",
        "line 1: `a.test` under `upstreamTls` is never reached: deniedHosts[0] a.test (line 2) refuses it",
    ),
    (
        "allowedHosts:\n- '*.test'\n- '*.a.test'",
        "line 3: `*.a.test` adds nothing: allowedHosts[0] *.test (line 2) allows",
    ),
    ("allowedHosts:\n- a.test\n- a.test:443", "line 3: `a.test:443` adds nothing"),
    (
        "allowedHosts:\n- '*.test'\n- { host: a.test, methods: [GET] }",
        "line 3: `methods` and `paths` of `a.test` keep nothing out",
    ),
    ("allowedHosts: ['*']\nenableInternet: true", "`enableInternet` adds nothing"),
    (
        "allowedHosts: ['http://a.test', 'https://a.test']",
        "line 1: `http://a.test` and `https://a.test` are one entry; write `a.test`",
    ),
    (
        "outboundByHost: { a.test: g }\nallowedHosts: [b.test, 'http://c.test', 10.0.0.0/8]",
        "line 1: `a.test` is never reached",
    ),
    (
        "outboundByHost: { 'https://a.test': g }\nallowedHosts: ['http://a.test']",
        "line 1: `https://a.test` is never reached",
    ),
    ("outboundByHost: { 10.0.0.1: g }\nallowedHosts: [10.0.0.2]", "line 1: `10.0.0.1` is never reached"),
    (
        "outboundByHost: { a.test: [{ handlers: g, methods: [GET, POST] }, { handlers: g, methods: [GET], paths: [/a] }] }",
        "line 1: a rule for `a.test` is never used",
    ),
    (
        "outbound: [{ handlers: g, methods: [GET] }, { handlers: g, methods: [GET], name: second }]",
        "line 1: second for `*` is never used",
    ),
    ("outboundByHost: { 'http://a.test': h }", "line 1: `http://a.test` is without TLS, and secret `S`"),
    ("outbound: h", "secret `S` goes to every host that no other rule serves; name its `hosts`"),
    ("passthrough: [a.test]", "line 1: TLS to `a.test` is never passed through"),
    (
        "passthrough: [a.test]\nallowedHosts: [a.test]\noutboundByHost: { a.test: g }",
        "TLS to `a.test` is never passed through",
    ),
    (
        "passthrough: [a.test]\nallowedHosts: [{ host: a.test, methods: [GET] }]",
        "TLS to `a.test` is never passed through",
    ),
];

#[test]
fn what_is_odd() {
    for (text, wanted) in ODD {
        let found = told_but_of_handlers(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].contains(wanted), "{text}: {found:?}");
    }
}

/// Secrets, each with its only warning beside those about handlers that serve nothing.
#[test]
fn what_is_odd_about_secrets() {
    for (keys, rest, wanted) in [
        ("scrub: false", "", Some("what servers answer is not searched for secret `S`")),
        (
            "allowPlaintext: [10.0.0.0/8, '::1']",
            "",
            Some("secret `S` may be sent without TLS, to 10.0.0.0/8, ::1/128"),
        ),
        (
            "hosts: ['*'], placeholder: true",
            "",
            Some(
                "line 1: the workload can send secret `S` to whichever host of `*` it likes; name the hosts that it is for",
            ),
        ),
        (
            "hosts: [a.test, 0.0.0.0/1], placeholder: true",
            "",
            Some("line 1: the workload can send secret `S` to whichever host of `0.0.0.0/1` it likes"),
        ),
        (
            "hosts: ['2001::/16'], placeholder: true",
            "",
            Some("line 1: the workload can send secret `S` to whichever host of `2001::/16` it likes"),
        ),
        ("hosts: ['*.a.test', 10.0.0.0/8, '2001:db8::/32'], placeholder: { env: S }", "", None),
        ("hosts: ['*']", "", None),
        (
            "hosts: [a.test]",
            "outboundByHost: { b.test: h }",
            Some("line 2: every request for `b.test` is refused: `hosts` of secret `S` do not name it"),
        ),
        (
            "hosts: ['a.test:444']",
            "outboundByHost: { 'a.test:443': h }",
            Some("line 2: every request for `a.test:443` is refused"),
        ),
        (
            "hosts: ['a.test:443']",
            "outboundByHost: { 'http://a.test:80': { handlers: h, upgrade: https } }",
            None,
        ),
        ("hosts: ['*.test']", "outboundByHost: { a.test: h, '*.b.test': h, 'https://c.test:8443': h }", None),
        ("hosts: [a.test]", "outbound: h", None),
        ("instances: [i]", "outboundByHost: { 'http://a.test': { handlers: h, upgrade: https } }", None),
    ] {
        let text = format!(
            "secrets: {{ S: {{ env: S, {keys} }} }}\n{rest}\nhandlers: {{ h: {{ bearer: '${{S}}' }} }}"
        );
        let mut found = told(&text);
        found.retain(|warning| !warning.starts_with("handler `"));
        assert_eq!(found.len(), usize::from(wanted.is_some()), "{text}: {found:?}");
        assert!(wanted.is_none_or(|wanted| found[0].contains(wanted)), "{text}: {found:?}");
    }
}

#[test]
fn what_is_not_used() {
    for (text, wanted) in [
        ("secrets: { S: { env: S } }", &["secret `S` is given to no handler"][..]),
        ("handlers: { h: { deny: {} } }", &["handler `h` serves nothing unless it is set at run time"]),
        ("stores: { s: { memory: {} } }", &["store `s` is given to no handler"]),
        (
            "secrets: { P: { env: P } }\nstores: { s: { redis: { url: 'redis://r.test', password: P } } }",
            &["store `s` is given to no handler"],
        ),
        ("handlers: { h: { wasm: h, secrets: [S] } }\ntail: [h]\nsecrets: { S: { env: S } }", &[]),
        ("secrets: { S: { env: S, hosts: [a.test], placeholder: true } }", &[]),
        (
            "secrets: { S: { redis: { store: s, key: k }, hosts: [a.test], placeholder: { env: S } } }
stores: { s: { redis: { url: 'redis://r.test' } } }",
            &[],
        ),
        (
            "secrets: { T: { env: T }, S: { oauth2: { tokenUrl: 'https://a.test', clientId: c, clientSecret: T } } }",
            &["secret `S` is given to no handler"],
        ),
        (
            "secrets: { S: { env: S } }\nhandlers: { h: { sign: { hmac: { secret: S, header: x } } } }\noutboundByHost: { a.test: h }",
            &[],
        ),
        (
            "handlers: { a: { wasm: a, keyvalue: { A: a } }, b: { wasm: a, state: { B: b } }, c: { wasm: a, blobstore: { C: c } } }
stores: { a: { memory: {} }, b: { file: b }, c: { folder: c } }
outbound: a\noutboundByHost: { b.test: [{ handlers: b, methods: [GET] }, { handlers: [c] }] }",
            &[],
        ),
    ] {
        assert_eq!(told(text), wanted, "{text}");
    }
}

#[test]
fn what_is_not() {
    for text in [
        "",
        "compat: cloudflare\nallowedHosts: ['git*.test', 'github.test']",
        "allowedHosts: [a.test, '*.test', 10.0.0.0/8, 0.0.0.0/0]",
        "deniedHosts: ['*', 10.0.0.0/8]",
        "deniedHosts: ['*.test', { host: a.test, answer: { status: 404 } }, { host: b.test, name: known }]",
        "deniedHosts: [{ host: '*.test', methods: [GET] }, a.test]\nallowedHosts: [b.test]",
        "deniedHosts: [{ host: a.test, monitor: true }]\nallowedHosts: [a.test]",
        "deniedHosts: ['https://a.test', 'b.test:443']\nallowedHosts: [a.test, b.test]\nraw: ['a.test:443']",
        "monitor: true\ndeniedHosts: [a.test]\nallowedHosts: [a.test]\noutboundByHost: { b.test: g }",
        "allowedHosts: ['http://a.test', 'https://a.test:8443', { host: 'https://b.test', methods: [GET] }, 'http://b.test']",
        "allowedHosts: ['*.test', 10.0.0.0/8]\noutboundByHost: { a.test: h, '*.a.test': g, 10.0.0.1: g, 192.168.0.0/16: g }",
        "allowedHosts: [a.test]\npassthrough: [a.test]\noutbound: g",
        "outboundByHost: { a.test: [{ handlers: g, paths: [/a] }, { handlers: g, methods: [GET] }, { handlers: g }] }",
    ] {
        assert_eq!(told_but_of_handlers(text), Vec::<String>::new(), "{text}");
    }
    for preset in crate::presets() {
        assert_eq!(told(&format!("presets: [{}]", preset.name)), Vec::<String>::new());
        assert_eq!(told(preset.text), Vec::<String>::new());
    }
}

#[test]
fn a_hundred_thousand_rules_take_no_time() {
    for line in [
        "- a.test:PORT\n",
        "- a.test\n",
        "- h-NUMBER.a.test\n",
        "- '*.h-NUMBER.a.test'\n",
        "- '*.a.test:PORT'\n",
        "- 10.0.0.0/8\n",
        "- '*:PORT'\n",
    ] {
        let mut text = String::new();
        for key in ["deniedHosts:\n", "allowedHosts:\n"] {
            text.push_str(key);
            for number in 0..50_000 {
                let line = line
                    .replace("NUMBER", &number.to_string())
                    .replace("PORT", &(number % 65_535 + 1).to_string());
                text.write_str(&line).unwrap();
            }
        }
        let document = Document::parse(&text).unwrap();
        let began = Instant::now();
        let found = document.warnings().len();
        let took = began.elapsed();
        assert!(took.as_secs() < 5, "{line} took {took:?} to find {found}");
    }
}
