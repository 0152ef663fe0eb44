//! Mistakes in what secrets mean together, and in the handlers that use them.

use super::super::{faults::check, wasm::two, *};

#[test]
fn placeholders_that_meet() {
    let two = |one: &str, other: &str| {
        let secret = |keys: &str| format!("{{ env: S, hosts: [a.test], {keys} }}");
        format!("secrets:|  A: {}|  B: {}", secret(one), secret(other))
    };
    let same = "`A` and `B` put their placeholders into the same variable, and one instance may use both";
    let alike = "`A` and `B` have placeholders that are taken for each other, and one instance may use both";
    let (env, fixed) = ("placeholder: { env: T }", "placeholder: { value: fixed-text-of-some-length }");
    for (one, other, wanted) in [
        (env, env, Some(same)),
        (fixed, fixed, Some(alike)),
        (fixed, "placeholder: { value: a-fixed-text-of-some-length! }", Some(alike)),
        (&format!("{env}, instances: [x]"), &format!("{env}, instances: [y, x]"), Some(same)),
        (&format!("{env}, instances: [x]"), &format!("{env}, classes: [x]"), Some(same)),
        (&format!("{env}, instances: [x]"), env, Some(same)),
        (&format!("{env}, instances: [x]"), &format!("{env}, instances: [y]"), None),
        (&format!("{fixed}, classes: [x]"), &format!("{fixed}, classes: [y]"), None),
        (&format!("{env}, classes: [x], instances: [i]"), &format!("{env}, classes: [y]"), Some(same)),
        (env, fixed, None),
        ("placeholder: true", "placeholder: true", None),
    ] {
        let text = two(one, other);
        match wanted {
            Some(wanted) => check(&[(&text, &format!("3:3: {wanted}"))]),
            None => assert!(Document::parse(&text.replace('|', "\n")).is_ok(), "{text}"),
        }
    }
    let many = |number| -> String {
        let one = |n| format!("  S{n}: {{ env: S, hosts: [a.test], placeholder: true }}\n");
        format!("secrets:\n{}", (100..100 + number).map(one).collect::<String>())
    };
    assert!(Document::parse(&many(256)).is_ok());
    assert_eq!(Document::parse(&many(257)).unwrap_err().to_string(), "258:3: more than 256 placeholders");
}

#[test]
fn secrets_that_are_made_of_themselves() {
    let oauth = |secret: &str| {
        format!("{{ oauth2: {{ tokenUrl: 'https://a.test', clientId: c, clientSecret: {secret} }} }}")
    };
    let store = "stores: { r: { redis: { url: 'redis://r.test', password: A } } }";
    for (text, wanted) in [
        (format!("secrets:|  A: {}", oauth("A")), "2:3: secret `A` is made of itself: `A` → `A`"),
        (
            format!("secrets:|  Z: {}|  A: {}|  B: {}", oauth("A"), oauth("B"), oauth("A")),
            "3:3: secret `A` is made of itself: `A` → `B` → `A`",
        ),
        (
            format!("secrets:|  A: {{ redis: {{ store: r, key: k }} }}|{store}"),
            "2:3: secret `A` is made of itself: `A` → `A`",
        ),
        (
            format!("{store}|secrets:|  A: {}|  B: {{ redis: {{ store: r, key: k }} }}", oauth("B")),
            "3:3: secret `A` is made of itself: `A` → `B` → `A`",
        ),
    ] {
        check(&[(&text, wanted)]);
    }
    let ring: String = (10..20)
        .map(|n| format!("  S{n}: {}|", oauth(&format!("S{}", if n == 19 { 10 } else { n + 1 }))))
        .collect();
    let told = "`S10` → `S11` → `S12` → `S13` → `S14` → `S15` → `S16` → `S17` → … → `S10`";
    check(&[(&format!("secrets:|{ring}"), &format!("2:3: secret `S10` is made of itself: {told}"))]);
    // No circle: two of the same, in any order.
    let text = format!("secrets:\n  A: {}\n  B: {}\n  C: {{ env: C }}", oauth("C"), oauth("A"));
    assert!(Document::parse(&text).is_ok());
    // However long the chain is, it takes no stack.
    let long: String = (0..5_000).map(|n| format!("  S{n}: {}\n", oauth(&format!("S{}", n + 1)))).collect();
    let last = format!("  S5000: {}", oauth("S0"));
    assert!(Document::parse(&format!("secrets:\n{long}  S5000: {{ env: S }}")).is_ok());
    assert!(Document::parse(&format!("secrets:\n{long}{last}")).is_err());
}

