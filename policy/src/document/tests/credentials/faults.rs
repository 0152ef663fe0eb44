//! Mistakes in single secrets: each with its place and its words.

use super::super::{faults::check, *};

#[test]
fn faults_of_sources() {
    let one = "needs exactly one of `env`, `file`, `command`, `credential`, `vault`, `redis`, `oauth2`, `jwtBearer` and `githubApp`";
    for (text, wanted) in [
        ("{}", format!("1:15: secret `A` {one}")),
        ("{ env: A, file: a }", format!("1:15: secret `A` {one}")),
        ("{ env: A, oauth2: { tokenUrl: x, clientId: y } }", format!("1:15: secret `A` {one}")),
        ("{ hosts: [a.test] }", format!("1:15: secret `A` {one}")),
    ] {
        check(&[(&format!("secrets: {{    A: {text} }}"), &wanted)]);
    }
    check(&[
        ("secrets: { A: { en: X } }", "1:17: unknown key `en`; did you mean `env`?"),
        (
            "secrets: { A: { env: A, allowPlantext: [] } }",
            "1:25: unknown key `allowPlantext`; did you mean `allowPlaintext`?",
        ),
        ("secrets: { A: { env: A=B } }", "1:22: the name of an environment variable has no `=`"),
        ("secrets: { A: { env: '' } }", "1:22: the variable name is empty or holds a NUL"),
        ("secrets: { A: { file: '' } }", "1:23: the file name is empty or holds a NUL"),
        ("secrets: { A: { file: 'a/${x' } }", "1:23: `${` has no `}`; write `$${` for a literal `${`"),
        (
            "secrets: { A: { file: 'a/${instanc}' } }",
            "1:23: `${instanc}` is neither `${instance}` nor `${class}`; did you mean `instance`?",
        ),
        (
            "secrets: { A: { command: { run: [] } } }",
            "1:33: no program is named; write `run: [PROGRAM, ARGUMENT, …]`",
        ),
        ("secrets: { A: { command: { run: x } } }", "1:33: expected a list"),
        ("secrets: { A: { command: { run: [''] } } }", "1:34: the program's name is empty or holds a NUL"),
        (r#"secrets: { A: { command: { run: [x, "\0"] } } }"#, "1:37: an argument holds no NUL"),
        ("secrets: { A: { command: { rnu: [x] } } }", "1:28: unknown key `rnu`; did you mean `run`?"),
        (
            "secrets: { A: { command: { run: [x], ttlSeconds: 0 } } }",
            "1:50: `ttlSeconds` must be from 1 to 86400",
        ),
        (
            "secrets: { A: { command: { run: [x], timeoutSeconds: 301 } } }",
            "1:54: `timeoutSeconds` must be from 1 to 300",
        ),
        ("secrets: { A: { credential: a/b } }", "1:29: `a/b` is no name for a credential"),
        ("secrets: { A: { credential: '..' } }", "1:29: `..` is no name for a credential"),
        (
            "secrets: { A: { redis: { store: r, key: k } } }",
            "1:33: unknown store `r`; declare it under `stores`",
        ),
        (
            "stores: { keys: { redis: { url: 'redis://r.test' } } }|secrets: { A: { redis: { store: kyes, key: k } } }",
            "2:33: unknown store `kyes`; did you mean `keys`?",
        ),
        (
            "secrets: { A: { redis: { store: r, key: k } } }|stores: { r: { memory: {} } }",
            "1:33: a secret is read from a store with `redis`, and `r` is none",
        ),
    ]);
}

/// A secret with these keys behind those of a right one.
fn vault(keys: &str) -> String {
    let keys = format!("address: 'https://v.test', path: a/b, field: f, auth: {{ token: T }}, {keys}");
    format!("secrets:|  T: {{ env: T }}|  A:|    vault:|      {{ {keys} }}")
}

/// A right one but for one key.
fn with(key: &str, value: &str) -> String {
    let mut keys = BTreeMap::from([
        ("address", "'https://v.test'"),
        ("path", "a/b"),
        ("field", "f"),
        ("auth", "{ token: T }"),
    ]);
    keys.insert(key, value);
    let keys: String = keys.iter().map(|(key, value)| format!("      {key}: {value}|")).collect();
    format!("secrets:|  T: {{ env: T }}|  A:|    vault:|{keys}")
}

#[test]
fn faults_of_servers() {
    for (text, wanted) in [
        (
            with("address", "v.test"),
            "5:16: `v.test` is no `address`; write `https://HOST` or `https://HOST:PORT`",
        ),
        (
            with("address", "https://v.test/x"),
            "5:16: `https://v.test/x` is no `address`; write `https://HOST` or `https://HOST:PORT`",
        ),
        (
            with("address", "http://v.test"),
            "5:16: `http://v.test` is asked for a secret without TLS; write `https://`",
        ),
        (
            with("address", "https://u:p@v.test"),
            "5:16: `https://u:p@v.test` is no `address`; write `https://HOST` or `https://HOST:PORT`",
        ),
        (
            with("path", "/a"),
            "8:13: `/a` is no path of Vault; write what stands behind `/v1/`, as in `secret/data/app`",
        ),
        (
            with("path", "a/../b"),
            "8:13: `a/../b` is no path of Vault; write what stands behind `/v1/`, as in `secret/data/app`",
        ),
        (
            with("path", "a?b"),
            "8:13: `a?b` is no path of Vault; write what stands behind `/v1/`, as in `secret/data/app`",
        ),
        (
            with("path", "a%2fb"),
            "8:13: `a%2fb` is no path of Vault; write what stands behind `/v1/`, as in `secret/data/app`",
        ),
        (with("field", "''"), "7:14: `field` has 1 to 1024 printable ASCII characters"),
    ] {
        check(&[(&text, wanted)]);
    }
}

#[test]
fn faults_of_logins() {
    for (text, wanted) in [
        (with("auth", "{}"), "6:13: `auth` needs exactly one of `token`, `appRole` and `kubernetes`"),
        (
            with("auth", "{ token: T, kubernetes: { role: r, jwtFile: j } }"),
            "6:13: `auth` needs exactly one of `token`, `appRole` and `kubernetes`",
        ),
        (with("auth", "{ token: TT }"), "6:22: unknown secret `TT`; did you mean `T`?"),
        (
            with("auth", "{ appRole: { roleId: r, secretId: X } }"),
            "6:47: unknown secret `X`; did you mean `A`?",
        ),
        (vault("ttlSeconds: 86401"), "5:89: `ttlSeconds` must be from 1 to 86400"),
        (vault("ttl: 1"), "5:77: unknown key `ttl`"),
    ] {
        check(&[(&text, wanted)]);
    }
}

#[test]
fn faults_of_tokens() {
    let oauth = |keys: &str| format!("secrets: {{ T: {{ env: T }}, A: {{ oauth2: {{|{keys} }} }} }}");
    let jwt = |keys: &str| {
        format!(
            "secrets: {{ T: {{ env: T }}, A: {{ jwtBearer: {{ tokenUrl: 'https://a.test', key: T, issuer: i,|{keys} }} }} }}"
        )
    };
    for (text, wanted) in [
        (
            oauth("tokenUrl: 'https://a.test', clientId: c"),
            "1:27: secret `A` needs a `clientSecret` or a `refreshToken`",
        ),
        (
            oauth("tokenUrl: 'https://a.test', clientId: c, refreshToken: T, clientAuth: body"),
            "2:71: `clientAuth` says how `clientSecret` is sent, and there is none",
        ),
        (
            oauth("tokenUrl: 'https://a.test', clientId: c, clientSecret: T, clientAuth: bsic"),
            "2:71: `bsic` is no `clientAuth`; did you mean `basic`?",
        ),
        (
            oauth("tokenUrl: 'https://a.test', clientId: c, clientSecret: U"),
            "2:56: unknown secret `U`; did you mean `A`?",
        ),
        (
            oauth("tokenUrl: 'http://a.test', clientId: c, clientSecret: T"),
            "2:11: `http://a.test` is asked for a secret without TLS; write `https://`",
        ),
        (
            oauth("tokenUrl: 'https://a.test/x#y', clientId: c, clientSecret: T"),
            "2:11: `https://a.test/x#y` is no `tokenUrl`; write `https://HOST/PATH`",
        ),
        (
            oauth("tokenUrl: 'https://a.test', clientId: \"\\u00e9\", clientSecret: T"),
            "2:39: `clientId` has 1 to 1024 printable ASCII characters",
        ),
        (jwt("algorithm: HS256"), "2:12: `HS256` is no `algorithm`; did you mean `RS256`?"),
        (jwt("algorithm: none"), "2:12: `none` is no `algorithm`; write RS256 or ES256"),
        (jwt("lifetimeSeconds: 3601"), "2:18: `lifetimeSeconds` must be from 1 to 3600"),
        (jwt("lifetime: 1"), "2:1: unknown key `lifetime`"),
    ] {
        check(&[(&text, wanted)]);
    }
}

#[test]
fn faults_of_apps() {
    let app = |keys: &str| format!("secrets: {{ T: {{ env: T }}, A: {{ githubApp: {{|{keys} }} }} }}");
    let many: String = (0..501).map(|n| format!("r{n},")).collect();
    for (text, wanted) in [
        (app("appId: 1, installationId: x, key: T"), "2:27: `x` is no `installationId`; write the number"),
        (app("appId: 1, installationId: -1, key: T"), "2:27: `-1` is no `installationId`; write the number"),
        (app("appId: a/b, installationId: 1, key: T"), "2:8: `a/b` is no `appId`"),
        (app("appId: 1, installationId: 1, key: T, repositories: []"), "2:52: name 1 to 500 repositories"),
        (
            app(&format!("appId: 1, installationId: 1, key: T, repositories: [{many}]")),
            "2:52: name 1 to 500 repositories",
        ),
        (
            app("appId: 1, installationId: 1, key: T, repositories: [o/r]"),
            "2:53: `o/r` is no `repository`; write `r`",
        ),
        (app("appId: 1, installationId: 1, key: T, repositories: [r, r]"), "2:56: `r` is here a second time"),
        (app("appId: 1, installationId: 1, key: T, permissions: {}"), "2:51: name 1 to 200 permissions"),
        (
            app("appId: 1, installationId: 1, key: T, permissions: { Contents: read }"),
            "2:53: `Contents` is no name for a permission",
        ),
        (
            app("appId: 1, installationId: 1, key: T, permissions: { contents: all }"),
            "2:63: a permission is `read`, `write` or `admin`, and not `all`",
        ),
        (
            app("appId: 1, installationId: 1, key: T, apiUrl: 'https://a.test/?x'"),
            "2:46: `https://a.test/?x` is no `apiUrl`; write `https://HOST/PATH`",
        ),
    ] {
        check(&[(&text, wanted)]);
    }
}

#[test]
fn faults_of_bindings() {
    let only =
        "only `host`, `methods` and `paths` can be said of the hosts of a secret; leave the other keys out";
    let many: String = (0..257).map(|n| format!("a{n}.test,")).collect();
    for (keys, wanted) in [
        ("hosts: []", "1:32: `hosts` has 1 to 256 entries".to_owned()),
        ("hosts:", "1:30: `hosts` has 1 to 256 entries".to_owned()),
        (&format!("hosts: [{many}]"), "1:32: `hosts` has 1 to 256 entries".to_owned()),
        ("hosts: a.test", "1:32: expected a list".to_owned()),
        ("hosts: [{ host: a.test, name: x }]", format!("1:41: `a.test`: {only}")),
        ("hosts: [{ host: a.test, monitor: true }]", format!("1:41: `a.test`: {only}")),
        ("hosts: ['http://a.test']", "1:33: `http://a.test`: a secret is not sent without TLS; write `https://a.test`, or the networks under `allowPlaintext`".to_owned()),
        ("hosts: ['*a.test']", "1:33: pattern `*a.test`: a `*` must stand for whole labels; write `*.a.test` and `a.test`".to_owned()),
        ("hosts: [{ host: a.test, paths: [a] }]", "1:57: path `a`: a path begins with `/`; write `/a`".to_owned()),
        ("instances: []", "1:36: no instance is named".to_owned()),
        ("classes:", "1:32: no class is named".to_owned()),
        ("instances: ['']", "1:37: the instance is empty or holds a NUL".to_owned()),
        ("classes: [\"a\\n\"]", "1:35: the class is too long or holds a control character".to_owned()),
        ("allowPlaintext: []", "1:41: no network is named".to_owned()),
        ("allowPlaintext: a.test", "1:41: `a.test` is no network; write an address, or a network as in `10.0.0.0/8`".to_owned()),
        ("allowPlaintext: ['10.0.0.1:80']", "1:42: `10.0.0.1:80` is no network; write an address, or a network as in `10.0.0.0/8`".to_owned()),
        ("allowPlaintext: [10.0.0.1/8]", "1:42: pattern `10.0.0.1/8`: the address has bits set beyond the prefix length; write `10.0.0.0/8` for the network or `10.0.0.1` for the address".to_owned()),
        ("scrub: yes", "1:32: expected `true` or `false`".to_owned()),
        ("scrub:", "1:30: expected `true` or `false`".to_owned()),
    ] {
        let text = format!("secrets: {{ A: {{ env: A,{keys} }} }}").replacen(",", ", ", 1);
        check(&[(&text, &wanted)]);
    }
    // Whatever `compat` says: a loose `*` would hand a secret to hosts that anyone can register.
    check(&[(
        "compat: cloudflare|secrets: { A: { env: A, hosts: ['*github.test'] } }",
        "2:33: pattern `*github.test`: a `*` must stand for whole labels; write `*.github.test` and `github.test`",
    )]);
}

#[test]
fn faults_of_placeholders() {
    let safe = "a placeholder has 16 to 512 visible ASCII characters, and no quotes, `%` or `\\`";
    let format = "write text with one `{N}`, for N random letters and digits, as in `pe_{40}`";
    for (placeholder, wanted) in [
        ("false", "2:1: `placeholder` is `true`, or says what it looks like; write `true`, keys with values, or leave it out".to_owned()),
        ("{ fromat: x }", "2:3: unknown key `fromat`; did you mean `format`?".to_owned()),
        ("{ format: 'a{16}', value: aaaaaaaaaaaaaaaa }", "2:27: a placeholder has a `format` or a `value`, and not both".to_owned()),
        ("{ format: x }", format!("2:11: `x` is no format for a placeholder; {format}")),
        ("{ format: 'a{16}{16}' }", format!("2:11: `a{{16}}{{16}}` is no format for a placeholder; {format}")),
        ("{ format: 'a{+16}' }", format!("2:11: `a{{+16}}` is no format for a placeholder; {format}")),
        ("{ format: 'a{}' }", format!("2:11: `a{{}}` is no format for a placeholder; {format}")),
        ("{ format: 'a}{16}' }", format!("2:11: `a}}{{16}}` is no format for a placeholder; {format}")),
        ("{ format: 'a{99999999999999999999999}' }", format!("2:11: `a{{99999999999999999999999}}` is no format for a placeholder; {format}")),
        ("{ format: 'a{15}' }", "2:11: a placeholder has 16 to 128 random characters, and not 15".to_owned()),
        ("{ format: 'a{129}' }", "2:11: a placeholder has 16 to 128 random characters, and not 129".to_owned()),
        ("{ format: 'a b{16}' }", format!("2:11: {safe}")),
        ("{ format: '{16}%' }", format!("2:11: {safe}")),
        (&format!("{{ format: '{}{{16}}' }}", "x".repeat(497)), format!("2:11: {safe}")),
        ("{ value: fifteen-letters }", format!("2:10: {safe}")),
        ("{ value: \"sixteen-letters\\\"\" }", format!("2:10: {safe}")),
        ("{ value: 'sixteen-letter''s' }", format!("2:10: {safe}")),
        ("{ value: 'sixteen-lett\\ers' }", format!("2:10: {safe}")),
        ("{ value: sixteen-letters`s }", format!("2:10: {safe}")),
        ("{ value: sixteen\u{e9}letters }", format!("2:10: {safe}")),
        (&format!("{{ value: {} }}", "x".repeat(513)), format!("2:10: {safe}")),
        ("{ env: A=B }", "2:8: the name of an environment variable has no `=`".to_owned()),
        ("{ in: [] }", "2:7: no place is named".to_owned()),
        ("{ in: [header] }", "2:8: `header` is no place in a request; did you mean `headers`?".to_owned()),
        ("{ in: [trailers-of-all] }", "2:8: `trailers-of-all` is no place in a request; write some of headers, basic, query, path, body, websocket".to_owned()),
    ] {
        check(&[(&format!("secrets: {{ A: {{ env: A, hosts: [a.test], placeholder:|{placeholder} }} }}"), &wanted)]);
    }
    check(&[(
        "secrets: { A: { env: A, placeholder: true } }",
        "1:38: a placeholder needs `hosts`; name the hosts that it is for",
    )]);
    let longest = format!(
        "secrets: {{ A: {{ env: A, hosts: [a.test], placeholder: {{ format: '{}{{16}}' }} }} }}",
        "x".repeat(496)
    );
    assert!(Document::parse(&longest).is_ok());
}
