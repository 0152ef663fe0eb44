//! What is printed and read again is the same, and decides the same.

use proptest::prelude::*;

use crate::{CanonicalHost, Document, Entry, HandlerSource, Origin, Overrides, Policy, RequestFacts, Scheme};

fn nowhere(mut document: Document) -> Document {
    let lists = [&mut document.denied_hosts, &mut document.raw, &mut document.passthrough];
    let entries = lists.into_iter().flatten().chain(document.allowed_hosts.iter_mut().flatten());
    let fetched = document.handlers.values_mut().filter_map(|source| match source {
        HandlerSource::Wasm(wasm) => Some(&mut wasm.fetch),
        _ => None,
    });
    let bound = document.secrets.values_mut().filter_map(|secret| secret.hosts.as_mut());
    let over_tls = document.upstream_tls.iter_mut().flat_map(|entry| &mut entry.hosts);
    let entries = entries.chain(fetched.flatten()).chain(bound.flatten()).chain(over_tls);
    let routes = document.outbound_by_host.iter_mut().chain(&mut document.outbound);
    entries.chain(routes.map(|route| &mut route.entry)).for_each(|entry: &mut Entry| {
        entry.origin = Origin::Document { source: None, line: 0 };
    });
    document
}

fn check(text: &str) {
    let document = nowhere(Document::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}")));
    let printed = document.to_json();
    let again = Document::parse(&printed).unwrap_or_else(|fault| panic!("{printed}: {fault}"));
    assert_eq!(nowhere(again), document, "{printed}");
}

