//! Components with what they are granted, the stores they keep things in, and who hears of exchanges.

use super::{faults::check, *};
use crate::{AddressRefusal, Decision, RequestFacts, Scheme};

/// A component that is granted nothing.
pub(super) fn bare(component: ComponentSource) -> WasmSource {
    WasmSource {
        component,
        version: None,
        secrets: Vec::new(),
        params: json!(null),
        config: BTreeMap::new(),
        keyvalue: BTreeMap::new(),
        state: BTreeMap::new(),
        blobstore: BTreeMap::new(),
        rate_limits: BTreeMap::new(),
        fetch: Vec::new(),
        calls: None,
        on_error: OnError::Deny,
    }
}

/// Everything that can be said of components and stores.
pub(crate) const FULL: &str = r#"
secrets: { TOKEN: { env: T }, PASSWORD: { env: P } }
stores:
  scratch: { memory: {} }
  empty: { memory: }
  keys: { file: keys.db }
  shared: { redis: { url: "redis://127.0.0.1:6379/0", username: app, password: PASSWORD, prefix: "pe:" } }
  plain: { redis: { url: "rediss://redis.test" } }
  objects: { folder: /objects }
  remote: { s3: { bucket: b-1, endpoint: "http://127.0.0.1:9000/", region: us-east-1, accessKeyId: TOKEN, secretAccessKey: PASSWORD, prefix: "x/" } }
  amazon: { s3: { bucket: abc, region: eu-west-1, accessKeyId: TOKEN, secretAccessKey: PASSWORD } }
