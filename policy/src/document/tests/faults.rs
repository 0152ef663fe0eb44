//! Mistakes in documents: each with its place and its words.

use super::*;

/// In a text `|` stands for a line break.
pub(super) fn check(table: &[(&str, &str)]) {
    for (text, wanted) in table {
        let fault = Document::parse(&text.replace('|', "\n")).expect_err(text);
        assert_eq!(fault.to_string(), *wanted, "{text}");
    }
}

#[test]
fn keys() {
    check(&[
        ("bogus: 1", "1:1: unknown key `bogus`"),
        (
            "enableInternet: true|alowedHosts: []",
            "2:1: unknown key `alowedHosts`; did you mean `allowedHosts`?",
        ),
        ("denied_hosts: []", "1:1: unknown key `denied_hosts`; did you mean `deniedHosts`?"),
        (
            "limits:|  conectTimeoutMs: 3",
            "2:3: unknown key `conectTimeoutMs`; did you mean `connectTimeoutMs`?",
        ),
        ("handlers:|  a: { dney: {} }", "2:8: unknown key `dney`; did you mean `deny`?"),
        ("handlers:|  a:|    deny: {stauts: 403}", "3:12: unknown key `stauts`; did you mean `status`?"),
        ("handlers: {a: {respond: {boddy: x}}}", "1:26: unknown key `boddy`; did you mean `body`?"),
        ("secrets: {A: {envv: X}}", "1:15: unknown key `envv`; did you mean `env`?"),
        ("enableInternet: true|enableInternet: false", "2:1: duplicate key `enableInternet`"),
        ("outboundByHost:|  a.test: h|  a.test: h", "3:3: duplicate key `a.test`"),
        (
            "handlers: {h: {deny: {}}}|outboundByHost:|  a.test: h|  A.TEST.: h",
            "4:3: `A.TEST.` is here a second time",
        ),
        ("resolve:|  a.test: 127.0.0.1|  A.test: 127.0.0.1", "3:3: `A.test` is here a second time"),
        ("handlers:|  h: {deny: {}}|  h: {deny: {}}", "3:3: duplicate key `h`"),
    ]);
}

#[test]
fn names_of_handlers_and_secrets() {
    check(&[
        (
            "handlers: {token: {deny: {}}}|outboundByHost:|  a.test: tokn",
            "3:11: unknown handler `tokn`; did you mean `token`?",
        ),
        (
            "handlers: {token: {deny: {}}}|outboundByHost:|  a.test: [token, tokn]",
            "3:19: unknown handler `tokn`; did you mean `token`?",
        ),
        ("outbound: token", "1:11: unknown handler `token`; declare it under `handlers`"),
        ("outbound:|- token", "2:3: unknown handler `token`; declare it under `handlers`"),
        ("outbound: 3", "1:11: unknown handler `3`; declare it under `handlers`"),
        (
            "handlers: {i: {inject: {x-a: '${T}'}}, w: {wasm: a.wasm}}|secrets: {T: {env: T}}|outbound: [i, w]",
            "3:15: `w` would see the secrets that are injected before it; name it before them",
        ),
        ("outbound: []", "1:11: no handler is named"),
        ("outbound:|", "1:9: no handler is named"),
        ("outboundByHost:|  a.test: []", "2:11: no handler is named"),
        ("outboundByHost: {a.test: {h: 1}}", "1:27: unknown key `h`"),
        (
            "handlers:|  h: { inject: { x-a: 'a ${TOKN}' } }|secrets: { TOKEN: { env: A } }",
            "2:23: unknown secret `TOKN`; did you mean `TOKEN`?",
        ),
        (
            "handlers:|  h: { inject: { x-a: '${A}' } }",
            "2:23: unknown secret `A`; declare it under `secrets`",
        ),
        (
            "handlers:|  h:|    wasm: x.wasm|    secrets: [TOKEN, TOKN]|secrets: { TOKEN: { env: A } }",
            "4:22: unknown secret `TOKN`; did you mean `TOKEN`?",
        ),
        (
            "handlers: { 2h: { deny: {} } }",
            "1:13: `2h` is no name for a handler; write at most 64 letters, digits, `_` and `-`, with a letter or `_` first",
        ),
        (
            "secrets: { 'a b': { env: A } }",
            "1:12: `a b` is no name for a secret; write at most 64 letters, digits, `_` and `-`, with a letter or `_` first",
        ),
    ]);
}