#[test]
fn a_later_part_keeps_secrets_right() {
    let redis =
        "secrets: { S: { redis: { store: r, key: k } } }|stores: { r: { redis: { url: 'redis://r.test' } } }";
    let oauth = |secret: &str| {
        format!("{{ oauth2: {{ tokenUrl: 'https://a.test', clientId: c, clientSecret: {secret} }} }}")
    };
    let pair = format!("secrets: {{ A: {}, B: {{ env: B }} }}", oauth("B"));
    let fake = "secrets: { A: { env: A, hosts: [a.test], placeholder: { env: T } } }";
    for (earlier, later, wanted) in [
        (
            redis,
            "|stores: { r: { memory: {} } }",
            "2:11: a secret is read from a store with `redis`, and `r` is none",
        ),
        (
            redis,
            "stores: { r: { redis: { url: 'redis://r.test', password: S } } }",
            "1:11: secret `S` is made of itself: `S` → `S`",
        ),
        (
            &pair,
            &format!("secrets: {{ B: {} }}", oauth("A")),
            "1:12: secret `A` is made of itself: `A` → `B` → `A`",
        ),
        (
            fake,
            "secrets: { B: { env: A, hosts: [a.test], placeholder: { env: T } } }",
            "1:12: `A` and `B` put their placeholders into the same variable, and one instance may use both",
        ),
    ] {
        assert_eq!(two(earlier, later).unwrap_err().to_string(), wanted);
    }
    // A later part may use what an earlier one declares.
    let later = format!("secrets: {{ T: {}, U: {{ redis: {{ store: r, key: u }} }} }}", oauth("S"));
    assert!(two(redis, &later).is_ok());
}

#[test]
fn faults_of_what_is_injected() {
    let with = |text: &str| format!("secrets: {{ T: {{ env: T }} }}|handlers: {{ h: {{|{text} }} }}");
    let kinds = "needs exactly one of `inject` (with `bearer`, `basic` and `query`), `sign`, `deny`, `respond` and `wasm`";
    let many: String = (0..101).map(|n| format!("p{n}: x,")).collect();
    for (text, wanted) in [
        (
            "bearer: '${T}', inject: { Authorization: x }",
            "3:9: the header `authorization` is written a second time".to_owned(),
        ),
        (
            "bearer: '${T}', basic: { username: u, password: p }",
            "3:36: the header `authorization` is written a second time".to_owned(),
        ),
        ("bearer: '${U}'", "3:9: unknown secret `U`; did you mean `T`?".to_owned()),
        (
            "bearer: \"a\\n\"",
            "3:9: the value of `bearer` holds something else than printable ASCII".to_owned(),
        ),
        ("bearer: '${T}', deny: {}", format!("2:13: handler `h` {kinds}")),
        ("query: { a: x }, wasm: w", format!("2:13: handler `h` {kinds}")),
        ("bearer: x, secrets: [T]", "3:21: `secrets` is for handlers with `wasm`".to_owned()),
        (
            "basic: { username: 'a:b', password: p }",
            "3:20: a `username` has no `:`, which is what ends it".to_owned(),
        ),
        ("basic: { user: a, password: p }", "3:10: unknown key `user`".to_owned()),
        (
            "basic: { username: u, password: '${P}' }",
            "3:33: unknown secret `P`; did you mean `T`?".to_owned(),
        ),
        ("query: { '': x }", "3:10: `` is no name for a parameter of a query".to_owned()),
        ("query: { 'a b': x }", "3:10: `a b` is no name for a parameter of a query".to_owned()),
        ("query: { a: '${b c}' }", "3:13: `b c` is no name for a secret".to_owned()),
        ("query: { a: '${TT}' }", "3:13: unknown secret `TT`; did you mean `T`?".to_owned()),
        (&format!("query: {{ {many} }}"), "3:700: more than 100 parameters".to_owned()),
    ] {
        check(&[(&with(text), &wanted)]);
    }
}