#[test]
fn everything_that_a_document_can_say() {
    for text in ["", "allowedHosts: []", "compat: cloudflare\nenableInternet: false", "presets: [github]"] {
        check(text);
    }
    check(crate::document::CREDENTIALS);
    check(&format!("compat: cloudflare\n{}", crate::document::CREDENTIALS));
    check(
        r#"
compat: cloudflare
deniedHosts: [{ host: "*evil*", name: evil, methods: [GET], paths: ["/a/**", "/b"], monitor: true }, 10.0.0.0/8]
allowedHosts: ["*", "git*.test:443", { host: "http://x.test", methods: [POST] }]
outboundByHost:
  z*.test: [a, b]
  a*.test: [{ handlers: w, params: { x: [1, -2.5, null] }, methods: [GET], paths: [/x], name: "a \"rule\"" }, { handlers: [b] }]
  "[2001:db8::/32]:443": a
outbound: [{ handlers: a, methods: [GET] }, { handlers: b }]
monitor: true
answer: { status: 418, headers: { x-a: b }, body: "no\ttea\u2028\n" }
raw: ["db.test:5432", { host: "[2001:db8::1]:22", name: ssh }]
passthrough: [pinned.test]
handlers:
  a: { inject: { x-a: "$${x} ${S}$5 ${S}" } }
  b: { respond: { status: 201, headers: { content-type: text/plain }, body: "b" } }
  c: { deny: { status: 451, reason: "because" } }
  d: { deny: {} }
  w: { wasm: /w.wasm, secrets: [S], params: { any: thing } }
  t: { wasm: "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", onError: pass }
  full:
    wasm: full.wasm
    sha256: 00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff
    version: 1.20
    secrets: [S]
    config: { REGION: "e\u2028\"u", EMPTY: "" }
    keyvalue: { KEYS: m, MORE: r, SAME: m }
    state: { MINE: k }
    blobstore: { BUCKET: o, REMOTE: b }
    rateLimits: { LIMITER: { limit: 10, periodMs: 60000 } }
    fetch: [x.test, "*git.test", { host: 10.1.0.0/16, methods: [GET], paths: [/a/**] }]
    calls: 1
    onError: deny
tail: [t, full]
stores:
  m: { memory: {} }
  k: { file: keys.db }
  r: { redis: { url: "rediss://[::1]:6380/3", username: app, password: S, prefix: "pe:" } }
  q: { redis: { url: "redis://r.test" } }
  o: { folder: /objects }
  b: { s3: { bucket: my.bucket-1, endpoint: "http://127.0.0.1:9000/", region: us-east-1, accessKeyId: S, secretAccessKey: F, prefix: "x/" } }
  c: { s3: { bucket: abc, region: auto, accessKeyId: S, secretAccessKey: F } }
secrets: { S: { env: S }, F: { file: /f } }
resolve: { b.test: [127.0.0.1, "::1"], "a.test:443": ["[::1]:8443"], "[2001:db8::1]:80": "127.0.0.1:1" }
dns: { servers: [192.0.2.53, "[2001:db8::53]:5353"], types: [TXT, CAA] }
upstreamRoots: [/a.pem]
upstreamTls:
- { hosts: ['*.a.test', 10.0.0.0/8], roots: [/r.pem], clientCertificate: { certificate: /c.pem, key: /k.pem } }
- { hosts: a.test:8443, crls: [/l.pem], requireStatus: true }
limits: { connectTimeoutMs: 1, dnsNewNamesPerMinute: 7 }
"#,
    );
}

fn rule() -> impl Strategy<Value = String> {
    let host =
        prop_oneof!["(\\*\\.)?[ab]\\.test(:443)?", "10\\.0\\.0\\.[0-3]", "https://\\*", "a\\.\\*\\.test"];
    let condition = prop_oneof![
        Just(String::new()),
        Just(", methods: [GET]".to_owned()),
        "(/[ab]){1,2}(/\\*|/\\*\\*)?".prop_map(|path| format!(", paths: ['{path}']")),
    ];
    (host, condition).prop_map(|(host, condition)| format!("{{ host: '{host}'{condition} }}"))
}

/// Every character by itself, which texts of chance would take long to find.
#[test]
fn every_character_comes_back() {
    for body in (char::MIN..=char::MAX).collect::<Vec<_>>().chunks(997).map(String::from_iter) {
        let answer = crate::Answer { status: 403, headers: Vec::new(), body };
        let document = Document { answer: Some(answer.into()), ..Document::default() };
        assert_eq!(Document::parse(&document.to_json()), Ok(document));
    }
}

proptest! {
    #[test]
    fn it_decides_the_same(
        denied in prop::collection::vec("(\\*\\.)?[ab]\\.b\\.test".prop_map(|host| format!("'{host}'")), 0..2),
        allowed in prop::option::of(prop::collection::vec(rule(), 0..4)),
        internet in any::<bool>(), host in "([ab]\\.){1,2}test", path in "(/[ab]){1,3}", method in "GET|POST",
    ) {
        let allowed = allowed.map(|list| format!("allowedHosts: [{}]\n", list.join(", "))).unwrap_or_default();
        let text = format!("{allowed}deniedHosts: [{}]\nenableInternet: {internet}", denied.join(", "));
        check(&text);
        let document = Document::parse(&text).unwrap();
        let again = Document::parse(&document.to_json()).unwrap();
        let host = CanonicalHost::parse(&host).unwrap();
        let facts = RequestFacts { scheme: Scheme::Https, host: &host, port: 443, method: &method, path: &path };
        let passes = |document: &Document| {
            Policy::compile(&nowhere(document.clone()), &Overrides::default()).decide(&facts)
        };
        prop_assert_eq!(passes(&document), passes(&again));
    }

    #[test]
    fn any_text_comes_back(body in any::<String>(), name in "[^\\p{Cc}]{1,100}") {
        let document = Document {
            answer: Some(crate::Answer { status: 403, headers: Vec::new(), body }.into()),
            denied_hosts: vec![Entry {
                name: Some(name.into()),
                ..Entry::new(crate::Pattern::parse("a.test").unwrap(), Origin::Document { source: None, line: 0 })
            }],
            ..Document::default()
        };
        let again = Document::parse(&document.to_json());
        prop_assert_eq!(again.map(nowhere), Ok(document));
    }
}