#[test]
fn patterns() {
    check(&[
        (
            "deniedHosts: [a.test, '*github.com']",
            "1:23: pattern `*github.com`: a `*` must stand for whole labels; write `*.github.com` and `github.com`",
        ),
        (
            "allowedHosts:|- a.test|-   google.*",
            "3:5: pattern `google.*`: it ends in `*`, so anyone could register a name that it matches; write each domain in full",
        ),
        (
            "outboundByHost:|  a.test/x: h",
            "2:3: pattern `a.test/x`: a pattern names a host and has no path; write `a.test`",
        ),
        (
            "deniedHosts: ['\u{e9}\u{e9}', '\u{1f511}', 127.1]",
            "1:26: pattern `127.1`: a host that ends in a number must be an IPv4 address of four decimal numbers",
        ),
    ]);
}

#[test]
fn patterns_for_what_passes_unseen() {
    check(&[
        (
            "raw: ['a.test:22', db.example.com]",
            "1:20: `db.example.com`: a raw rule needs a port; write `db.example.com:5432`",
        ),
        ("raw:|- 10.0.0.0/8", "2:3: `10.0.0.0/8`: a raw rule needs a port; write `10.0.0.0/8:5432`"),
        ("raw: ['2001:db8::1']", "1:7: `2001:db8::1`: a raw rule needs a port; write `[2001:db8::1]:5432`"),
        (
            "raw: ['https://a.test']",
            "1:7: `https://a.test`: a raw rule is for bytes of any kind and has no scheme; write `a.test:443`",
        ),
        (
            "raw: ['http://a.test:8080']",
            "1:7: `http://a.test:8080`: a raw rule is for bytes of any kind and has no scheme; write `a.test:8080`",
        ),
        (
            "raw: ['*:22']",
            "1:7: `*:22`: a raw rule names hosts or networks; write `0.0.0.0/0:22` and `[::/0]:22` for every public address",
        ),
        ("raw: ['*']", "1:7: `*`: a raw rule needs a port; write `*:5432`"),
        (
            "raw: ['*db.test:22']",
            "1:7: pattern `*db.test:22`: a `*` must stand for whole labels; write `*.db.test` and `db.test`",
        ),
        ("raw: a.test:22", "1:6: expected a list"),
        (
            "passthrough: [a.test, '192.0.2.1']",
            "1:23: `192.0.2.1`: TLS is passed through by its server name, which is never an address; write names here, or `192.0.2.1:443` under `raw`",
        ),
        (
            "passthrough: ['[2001:db8::/32]:8443']",
            "1:15: `[2001:db8::/32]:8443`: TLS is passed through by its server name, which is never an address; write names here, or `[2001:db8::/32]:8443` under `raw`",
        ),
        (
            "passthrough:|  - http://a.test",
            "2:5: `http://a.test`: only TLS is passed through; write `a.test`",
        ),
        ("passtrough: []", "1:1: unknown key `passtrough`; did you mean `passthrough`?"),
    ]);
}

#[test]
fn aliases_are_placed_where_they_are_used() {
    check(&[
        ("handlers: { h: { wasm: x, params: &p { 'bad:': 1 } } }|limits: *p", "2:9: unknown key `bad:`"),
        ("handlers: { h: { wasm: x, params: &p { deny: 1 } }, k: *p }", "1:56: expected keys with values"),
        (
            "handlers: { h: { wasm: x, params: &p { dney: 1 } }, k: *p }",
            "1:56: unknown key `dney`; did you mean `deny`?",
        ),
        (
            "handlers: { h: { wasm: &p nothing } }|outbound: *p",
            "2:11: unknown handler `nothing`; declare it under `handlers`",
        ),
    ]);
}