#[test]
fn faults_of_signatures() {
    let with = |text: &str| format!("secrets: {{ T: {{ env: T }} }}|handlers: {{ h: {{ sign:|{text} }} }}");
    for (text, wanted) in [
        ("{}", "3:1: `sign` needs exactly one of `aws` and `hmac`"),
        (
            "{ aws: { accessKeyId: T, secretAccessKey: T }, hmac: { secret: T, header: x } }",
            "3:1: `sign` needs exactly one of `aws` and `hmac`",
        ),
        ("{ asw: {} }", "3:3: unknown key `asw`; did you mean `aws`?"),
        ("{ aws: { accessKeyId: K, secretAccessKey: T } }", "3:23: unknown secret `K`; did you mean `T`?"),
        (
            "{ aws: { accessKeyId: T, secretAccessKey: T, sessionToken: S } }",
            "3:60: unknown secret `S`; did you mean `T`?",
        ),
        ("{ aws: { accessKeyId: T, secretAccessKey: T, region: EU } }", "3:54: `EU` is no name for a region"),
        (
            "{ aws: { accessKeyId: T, secretAccessKey: T, service: a/b } }",
            "3:55: `a/b` is no name for a service",
        ),
        ("{ hmac: { secret: T, header: Host } }", "3:30: the header `host` is the proxy's own to write"),
        ("{ hmac: { secret: T, header: x, timestampHeader: X } }", "3:50: `X` is here a second time"),
        (
            "{ hmac: { secret: T, header: x, algorithm: md5 } }",
            "3:44: `md5` is no `algorithm`; write sha256 or sha512 or sha1",
        ),
        (
            "{ hmac: { secret: T, header: x, encoding: HEX } }",
            "3:43: `HEX` is no `encoding`; did you mean `hex`?",
        ),
        ("{ hmac: { secret: T, header: x, over: [] } }", "3:39: no part is named"),
        (
            "{ hmac: { secret: T, header: x, over: [body, boddy] } }",
            "3:46: `boddy` is no part of a request that can be signed; did you mean `body`?",
        ),
        ("{ hmac: { secret: T, header: x, over: [body, body] } }", "3:46: `body` is here a second time"),
        (
            "{ hmac: { secret: T, header: x, over: [timestamp] } }",
            "3:40: nobody could check the time; name the header that it is sent in as `timestampHeader`",
        ),
        (
            "{ hmac: { secret: T, header: x, prefix: \"a\\n\" } }",
            "3:41: a `prefix` has at most 64 printable ASCII characters",
        ),
    ] {
        check(&[(&with(text), wanted)]);
    }
    check(&[
        (
            "secrets: { T: { env: T } }|handlers: { s: { sign: { hmac: { secret: T, header: x } } }, h: { inject: { y: z } } }|outbound: [s, h]",
            "3:15: `h` would change what is signed before it; name `sign` last",
        ),
        (
            "secrets: { T: { env: T } }|handlers: { s: { sign: { hmac: { secret: T, header: x } } }, b: { query: { y: '${T}' } }, w: { wasm: w } }|outbound: [b, w]",
            "3:15: `w` would see the secrets that are injected before it; name it before them",
        ),
    ]);
}

#[test]
fn faults_of_upgrades() {
    check(&[
        (
            "handlers: { h: { deny: {} } }|outbound: { handlers: h, upgrade: https }",
            "2:35: `upgrade` is for hosts that are known to have TLS, and not for all; write it under `outboundByHost`, for these hosts",
        ),
        (
            "handlers: { h: { deny: {} } }|compat: cloudflare|outbound: { handlers: h, upgrade: https }",
            "3:35: `upgrade` is for hosts that are known to have TLS, and not for all; write it under `outboundByHost`, for these hosts",
        ),
        (
            "handlers: { h: { deny: {} } }|outboundByHost: { '*': { handlers: h, upgrade: https } }",
            "2:48: `upgrade` is for hosts that are known to have TLS, and not for all; write it under `outboundByHost`, for these hosts",
        ),
        (
            "handlers: { h: { deny: {} } }|outboundByHost: { a.test: { handlers: h, upgrade: h2 } }",
            "2:51: `upgrade` is `https`, and not `h2`; write `https`",
        ),
        (
            "handlers: { h: { deny: {} } }|outboundByHost: { 'https://a.test': { handlers: h, upgrade: https } }",
            "2:61: `https://a.test` is for requests that have TLS already; leave `upgrade` or the scheme out",
        ),
    ]);
}
