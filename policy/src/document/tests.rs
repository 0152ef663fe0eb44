//! Whole documents and what they mean.

use proptest::prelude::*;
use serde_json::json;

use super::*;

pub(crate) mod credentials;
mod faults;
pub(crate) mod wasm;

const WHOLE: &str = r#"
deniedHosts: [evil.test, 'https://*.bad.test:443']
allowedHosts:
  - GOOD.test
  - 10.0.0.0/8
outboundByHost:
  good.test: token
  "[2001:db8::1]:443": [hello, refuse]
outbound: github
enableInternet: true
raw: ["*.db.test:5432", "[2001:db8::/32]:22"]
passthrough:
  - pinned.test
  - https://*.pinned.test:8443
handlers:
  token: { inject: { X-Auth-Token: "${API_TOKEN}", authorization: "Bearer ${API_TOKEN}, $${x} $5 ${OTHER}." } }
  refuse: { deny: { status: 451, reason: "not here" } }
  plain: { deny: {} }
  hello: { respond: { status: 201, headers: { Content-Type: text/plain }, body: "hello" } }
  empty: { respond: {} }
  github: { wasm: handlers/github.wasm, secrets: [API_TOKEN], params: { any: [1, null, x] } }
  bare: { wasm: bare.wasm }
secrets:
  API_TOKEN: { env: API_TOKEN_VARIABLE }
  OTHER: { file: secrets/other.txt }
resolve:
  api.example.test: 127.0.0.1
  "api.example.test:443": ["127.0.0.1:8443", "[::1]:8443", "::1"]
dns: { servers: [192.0.2.53, "192.0.2.54:5353", "[2001:db8::53]:5353"], types: [TXT, MX] }
upstreamRoots: [private-ca.pem]
limits: { connectTimeoutMs: 1, handlerMemoryMib: 128 }
"#;

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|&word| word.to_owned()).collect()
}

fn spelled(entries: &[Entry]) -> Vec<(String, u64)> {
    let line = |entry: &Entry| match entry.origin {
        Origin::Document { source: None, line } => line,
        _ => panic!("{entry:?}"),
    };
    entries.iter().map(|entry| (entry.pattern.to_string(), line(entry))).collect()
}

#[test]
fn the_hosts_of_a_document() {
    let document = Document::parse(WHOLE).unwrap();
    let at = |text: &str, line| (text.to_owned(), line);
    assert_eq!(spelled(&document.denied_hosts), [at("evil.test", 2), at("https://*.bad.test:443", 2)]);
    assert_eq!(spelled(&document.allowed_hosts.unwrap()), [at("good.test", 4), at("10.0.0.0/8", 5)]);
    let routes =
        document.outbound_by_host.iter().map(|route| (route.entry.pattern.to_string(), &route.handlers));
    let (token, two) = (words(&["token"]), words(&["hello", "refuse"]));
    assert_eq!(
        routes.collect::<Vec<_>>(),
        [("good.test".into(), &token), ("[2001:db8::1]:443".into(), &two)]
    );
    let outbound: Vec<&Vec<String>> = document.outbound.iter().map(|route| &route.handlers).collect();
    assert_eq!((outbound, document.enable_internet), (vec![&words(&["github"])], true));
    assert_eq!(spelled(&document.raw), [at("*.db.test:5432", 11), at("[2001:db8::/32]:22", 11)]);
    let passthrough = [at("pinned.test", 13), at("https://*.pinned.test:8443", 14)];
    assert_eq!(spelled(&document.passthrough), passthrough);
}

#[test]
fn the_handlers_of_a_document() {
    let handlers = Document::parse(WHOLE).unwrap().handlers;
    let text = |text: &str| TemplatePart::Text(text.to_owned());
    let secret = |name: &str| TemplatePart::Secret(name.to_owned());
    let authorization =
        vec![text("Bearer "), secret("API_TOKEN"), text(", ${x} $5 "), secret("OTHER"), text(".")];
    let wasm = |path: &str, secrets: &[&str], params| {
        let bare = wasm::bare(ComponentSource::Path { path: path.into(), sha256: None });
        HandlerSource::Wasm(Box::new(WasmSource { secrets: words(secrets), params, ..bare }))
    };
    for (name, wanted) in [
        (
            "token",
            HandlerSource::Inject(InjectSource {
                headers: vec![
                    ("x-auth-token".to_owned(), Template(vec![secret("API_TOKEN")])),
                    ("authorization".to_owned(), Template(authorization)),
                ],
                ..InjectSource::default()
            }),
        ),
        ("refuse", HandlerSource::Deny { status: 451, reason: Some("not here".to_owned()) }),
        ("plain", HandlerSource::Deny { status: 403, reason: None }),
        (
            "hello",
            HandlerSource::Respond {
                status: 201,
                headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
                body: "hello".to_owned(),
            },
        ),
        ("empty", HandlerSource::Respond { status: 200, headers: Vec::new(), body: String::new() }),
        ("github", wasm("handlers/github.wasm", &["API_TOKEN"], json!({ "any": [1, null, "x"] }))),
        ("bare", wasm("bare.wasm", &[], json!(null))),
    ] {
        assert_eq!(handlers.get(name), Some(&wanted), "{name}");
    }
    assert_eq!(handlers.len(), 7);
}