#[test]
fn types() {
    check(&[
        ("deniedHosts: a.test", "1:14: expected a list"),
        ("deniedHosts: {a: b}", "1:14: expected a list"),
        ("deniedHosts: [[a.test]]", "1:15: expected a word or keys with values, found sequence"),
        ("deniedHosts: [a.test, ~]", "1:23: expected a word or keys with values, found unit value"),
        ("enableInternet: yes", "1:17: expected `true` or `false`"),
        ("enableInternet:", "1:15: expected `true` or `false`"),
        ("handlers: [a]", "1:11: expected keys with values"),
        ("handlers:|  a: x", "2:6: expected keys with values"),
        ("[]", "1:1: expected keys with values"),
        ("deniedHosts: [!secret a.test]", "1:23: unsupported tag `!secret`"),
        ("<<: {enableInternet: true}", "1:1: merge keys (`<<`) are not supported"),
    ]);
}

#[test]
fn kinds_of_handlers() {
    check(&[
        (
            "handlers:|  h: { deny: {}, respond: {} }",
            "2:3: handler `h` needs exactly one of `inject` (with `bearer`, `basic` and `query`), `sign`, `deny`, `respond` and `wasm`",
        ),
        (
            "handlers: { h: {} }",
            "1:13: handler `h` needs exactly one of `inject` (with `bearer`, `basic` and `query`), `sign`, `deny`, `respond` and `wasm`",
        ),
        (
            "handlers: { h: }",
            "1:13: handler `h` needs exactly one of `inject` (with `bearer`, `basic` and `query`), `sign`, `deny`, `respond` and `wasm`",
        ),
        ("handlers: { h: { deny: {}, secrets: [] } }", "1:37: `secrets` is for handlers with `wasm`"),
        ("handlers: { h: { deny: {}, params: 1 } }", "1:36: `params` is for handlers with `wasm`"),
        ("handlers: { h: { deny: { status: 200 } } }", "1:34: the status must be from 400 to 599"),
        ("handlers: { h: { deny: { status: 600 } } }", "1:34: the status must be from 400 to 599"),
        ("handlers: { h: { respond: { status: 199 } } }", "1:37: the status must be from 200 to 599"),
        (
            "handlers: { h: { deny: { status: 70000 } } }",
            "1:34: expected a whole number that is not too large",
        ),
    ]);
}

#[test]
fn headers_of_handlers() {
    check(&[
        ("handlers: { h: { wasm: '' } }", "1:24: the file name is empty or holds a NUL"),
        ("handlers: { h: { inject: { 'a b': x } } }", "1:28: `a b` is no name for a header"),
        ("handlers: { h: { inject: { '': x } } }", "1:28: `` is no name for a header"),
        ("handlers: { h: { inject: { Host: x } } }", "1:28: the header `host` is the proxy's own to write"),
        (
            "handlers: { h: { inject: { Proxy-Authorization: x } } }",
            "1:28: the header `proxy-authorization` is the proxy's own to write",
        ),
        (
            "handlers: { h: { respond: { headers: { content-length: 1 } } } }",
            "1:40: the header `content-length` is the proxy's own to write",
        ),
        ("handlers: { h: { inject: { X-A: x, x-a: y } } }", "1:36: `x-a` is here a second time"),
        (
            r#"handlers: { h: { inject: { x-a: "x\r\nhost: y" } } }"#,
            "1:33: the value of `x-a` holds something else than printable ASCII",
        ),
        (
            r#"handlers: { h: { respond: { headers: { x-a: "\0" } } } }"#,
            "1:45: the value of `x-a` holds something else than printable ASCII",
        ),
        (
            "handlers: { h: { inject: { x-a: '${A' } } }",
            "1:33: `${` has no `}`; write `$${` for a literal `${`",
        ),
        ("handlers: { h: { inject: { x-a: '${}' } } }", "1:33: `` is no name for a secret"),
        ("handlers: { h: { inject: { x-a: '${a b}' } } }", "1:33: `a b` is no name for a secret"),
    ]);
}

