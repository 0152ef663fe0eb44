//! Secrets: their sources, what they are bound to, their placeholders; and the handlers that use them.

use std::collections::BTreeSet;

use super::*;

mod faults;
mod whole;

/// All that can be said of secrets.
pub(crate) const ALL: &str = r#"
secrets:
  ENV: { env: API_TOKEN_VARIABLE }
  FILE: { file: secrets/other.txt }
  OWN_FILE: { file: "/run/${instance}/${class}-$${x}" }
  COMMAND: { command: { run: [./get, "--for=${instance}", ""], ttlSeconds: 60, timeoutSeconds: 3 } }
  BY_NAME: { command: { run: [pass] } }
  CREDENTIAL: { credential: "token-${class}" }
  VAULT: { vault: { address: "https://vault.test:8200/", path: "secret/data/${class}", field: token, auth: { token: ENV }, namespace: team, ttlSeconds: 30 } }
  ROLE: { vault: { address: "http://127.0.0.1:8200", path: database/creds/app, field: password, auth: { appRole: { roleId: r, secretId: LATER } } } }
  POD: { vault: { address: "https://v.test", path: kv/app, field: x, auth: { kubernetes: { role: r, jwtFile: jwt } } } }
  REDIS: { redis: { store: r, key: "${instance}:token" } }
  OAUTH: { oauth2: { tokenUrl: "https://as.test/token?tenant=1", clientId: id, clientSecret: ENV, scope: "a b", audience: api, clientAuth: body } }
  REFRESH: { oauth2: { tokenUrl: "http://localhost:1/token", clientId: id, refreshToken: ENV } }
  JWT: { jwtBearer: { tokenUrl: "https://as.test/token", key: FILE, algorithm: ES256, keyId: k, issuer: i, subject: s, audience: a, scope: c, lifetimeSeconds: 60 } }
  APP: { githubApp: { appId: 12345, installationId: 678, key: FILE, apiUrl: "https://github.test/api/v3/", repositories: [one, two.x], permissions: { contents: read, pull_requests: write } } }
  LATER: { env: LATER }
  BOUND:
    env: GITHUB_TOKEN
    hosts: [api.github.test, { host: "https://uploads.github.test:8443", methods: [POST], paths: [/repos/**] }, "http://*.test"]
    instances: [web-1]
    classes: [builder, "two words"]
    placeholder: { env: GH_TOKEN, format: "ghp_{36}", in: [body, headers] }
    scrub: false
    allowPlaintext: [10.0.0.0/8, "::1"]
  FAKE: { env: F, hosts: [a.test], placeholder: true }
  FIXED: { env: F, hosts: [a.test], placeholder: { value: fixed-text-of-some-length } }
handlers:
  inject: { inject: { x-a: "a ${ENV}" }, query: { api_key: "${FILE}", v: "1" }, basic: { username: "x-${ENV}", password: "${FILE}" } }
  bearer: { bearer: "${ENV}" }
  query: { query: { key: "${ENV}" } }
  aws: { sign: { aws: { accessKeyId: ENV, secretAccessKey: FILE, sessionToken: LATER, region: eu-west-1, service: s3 } } }
  plain: { sign: { aws: { accessKeyId: ENV, secretAccessKey: FILE } } }
  hook: { sign: { hmac: { secret: ENV, header: X-Signature, algorithm: sha512, encoding: base64, prefix: "v1=", timestampHeader: X-Time, over: [timestamp, method, host, path, query, body], separator: ":" } } }
  short: { sign: { hmac: { secret: ENV, header: x-s } } }
stores: { r: { redis: { url: "redis://r.test", password: ENV } } }
outboundByHost:
  api.github.test: { handlers: [inject, aws], upgrade: https }
  "http://b.test": [{ handlers: bearer, methods: [GET], upgrade: https }, { handlers: query }]
"#;

fn source(name: &str) -> SecretSource {
    Document::parse(ALL).unwrap().secrets[name].source.clone()
}

fn rendered(text: &InstanceText) -> String {
    text.render(&InstanceFacts { id: "i-1", class: "c" }).unwrap()
}

#[test]
fn sources_on_this_machine() {
    assert_eq!(source("ENV"), SecretSource::Env("API_TOKEN_VARIABLE".to_owned()));
    for (name, wanted) in [
        ("FILE", "secrets/other.txt"),
        ("OWN_FILE", "/run/i-1/c-${x}"),
        ("CREDENTIAL", "token-c"),
        ("REDIS", "i-1:token"),
    ] {
        let (SecretSource::File(text)
        | SecretSource::Credential(text)
        | SecretSource::Redis(RedisSource { key: text, ttl_seconds: 300, .. })) = source(name)
        else {
            panic!("{name}")
        };
        assert_eq!((rendered(&text), text.varies()), (wanted.to_owned(), name != "FILE"));
    }
    let SecretSource::Command(command) = source("COMMAND") else { panic!() };
    assert_eq!(command.program, "./get");
    assert_eq!(command.arguments.iter().map(rendered).collect::<Vec<_>>(), ["--for=i-1", ""]);
    assert_eq!((command.ttl_seconds, command.timeout_seconds), (60, 3));
    let SecretSource::Command(command) = source("BY_NAME") else { panic!() };
    assert_eq!((&*command.program, command.ttl_seconds, command.timeout_seconds), ("pass", 300, 10));
    assert_eq!(command.arguments, []);
}

#[test]
fn relative_files_start_from_the_documents_folder() {
    let part = |base| Part { source: None, base: Path::new(base), text: ALL };
    let document = |base| Document::default().and(&part(base)).unwrap();
    let file = |name: &str| match &document("/etc/pe${x}").secrets[name].source {
        SecretSource::File(text) => rendered(text),
        SecretSource::Command(command) => command.program.clone(),
        SecretSource::Vault(vault) => match &vault.auth {
            VaultAuth::Kubernetes { jwt_file, .. } => jwt_file.clone(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    assert_eq!(file("FILE"), "/etc/pe${x}/secrets/other.txt");
    assert_eq!(file("OWN_FILE"), "/run/i-1/c-${x}");
    assert_eq!(file("COMMAND"), "/etc/pe${x}/./get");
    assert_eq!(file("BY_NAME"), "pass");
    assert_eq!(file("POD"), "/etc/pe${x}/jwt");
    let own = "secrets: { S: { file: '${instance}.txt' } }";
    let own = Document::default().and(&Part { source: None, base: Path::new("/a"), text: own }).unwrap();
    let SecretSource::File(text) = &own.secrets["S"].source else { panic!() };
    assert_eq!(rendered(text), "/a/i-1.txt");
    let again = Document::parse(&own.to_json()).unwrap();
    assert_eq!(again.secrets, own.secrets);
}

#[test]
fn a_folder_that_is_not_text() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let base = Path::new(OsStr::from_bytes(b"/\xff"));
    let read = |text| Document::default().and(&Part { source: None, base, text });
    let fault = read("secrets: { S: { file: x } }").unwrap_err().to_string();
    assert_eq!(fault, "1:23: the document's folder has a name that is not UTF-8; write an absolute path");
    assert!(read("secrets: { S: { command: { run: [./x] } } }").is_err());
    assert!(read("secrets: { S: { file: /x }, T: { command: { run: [x, y] } } }").is_ok());
}

#[test]
fn who_a_text_is_for() {
    let Ok(SecretSource::File(text)) = Document::parse("secrets: { S: { file: 'a/${instance}/${class}' } }")
        .map(|document| document.secrets["S"].source.clone())
    else {
        panic!()
    };
    for (id, class, wanted) in [
        ("i", "c", Some("a/i/c")),
        ("a.b-c_1", "\u{e9}", Some("a/a.b-c_1/\u{e9}")),
        ("", "c", None),
        ("i", "", None),
        (".", "c", None),
        ("..", "c", None),
        ("a..b", "c", None),
        ("a/b", "c", None),
        ("a\\b", "c", None),
        ("a?b", "c", None),
        ("a", "#", None),
        ("%2e", "c", None),
        ("i", "c\n", None),
        ("i\0", "c", None),
    ] {
        assert_eq!(text.render(&InstanceFacts { id, class }).ok().as_deref(), wanted, "{id} {class}");
    }
    let error = text.render(&InstanceFacts { id: "..", class: "c" }).unwrap_err().to_string();
    assert!(error.starts_with("`..` cannot stand for `${instance}`"), "{error}");
}

#[test]
fn sources_on_servers() {
    let SecretSource::Vault(vault) = source("VAULT") else { panic!() };
    let VaultSource { address, path, field, auth, namespace, ttl_seconds } = *vault;
    assert_eq!(
        (&*address, &*rendered(&path), &*field),
        ("https://vault.test:8200", "secret/data/c", "token")
    );
    assert_eq!((auth, namespace.as_deref()), (VaultAuth::Token("ENV".to_owned()), Some("team")));
    assert_eq!(ttl_seconds, Some(30));
    let SecretSource::Vault(vault) = source("ROLE") else { panic!() };
    let role = VaultAuth::AppRole { role_id: "r".to_owned(), secret_id: "LATER".to_owned() };
    assert_eq!((vault.auth, vault.ttl_seconds), (role, None));
    let SecretSource::Vault(vault) = source("POD") else { panic!() };
    let pod = VaultAuth::Kubernetes { role: "r".to_owned(), jwt_file: "jwt".to_owned() };
    assert_eq!(vault.auth, pod);
    let SecretSource::OAuth2(oauth) = source("OAUTH") else { panic!() };
    assert_eq!(&*oauth.token_url, "https://as.test/token?tenant=1");
    assert_eq!((oauth.client_secret.as_deref(), oauth.refresh_token), (Some("ENV"), None));
    assert_eq!((oauth.scope.as_deref(), oauth.audience.as_deref()), (Some("a b"), Some("api")));
    assert_eq!(oauth.client_auth, ClientAuth::Body);
    let SecretSource::OAuth2(oauth) = source("REFRESH") else { panic!() };
    assert_eq!((oauth.client_secret, oauth.refresh_token.as_deref()), (None, Some("ENV")));
    assert_eq!(oauth.client_auth, ClientAuth::Basic);
    let SecretSource::JwtBearer(jwt) = source("JWT") else { panic!() };
    assert_eq!((&*jwt.key, jwt.algorithm, jwt.lifetime_seconds), ("FILE", JwtAlgorithm::Es256, 60));
    let SecretSource::GithubApp(app) = source("APP") else { panic!() };
    assert_eq!((&*app.app_id, app.installation_id), ("12345", 678));
    assert_eq!((&*app.api_url, app.repositories), ("https://github.test/api/v3", words(&["one", "two.x"])));
    assert_eq!(app.permissions["pull_requests"], "write");
}

#[test]
fn what_secrets_are_made_of() {
    for (name, wanted, key) in [
        ("ENV", &[][..], None),
        ("VAULT", &["ENV"], None),
        ("ROLE", &["LATER"], None),
        ("POD", &[], None),
        ("REDIS", &[], None),
        ("OAUTH", &["ENV"], None),
        ("REFRESH", &["ENV"], None),
        ("JWT", &["FILE"], Some("FILE")),
        ("APP", &["FILE"], Some("FILE")),
    ] {
        let source = source(name);
        assert_eq!((source.secrets().collect::<Vec<_>>(), source.key()), (wanted.to_vec(), key), "{name}");
    }
}

#[test]
fn what_secrets_are_bound_to() {
    let secrets = Document::parse(ALL).unwrap().secrets;
    let bound = &secrets["BOUND"];
    let hosts = bound.hosts.as_deref().unwrap();
    assert_eq!(
        hosts.iter().map(|entry| entry.pattern.to_string()).collect::<Vec<_>>(),
        ["api.github.test", "https://uploads.github.test:8443", "http://*.test"]
    );
    assert_eq!(hosts[1].condition.methods, ["POST"]);
    assert_eq!((&bound.instances, &bound.classes), (&words(&["web-1"]), &words(&["builder", "two words"])));
    assert_eq!((bound.scrub, bound.allow_plaintext.len()), (false, 2));
    assert_eq!(bound.allow_plaintext[1].to_string(), "::1/128");
    let look = PlaceholderLook::Random { before: "ghp_".to_owned(), length: 36, after: String::new() };
    let places = BTreeSet::from([Place::Headers, Place::Body]);
    assert_eq!(bound.placeholder, Some(Placeholder { look, env: Some("GH_TOKEN".to_owned()), places }));
    let fake = secrets["FAKE"].placeholder.clone().unwrap();
    assert_eq!((fake.look.format().as_deref(), fake.env, fake.places.len()), (Some("pe_{40}"), None, 6));
    let fixed = &secrets["FIXED"].placeholder.as_ref().unwrap().look;
    assert_eq!(*fixed, PlaceholderLook::Fixed("fixed-text-of-some-length".to_owned()));
    let plain = &secrets["ENV"];
    assert_eq!((&plain.hosts, &plain.placeholder, plain.scrub), (&None, &None, true));
}

#[test]
fn handlers_with_secrets() {
    let handlers = Document::parse(ALL).unwrap().handlers;
    let of = |name: &str| handlers[name].secrets().into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(of("inject"), ["ENV", "FILE"]);
    assert_eq!(of("aws"), ["ENV", "FILE", "LATER"]);
    assert_eq!((of("hook"), of("query")), (words(&["ENV"]), words(&["ENV"])));
    let HandlerSource::Inject(inject) = &handlers["inject"] else { panic!() };
    let basic = inject.basic.as_ref().unwrap();
    assert_eq!(
        (basic.username.to_string(), basic.password.to_string()),
        ("x-${ENV}".into(), "${FILE}".into())
    );
    assert_eq!(inject.query.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["api_key", "v"]);
    let same = Document::parse(
        "secrets: { ENV: { env: E } }\nhandlers: { h: { inject: { Authorization: 'Bearer ${ENV}' } } }",
    );
    assert_eq!(handlers["bearer"], same.unwrap().handlers["h"]);
    let HandlerSource::Sign(SignSource::Hmac(hook)) = &handlers["hook"] else { panic!() };
    assert_eq!((&*hook.header, hook.timestamp_header.as_deref()), ("x-signature", Some("x-time")));
    assert_eq!((hook.algorithm, hook.encoding), (HmacAlgorithm::Sha512, HmacEncoding::Base64));
    assert_eq!((hook.over.len(), &*hook.prefix, &*hook.separator), (6, "v1=", ":"));
    let HandlerSource::Sign(SignSource::Hmac(short)) = &handlers["short"] else { panic!() };
    assert_eq!((short.over.as_slice(), &*short.separator), (&[HmacPart::Body][..], "\n"));
    assert_eq!((short.algorithm, short.encoding), (HmacAlgorithm::Sha256, HmacEncoding::Hex));
    let HandlerSource::Sign(SignSource::Aws(plain)) = &handlers["plain"] else { panic!() };
    assert_eq!((&plain.session_token, &plain.region, &plain.service), (&None, &None, &None));
}

#[test]
fn routes_that_upgrade() {
    let document = Document::parse(ALL).unwrap();
    let upgrades: Vec<Upgrade> = document.outbound_by_host.iter().map(|route| route.upgrade).collect();
    assert_eq!(upgrades, [Upgrade::Https, Upgrade::Https, Upgrade::Keep]);
}

proptest! {
    #[test]
    fn what_is_said_of_secrets_comes_back(
        start in 0..ALL.len(), length in 0usize..20, junk in "[\\PC\n]{0,6}"
    ) {
        let text = format!("{}{junk}{}", &ALL[..start], &ALL[(start + length).min(ALL.len())..]);
        match Document::parse(&text) {
            Err(fault) => prop_assert!((1..=text.lines().count() as u64 + 1).contains(&fault.line) && fault.column >= 1, "{}", fault),
            Ok(document) => {
                let again = Document::parse(&document.to_json()).map(|again| (again.secrets.len(), again.to_json()));
                prop_assert_eq!(again, Ok((document.secrets.len(), document.to_json())));
            }
        }
    }

    #[test]
    fn any_format_is_read_as_it_is_printed(before in "[!-~]{0,20}", length in 0usize..200, after in "[!-~]{0,20}") {
        let format = format!("{before}{{{length}}}{after}");
        let quoted = serde_json::to_string(&format).unwrap();
        let text = format!("secrets: {{ A: {{ env: A, hosts: [a.test], placeholder: {{ format: {quoted} }} }} }}");
        if let Ok(document) = Document::parse(&text) {
            let look = document.secrets["A"].placeholder.clone().unwrap().look;
            prop_assert_eq!(look.format(), Some(format));
            prop_assert!((16..=512).contains(&(before.len() + length + after.len())) && (16..=128).contains(&length));
        } else {
            let bad = |text: &str| text.contains(['"', '\'', '`', '%', '\\', '{', '}']);
            prop_assert!(!(16..=128).contains(&length) || bad(&before) || bad(&after));
        }
    }

    #[test]
    fn a_text_for_instances_stays_below_its_folder(
        text in "[a-z/]{0,5}(\\$\\{(instance|class)\\}[a-z./]{0,3}){0,3}", id in "[a-z./]{0,4}", class in "[a-z./]{0,4}"
    ) {
        let text = format!("secrets: {{ S: {{ file: 'root/{text}' }} }}");
        let document = Document::parse(&text).unwrap();
        let SecretSource::File(file) = &document.secrets["S"].source else { panic!() };
        if let Ok(rendered) = file.render(&InstanceFacts { id: &id, class: &class }) {
            let written = text.matches('/').count();
            prop_assert_eq!(rendered.matches('/').count(), written);
        }
    }
}