handlers:
  full:
    wasm: full.wasm
    sha256: 00ff11EE22dd33cc44bb55aa66997788123456789abcdef0123456789abcdef0
    version: 1.20
    secrets: [TOKEN]
    params: [1]
    config: { REGION: eu, PORT: 80, EMPTY: "" }
    keyvalue: { KEYS: keys, SHARED: shared, AGAIN: keys }
    state: { MINE: scratch }
    blobstore: { BUCKET: objects, REMOTE: remote }
    rateLimits: { LIMITER: { limit: 10, periodMs: 60000 } }
    fetch: [api.test, "*.org.test:8443", { host: 10.1.0.0/16, methods: GET, paths: /x/* }]
    calls: 10000
  watch: { wasm: "sha256:00FF11ee22dd33cc44bb55aa66997788123456789abcdef0123456789abcdef0", onError: pass }
outbound: full
tail: [watch, full]
"#;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn wasm<'a>(document: &'a Document, name: &str) -> &'a WasmSource {
    match document.handlers.get(name) {
        Some(HandlerSource::Wasm(wasm)) => wasm,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn all_that_a_component_is_granted() {
    let document = Document::default();
    let part = Part { source: None, base: Path::new("/base"), text: FULL };
    let document = document.and(&part).unwrap_or_else(|fault| panic!("{fault}"));
    let hash = "00ff11ee22dd33cc44bb55aa66997788123456789abcdef0123456789abcdef0";
    let full = wasm(&document, "full");
    let ComponentSource::Path { path, sha256: Some(sha256) } = &full.component else { panic!("{full:?}") };
    assert_eq!((path.as_path(), sha256.to_string().as_str()), (Path::new("/base/full.wasm"), hash));
    assert_eq!(sha256.0[..4], [0, 0xff, 0x11, 0xee]);
    let fetch = full.fetch.iter().map(|entry| entry.pattern.to_string()).collect::<Vec<_>>();
    assert_eq!(fetch, ["api.test", "*.org.test:8443", "10.1.0.0/16"]);
    let wanted = WasmSource {
        version: Some("1.20".to_owned()),
        secrets: words(&["TOKEN"]),
        params: json!([1]),
        config: map(&[("REGION", "eu"), ("PORT", "80"), ("EMPTY", "")]),
        keyvalue: map(&[("KEYS", "keys"), ("SHARED", "shared"), ("AGAIN", "keys")]),
        state: map(&[("MINE", "scratch")]),
        blobstore: map(&[("BUCKET", "objects"), ("REMOTE", "remote")]),
        rate_limits: [("LIMITER".to_owned(), RateLimit { limit: 10, period_ms: 60_000 })].into(),
        calls: Some(10_000),
        fetch: full.fetch.clone(),
        ..bare(full.component.clone())
    };
    assert_eq!(*full, wanted);
    let watch = WasmSource { on_error: OnError::Pass, ..bare(ComponentSource::Hash(*sha256)) };
    assert_eq!(*wasm(&document, "watch"), watch);
    assert_eq!(document.tail, ["watch", "full"]);
}

#[test]
fn the_stores_of_a_document() {
    let part = Part { source: None, base: Path::new("/base"), text: FULL };
    let stores = Document::default().and(&part).unwrap().stores;
    let some = |text: &str| Some(text.to_owned());
    let s3 = |bucket: &str, endpoint: Option<String>, region: &str, prefix: &str| StoreSource::S3 {
        bucket: bucket.to_owned(),
        endpoint,
        region: region.to_owned(),
        access_key_id: "TOKEN".to_owned(),
        secret_access_key: "PASSWORD".to_owned(),
        prefix: prefix.to_owned(),
    };
    let redis = |url: &str, username, password, prefix: &str| StoreSource::Redis {
        url: url.to_owned(),
        username,
        password,
        prefix: prefix.to_owned(),
    };
    for (name, wanted, secrets) in [
        ("scratch", StoreSource::Memory, &[][..]),
        ("empty", StoreSource::Memory, &[]),
        ("keys", StoreSource::File("/base/keys.db".into()), &[]),
        ("shared", redis("redis://127.0.0.1:6379/0", some("app"), some("PASSWORD"), "pe:"), &["PASSWORD"]),
        ("plain", redis("rediss://redis.test", None, None, ""), &[]),
        ("objects", StoreSource::Folder("/objects".into()), &[]),
        ("remote", s3("b-1", some("http://127.0.0.1:9000"), "us-east-1", "x/"), &["TOKEN", "PASSWORD"]),
        ("amazon", s3("abc", None, "eu-west-1", ""), &["TOKEN", "PASSWORD"]),
    ] {
        assert_eq!(stores.get(name), Some(&wanted), "{name}");
        assert_eq!(stores[name].secrets().collect::<Vec<_>>(), secrets, "{name}");
    }
    assert_eq!(stores.len(), 8);
}

#[test]
fn what_a_handler_may_fetch() {
    let document = Document::parse(FULL).unwrap();
    let (full, none) = (wasm(&document, "full").fetch_policy(), wasm(&document, "watch").fetch_policy());
    for (method, host, port, path, wanted) in [
        ("GET", "api.test", 443, "/", true),
        ("PUT", "api.test", 80, "/any", true),
        ("GET", "a.org.test", 8443, "/", true),
        ("GET", "a.org.test", 443, "/", false),
        ("GET", "org.test", 8443, "/", false),
        ("GET", "other.test", 443, "/", false),
        ("GET", "10.1.2.3", 443, "/x/a", true),
        ("PUT", "10.1.2.3", 443, "/x/a", false),
        ("GET", "10.1.2.3", 443, "/y", false),
        ("GET", "10.2.0.0", 443, "/x/a", false),
    ] {
        let name = CanonicalHost::parse(host).unwrap();
        let facts = RequestFacts { scheme: Scheme::Https, host: &name, port, method, path };
        let passes = |policy: &crate::Policy| matches!(policy.decide(&facts), Decision::Forward { .. });
        assert_eq!(passes(&full), wanted, "{method} {host}:{port}{path}");
        assert!(!passes(&none), "{host}");
    }
    let dials = |policy: &crate::Policy, address: &str| {
        policy.check_address(address.parse().unwrap(), Some(Scheme::Https))
    };
    assert_eq!(dials(&full, "10.1.2.3:443"), Ok(()));
    assert_eq!(dials(&full, "192.0.1.1:443"), Ok(()));
    for (policy, address) in [(&full, "10.2.0.0:443"), (&full, "127.0.0.1:443"), (&none, "10.1.2.3:443")] {
        assert!(matches!(dials(policy, address), Err(AddressRefusal::NotPublic { .. })), "{address}");
    }
}

#[test]
fn faults_of_components() {
    check(&[
        ("handlers: { h: { deny: {}, calls: 1 } }", "1:35: `calls` is for handlers with `wasm`"),
        ("handlers: { h: { deny: {}, fetch: [a.test] } }", "1:35: `fetch` is for handlers with `wasm`"),
        ("handlers: { h: { deny: {}, onError: pass } }", "1:37: `onError` is for handlers with `wasm`"),
        ("handlers: { h: { wasm: 'sha256:' } }", "1:24: `` is no SHA-256: it has 64 hexadecimal digits"),
        (
            "handlers: { h: { wasm: w, sha256: 12 } }",
            "1:35: `12` is no SHA-256: it has 64 hexadecimal digits",
        ),
        (
            "handlers: { h: { wasm: w, sha256: '+0000000000000000000000000000000000000000000000000000000000000ff' } }",
            "1:35: `+0000000000000000000000000000000000000000000000000000000000000ff` is no SHA-256: it has 64 hexadecimal digits",
        ),
        (
            "handlers: { h: { wasm: 'sha256:0000000000000000000000000000000000000000000000000000000000000000', sha256: x } }",
            "1:107: `wasm` says already what the content must be",
        ),
        (
            "handlers: { h: { wasm: w, version: '' } }",
            "1:36: a version has 1 to 64 printable ASCII characters",
        ),
        (
            "handlers: { h: { wasm: w, version: \"1\\n\" } }",
            "1:36: a version has 1 to 64 printable ASCII characters",
        ),
        ("handlers: { h: { wasm: w, calls: 0 } }", "1:34: `calls` must be from 1 to 10000"),
        ("handlers: { h: { wasm: w, calls: 10001 } }", "1:34: `calls` must be from 1 to 10000"),
        (
            "handlers: { h: { wasm: w, onError: passs } }",
            "1:36: `onError` is `deny` or `pass`, and not `passs`; did you mean `pass`?",
        ),
        (
            "handlers: { h: { wasm: w, rateLimits: { L: { limit: 0, periodMs: 1 } } } }",
            "1:53: `limit` must be from 1 to 4294967295",
        ),
        (
            "handlers: { h: { wasm: w, rateLimits: { L: { limit: 1, periodMs: 0 } } } }",
            "1:66: `periodMs` must be from 1 to 4294967295",
        ),
        (
            "handlers: { h: { wasm: w, rateLimits: { L: { limit: 1, period: 9 } } } }",
            "1:56: unknown key `period`; did you mean `periodMs`?",
        ),
    ]);
}

#[test]
fn faults_of_what_is_fetched() {
    check(&[
        (
            "handlers: { h: { wasm: w, fetch: [a.test, '*b.test'] } }",
            "1:43: pattern `*b.test`: a `*` must stand for whole labels; write `*.b.test` and `b.test`",
        ),
        (
            "handlers: { h: { wasm: w, fetch: [{ host: a.test, monitor: true }] } }",
            "1:43: `a.test`: only `host`, `methods` and `paths` can be said of what a handler may fetch; leave the other keys out",
        ),
        (
            "handlers: { h: { wasm: w, fetch: [{ host: a.test, name: x }] } }",
            "1:43: `a.test`: only `host`, `methods` and `paths` can be said of what a handler may fetch; leave the other keys out",
        ),
        (
            "handlers: { h: { wasm: w, fetch: [{ host: a.test, answer: {} }] } }",
            "1:43: `a.test`: only `host`, `methods` and `paths` can be said of what a handler may fetch; leave the other keys out",
        ),
    ]);
}

#[test]
fn faults_of_bindings() {
    check(&[
        (
            "stores: { keys: { memory: {} } }|handlers: { h: { wasm: w, keyvalue: { K: kyes } } }",
            "2:42: unknown store `kyes`; did you mean `keys`?",
        ),
        (
            "handlers: { h: { wasm: w, state: { K: keys } } }",
            "1:39: unknown store `keys`; declare it under `stores`",
        ),
        (
            "stores: { o: { folder: o } }|handlers: { h: { wasm: w, keyvalue: { K: o } } }",
            "2:42: `keyvalue` needs a store of keys and values, and `o` is none; name a store with `memory`, `file` or `redis`",
        ),
        (
            "stores: { o: { folder: o } }|handlers: { h: { wasm: w, state: { K: o } } }",
            "2:39: `state` needs a store of keys and values, and `o` is none; name a store with `memory`, `file` or `redis`",
        ),
        (
            "stores: { m: { memory: {} } }|handlers: { h: { wasm: w, blobstore: { B: m } } }",
            "2:43: `blobstore` needs a store of objects, and `m` is none; name a store with `folder` or `s3`",
        ),
        (
            "handlers: { h: { wasm: w, config: { A: x }, rateLimits: { A: { limit: 1, periodMs: 1 } } } }",
            "1:59: `A` is here a second time; secrets, strings, stores and limits of one handler have different names",
        ),
        (
            "secrets: { A: { env: A } }|handlers: { h: { wasm: w, secrets: [A], config: { A: x } } }",
            "2:51: `A` is here a second time; secrets, strings, stores and limits of one handler have different names",
        ),
        (
            "stores: { m: { memory: {} } }|handlers: { h: { wasm: w, keyvalue: { A: m }, state: { A: m } } }",
            "2:56: `A` is here a second time; secrets, strings, stores and limits of one handler have different names",
        ),
        (
            "secrets: { A: { env: A } }|handlers: { h: { wasm: w, secrets: [A, A] } }",
            "2:40: `A` is here a second time; secrets, strings, stores and limits of one handler have different names",
        ),
        (
            "handlers: { h: { wasm: w, config: { 'a b': x } } }",
            "1:37: `a b` is no name for a binding; write at most 64 letters, digits, `_` and `-`, with a letter or `_` first",
        ),
    ]);
}

#[test]
fn faults_of_stores() {
    let url = "write `redis://HOST:PORT/DATABASE`, or `rediss://` for TLS";
    let one = "needs exactly one of `memory`, `file`, `redis`, `folder` and `s3`";
    let s3 = |keys: &str| format!("secrets: {{ S: {{ env: S }} }}|stores: {{ s: {{ s3: {{ {keys} }} }} }}");
    let keys = "accessKeyId: S, secretAccessKey: S";
    let redis = |url: &str| format!("stores: {{ s: {{ redis: {{ url: '{url}' }} }} }}");
    let label =
        |least| format!("write {least} to 63 lower-case letters, digits, `-` and `.`, no mark at either end");
    for (text, wanted) in [
        ("stores: { s: {} }".to_owned(), format!("1:11: store `s` {one}")),
        ("stores: { s: { memory: {}, file: x } }".to_owned(), format!("1:11: store `s` {one}")),
        ("stores: { s: { memory: { size: 1 } } }".to_owned(), "1:26: unknown key `size`".to_owned()),
        ("stores: { s: { file: '' } }".to_owned(), "1:22: the file name is empty or holds a NUL".to_owned()),
        ("stores: { s: { fil: x } }".to_owned(), "1:16: unknown key `fil`; did you mean `file`?".to_owned()),
        ("stores: { 1s: { memory: {} } }".to_owned(), "1:11: `1s` is no name for a store; write at most 64 letters, digits, `_` and `-`, with a letter or `_` first".to_owned()),
        (redis("http://r.test"), format!("1:30: `http://r.test` is no URL of a Redis server; {url}")),
        (redis("redis://"), format!("1:30: `redis://` is no URL of a Redis server; {url}")),
        (redis("redis://r.test/x"), format!("1:30: `redis://r.test/x` is no URL of a Redis server; {url}")),
        (redis("redis://r.test:0"), format!("1:30: `redis://r.test:0` is no URL of a Redis server; {url}")),
        (redis("redis://:secret@r.test"), "1:30: a user and a password do not stand in a URL; write `username`, and under `password` the name of a secret".to_owned()),
        ("stores: { s: { redis: { url: 'redis://r.test', password: P } } }".to_owned(), "1:58: unknown secret `P`; declare it under `secrets`".to_owned()),
        ("stores: { s: { redis: { url: 'redis://r.test', prefix: 'a b' } } }".to_owned(), "1:56: a prefix has at most 256 printable ASCII characters and no space".to_owned()),
        (s3(&format!("bucket: B, region: r, {keys}")), format!("2:30: `B` is no name for a bucket; {}", label(3))),
        (s3(&format!("bucket: -abc, region: r, {keys}")), format!("2:30: `-abc` is no name for a bucket; {}", label(3))),
        (s3(&format!("bucket: a..b, region: r, {keys}")), format!("2:30: `a..b` is no name for a bucket; {}", label(3))),
        (s3(&format!("bucket: abc, region: '', {keys}")), format!("2:43: `` is no name for a region; {}", label(1))),
        (s3(&format!("bucket: abc, region: r, endpoint: s3.test, {keys}")), "2:56: `s3.test` is no endpoint; write `https://HOST` or `https://HOST:PORT`".to_owned()),
        (s3(&format!("bucket: abc, region: r, endpoint: 'https://s3.test/x', {keys}")), "2:56: `https://s3.test/x` is no endpoint; write `https://HOST` or `https://HOST:PORT`".to_owned()),
        (s3(&format!("bucket: abc, region: r, endpoint: 'https://s3.test?x', {keys}")), "2:56: `https://s3.test?x` is no endpoint; write `https://HOST` or `https://HOST:PORT`".to_owned()),
        (s3("bucket: abc, region: r, accessKeyId: K, secretAccessKey: S"), "2:59: unknown secret `K`; did you mean `S`?".to_owned()),
    ] {
        check(&[(&text, &wanted)]);
    }
}

#[test]
fn faults_of_chains_and_tails() {
    let nine = format!("handlers: {{ h: {{ deny: {{}} }} }}|outbound: [{}]", ["h"; 9].join(", "));
    check(&[
        (&nine, "2:36: more than 8 handlers behind each other"),
        (
            "handlers: { w: { wasm: w, onError: pass } }|outbound: w",
            "2:11: `w` has `onError: pass`, and requests cannot go through it; leave `onError` out, or name it under `tail` only",
        ),
        (
            "handlers: { w: { wasm: w, onError: pass } }|tail: [w]|outboundByHost: { a.test: { handlers: [w] } }",
            "3:40: `w` has `onError: pass`, and requests cannot go through it; leave `onError` out, or name it under `tail` only",
        ),
        (
            "handlers: { watch: { wasm: w } }|tail: [wacth]",
            "2:8: unknown handler `wacth`; did you mean `watch`?",
        ),
        ("tail: [w]", "1:8: unknown handler `w`; declare it under `handlers`"),
        (
            "handlers: { h: { deny: {} } }|tail: [h]",
            "2:8: `h` is no handler with `wasm`, and only such hear of exchanges",
        ),
        ("handlers: { w: { wasm: w } }|tail: [w, w]", "2:11: `w` is here a second time"),
        ("tail: w", "1:7: expected a list"),
    ]);
    let eight = nine.replacen("h, ", "", 1).replace('|', "\n");
    assert_eq!(Document::parse(&eight).map(|document| document.outbound[0].handlers.len()), Ok(8));
}

#[test]
fn components_are_bounded() {
    let list =
        |number: usize, item: &dyn Fn(usize) -> String| (0..number).map(item).collect::<Vec<_>>().join(", ");
    let config = |number| {
        let items = list(number, &|n| format!("B{n}: x"));
        format!("handlers:\n  w:\n    wasm: w\n    config: {{ {items} }}")
    };
    let fetch = |number| {
        let items = list(number, &|n| format!("h{n}.test"));
        format!("handlers:\n  w:\n    wasm: w\n    fetch: [{items}]")
    };
    let stores = |number| format!("stores: {{ {} }}", list(number, &|n| format!("s{n}: {{ memory: {{}} }}")));
    let tail = |number| {
        let handlers = list(number, &|n| format!("h{n}: {{ wasm: w }}"));
        format!("handlers: {{ {handlers} }}\ntail: [{}]", list(number, &|n| format!("h{n}")))
    };
    for (make, most, wanted) in [
        (&config as &dyn Fn(usize) -> String, 100, "more than 100 names in one handler"),
        (&fetch, 256, "more than 256 entries of `fetch`"),
        (&stores, 64, "more than 64 stores"),
        (&tail, 8, "more than 8 handlers under `tail`"),
    ] {
        assert_eq!(Document::parse(&make(most)).err(), None);
        assert_eq!(Document::parse(&make(most + 1)).unwrap_err().message, wanted);
    }
    let version = |length| format!("handlers: {{ w: {{ wasm: w, version: {} }} }}", "x".repeat(length));
    assert!(Document::parse(&version(64)).is_ok() && Document::parse(&version(65)).is_err());
}

/// `earlier`, then `later`, in a text in which `|` stands for a line break.
pub(super) fn two(earlier: &str, later: &str) -> Result<Document, Fault> {
    let text = |text: &str| text.replace('|', "\n");
    let document = Document::parse(&text(earlier)).unwrap_or_else(|fault| panic!("{earlier}: {fault}"));
    document.and(&Part { source: Some("later"), base: Path::new(""), text: &text(later) })
}

#[test]
fn several_parts_are_one() {
    let earlier = "handlers: { a: { wasm: a }, b: { wasm: b } }|tail: [a]|stores: { s: { memory: {} }, t: { memory: {} } }";
    let later =
        "tail: [b, a]|stores: { s: { file: s } }|handlers: { c: { wasm: c, keyvalue: { S: s, T: t } } }";
    let document = two(earlier, later).unwrap();
    assert_eq!(document.tail, ["a", "b"]);
    assert_eq!(document.stores["s"], StoreSource::File("s".into()));
    assert_eq!(wasm(&document, "c").keyvalue, map(&[("S", "s"), ("T", "t")]));
}

#[test]
fn a_later_part_keeps_earlier_ones_right() {
    for (earlier, later, wanted) in [
        (
            "handlers: { i: { inject: { x: '${S}' } }, h: { deny: {} } }|secrets: { S: { env: S } }|outbound: [i, h]",
            "|handlers: { h: { wasm: w } }",
            "2:13: `h` would see the secrets that are injected before it; name it before them",
        ),
        (
            "handlers: { h: { inject: { x: y } }, w: { wasm: w } }|outboundByHost: { a.test: [h, w] }",
            "secrets: { S: { env: S } }|handlers: { h: { inject: { x: '${S}' } } }",
            "2:13: `w` would see the secrets that are injected before it; name it before them",
        ),
        (
            "handlers: { w: { wasm: w } }|outbound: w",
            "handlers: { w: { wasm: w, onError: pass } }",
            "1:13: `w` has `onError: pass`, and requests cannot go through it; leave `onError` out, or name it under `tail` only",
        ),
        (
            "handlers: { w: { wasm: w } }|outbound: { handlers: w, params: 1 }",
            "handlers: { w: { deny: {} } }",
            "1:13: `params` are for handlers with `wasm`, and none of these is one",
        ),
        (
            "handlers: { w: { wasm: w } }|tail: [w]",
            "handlers: { w: { deny: {} } }",
            "1:13: `w` is no handler with `wasm`, and only such hear of exchanges",
        ),
        (
            "handlers: { w: { wasm: w, state: { S: s } } }|stores: { s: { memory: {} } }",
            "stores: { s: { folder: s } }",
            "1:11: `state` needs a store of keys and values, and `s` is none; name a store with `memory`, `file` or `redis`",
        ),
    ] {
        assert_eq!(two(earlier, later).unwrap_err().to_string(), wanted);
    }
    // What takes the place of the rule too is right.
    let earlier = "handlers: { w: { wasm: w } }|outbound: w";
    assert!(two(earlier, "handlers: { w: { wasm: w, onError: pass }, h: { deny: {} } }|outbound: h").is_ok());
}

proptest! {
    #[test]
    fn a_damaged_component_is_a_document_or_a_fault(
        start in 0..FULL.len(), length in 0usize..20, junk in "[\\PC\n]{0,6}"
    ) {
        let text = format!("{}{junk}{}", &FULL[..start], &FULL[(start + length).min(FULL.len())..]);
        match Document::parse(&text) {
            Err(fault) => prop_assert!((1..=text.lines().count() as u64 + 1).contains(&fault.line) && fault.column >= 1, "{}", fault),
            Ok(document) => {
                let again = Document::parse(&document.to_json());
                prop_assert_eq!(again.map(|again| again.to_json()), Ok(document.to_json()));
            }
        }
    }

    #[test]
    fn a_hash_is_printed_as_it_is_read(bytes in any::<[u8; 32]>()) {
        let hash = ContentHash(bytes);
        let text = format!("handlers: {{ w: {{ wasm: 'sha256:{hash}' }} }}");
        let document = Document::parse(&text).unwrap();
        prop_assert_eq!(&wasm(&document, "w").component, &ComponentSource::Hash(hash));
        prop_assert!(document.to_json().contains(&hash.to_string()));
    }
}