#[test]
fn resolve_roots_and_limits() {
    check(&[
        (
            "resolve: { '*.a.test': 127.0.0.1 }",
            "1:12: `*.a.test` is no host: a host may only hold letters, digits, `-`, `_` and `.`",
        ),
        (
            "resolve: { a.test: [127.0.0.1, b.test] }",
            "1:32: `b.test` is no address; write an IP address, or an IP address and a port as in `127.0.0.1:8443` or `[::1]:8443`",
        ),
        ("resolve: { a.test: }", "1:18: no address is named"),
        ("upstreamRoots: ['']", "1:17: the file name is empty or holds a NUL"),
        ("limits: { handlerCpuMs: 0 }", "1:25: `handlerCpuMs` must not be zero"),
        ("limits: { handlerCpuMs: -1 }", "1:25: expected a whole number that is not too large"),
        ("limits: { handlerCpuMs: 4294967296 }", "1:25: expected a whole number that is not too large"),
        ("limits: { handlerCpuMs: soon }", "1:25: expected a whole number that is not too large"),
    ]);
}

#[test]
fn look_ups() {
    check(&[
        ("dns: { server: [] }", "1:8: unknown key `server`; did you mean `servers`?"),
        ("dns: [TXT]", "1:6: expected keys with values"),
        (
            "dns:|  servers: [1.1.1.1, dns.test]",
            "2:22: `dns.test` is no address; write an IP address, or an IP address and a port as in `127.0.0.1:8443` or `[::1]:8443`",
        ),
        (
            "dns: { types: [TXT, TXTT] }",
            "1:21: `TXTT` is no type of record that can be let through; did you mean `TXT`?",
        ),
        (
            "dns:|  types: [ANY]",
            "2:11: `ANY` is no type of record that can be let through; write one of NS, SOA, MX, TXT, SRV, NAPTR, DS, SSHFP, DNSKEY, TLSA, SMIMEA, OPENPGPKEY, CAA",
        ),
        ("limits: { dnsTimeoutMs: 0 }", "1:25: `dnsTimeoutMs` must not be zero"),
    ]);
}

#[test]
fn syntax() {
    check(&[
        ("deniedHosts: [a", "1:14: unclosed bracket '['"),
        ("deniedHosts:|- a|  b: c", "3:4: mapping values are not allowed in this context"),
        ("deniedHosts: [*b]", "1:15: alias references unknown anchor"),
        ("---|---|", "2:4: more than one document"),
    ]);
}

#[test]
fn a_document_is_bounded() {
    let inner_stars: String = (0..1_001).map(|n| format!("- a.*.b{n}.test\n")).collect();
    let headers: String = (0..101).map(|n| format!("      x-{n}: y\n")).collect();
    let anchors: String = (1..30).map(|n| format!("    - &a{n} [*a{}, *a{}]\n", n - 1, n - 1)).collect();
    for (text, wanted) in [
        (" ".repeat(4 * 1024 * 1024 + 1), "1:1: the document is larger than 4 MiB"),
        (
            format!("allowedHosts:\n{inner_stars}"),
            "1002:3: more than 1000 patterns have a `*` behind another label or amid a path",
        ),
        (format!("handlers:\n  h:\n    inject:\n{headers}"), "104:7: more than 100 headers"),
        (
            format!("handlers:\n  h:\n    wasm: x\n    params:\n    {}x", "- ".repeat(40)),
            "5:63: the document has too many or too deeply nested parts",
        ),
        (
            format!("handlers: {{ h: {{ wasm: x, params: {}", "[".repeat(100_000)),
            "1:288: recursion limit exceeded",
        ),
        (
            format!("handlers:\n  h:\n    wasm: x\n    params:\n    - &a0 x\n{anchors}"),
            "20:13: the document has too many or too deeply nested parts",
        ),
    ] {
        let fault = Document::parse(&text).unwrap_err().to_string();
        assert_eq!(fault, wanted);
    }
    let longest = "x".repeat(65);
    assert!(Document::parse(&format!("secrets: {{ {longest}: {{ env: A }} }}")).is_err());
}