#[test]
fn the_rest_of_a_document() {
    let document = Document::parse(WHOLE).unwrap();
    let host = CanonicalHost::parse("api.example.test").unwrap();
    let to = |address: &str, port| ResolveTarget { address: address.parse().unwrap(), port };
    let resolve = [
        ResolveEntry { host: host.clone(), port: None, to: vec![to("127.0.0.1", None)] },
        ResolveEntry {
            host,
            port: Some(443),
            to: vec![to("127.0.0.1", Some(8443)), to("::1", Some(8443)), to("::1", None)],
        },
    ];
    assert_eq!(document.resolve, resolve);
    let servers = ["192.0.2.53:53", "192.0.2.54:5353", "[2001:db8::53]:5353"];
    assert_eq!(document.dns.servers, servers.map(|server| server.parse().unwrap()));
    assert_eq!(document.dns.types.iter().map(|kind| kind.code()).collect::<Vec<_>>(), [16, 15]);
    assert_eq!(document.upstream_roots, [Path::new("private-ca.pem")]);
    assert_eq!(
        document.limits,
        Limits { connect_timeout_ms: 1, handler_memory_mib: 128, ..Limits::default() }
    );
}

#[test]
fn an_empty_document_lets_nothing_pass() {
    for text in [
        "",
        "\n",
        "# nothing\n",
        "---\n",
        "{}",
        "~",
        "\u{feff}",
        "limits:\nhandlers:\ndeniedHosts:\nsecrets:",
    ] {
        assert_eq!(Document::parse(text), Ok(Document::default()), "{text:?}");
    }
    assert_eq!(Document::default().allowed_hosts, None);
    assert!(!Document::default().enable_internet);
}

#[test]
fn a_key_without_a_value_allows_nothing() {
    let allowed = Document::parse("allowedHosts:\nenableInternet: true").unwrap().allowed_hosts;
    assert_eq!(allowed, Some(Vec::new()));
}

#[test]
fn a_long_list_is_no_mistake() {
    let document = Document::parse(&format!("deniedHosts:\n{}", "- a.test\n".repeat(400_000))).unwrap();
    assert_eq!(document.denied_hosts.len(), 400_000);
}

#[test]
fn json_and_aliases_are_read_too() {
    for text in [
        r#"{"deniedHosts": ["a.test"], "allowedHosts": ["a.test"]}"#,
        "{\n\t\"deniedHosts\": [\"a.test\"],\n\t\"allowedHosts\": [\"\\u0061.test\"]\n}",
        "deniedHosts: &all [a.test]\nallowedHosts: *all",
    ] {
        let document = Document::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        let patterns = |entries: &[Entry]| entries.iter().map(|e| e.pattern.clone()).collect::<Vec<_>>();
        assert_eq!(patterns(&document.denied_hosts), patterns(&document.allowed_hosts.unwrap()), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_document_or_a_fault(text in any::<String>()) {
        if let Err(fault) = Document::parse(&text) {
            prop_assert!(fault.line >= 1 && fault.column >= 1);
        }
    }

    #[test]
    fn a_damaged_document_is_a_document_or_a_fault(
        start in 0..WHOLE.len(), length in 0usize..20, junk in "[\\PC\n]{0,6}"
    ) {
        let end = (start + length).min(WHOLE.len());
        let text = format!("{}{junk}{}", &WHOLE[..start], &WHOLE[end..]);
        if let Err(fault) = Document::parse(&text) {
            let lines = text.lines().count() as u64;
            prop_assert!((1..=lines + 1).contains(&fault.line) && fault.column >= 1, "{}", fault);
        }
    }
}
