//! Credentials: each secret goes where it is bound to, and to no other place, in the form that the document asks for.
//!
//! The origin says what it got. That the secret is in nothing that the command saw, and in no record, is an invariant of the
//! harness.

mod placeholders;
mod scrub;
mod websockets;

use harness::{Finished, HOST, Lab, Origin, Settings, Transport, User, for_each_user};
use serde_json::{Value, json};

use crate::programs::{CURL, DIALOGUE, PYTHON, SH};

for_each_user!(
    the_forms_of_an_injected_secret,
    bound_to_hosts_methods_and_paths,
    bound_to_instances_and_classes,
    never_over_plain_http,
    over_plain_http_into_a_network,
    a_plain_request_leaves_over_tls,
    a_redirect_is_the_workloads,
    trace_is_refused,
    without_a_value_nothing_is_sent,
);

/// The statuses that curl gets for each of these: its arguments.
pub(crate) fn curl(run: harness::Run<'_>, requests: &[&str]) -> (Vec<String>, Finished) {
    let one = |arguments: &&str| {
        let output = if arguments.contains(" -o ") { "" } else { "-o /dev/null" };
        format!("{CURL} -sS {output} -w '%{{http_code}}\\n' {arguments}\n")
    };
    let script: String = requests.iter().map(one).collect();
    let finished = run.finish(&[SH, "-c", &script]).ok();
    (finished.stdout.lines().map(str::to_owned).collect(), finished)
}

/// What the exchanges' records say went wrong, and of their secrets.
fn told(finished: &Finished) -> Vec<(Value, Value)> {
    let told = |record: &&Value| (record["error"].clone(), record["secrets"].clone());
    finished.audit.exchanges().iter().map(told).collect()
}

fn fingerprint(value: &str) -> String {
    use sha2::{Digest, Sha256};
    format!("{:x}", Sha256::digest(value))[..8].to_owned()
}

fn header<'a>(origin: &'a [harness::Seen], number: usize, name: &str) -> Vec<&'a str> {
    origin[number].headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

fn the_forms_of_an_injected_secret(user: User) {
    let lab = Lab::new(user);
    let names = ["bearer", "basic", "query", "all"].map(|name| format!("{name}.example.test"));
    let origin = lab.origin(Settings { names: names.to_vec(), ..Settings::default() });
    let policy = r#"
allowedHosts: ["*.example.test"]
outboundByHost: { bearer.example.test: bearer, basic.example.test: basic, query.example.test: query, all.example.test: all }
handlers:
  bearer: { bearer: "${T}" }
  basic: { basic: { username: me, password: "${T}" } }
  query: { query: { api_key: "${T}" } }
  all: { inject: { x-key: "<${T}>" }, bearer: "${T}", query: { a: b, k: "${T}" } }
secrets: { T: { env: API_TOKEN } }
"#;
    let requests = [
        "-H 'Authorization: Bearer mine' https://bearer.example.test/a?b=c",
        "-u you:mine https://basic.example.test/",
        "'https://query.example.test/?x=%20&api_key=mine&y=1&API%5fKEY=mine'",
        "-H 'x_key: mine' https://all.example.test/",
    ];
    let (statuses, finished) = curl(lab.run(policy, &[&origin]), &requests);
    assert_eq!(statuses, ["200"; 4]);
    let (seen, token) = (origin.requests(), lab.canary.value());
    assert_eq!(header(&seen, 0, "authorization"), [format!("Bearer {token}")]);
    assert_eq!(seen[0].uri.path_and_query().unwrap(), "/a?b=c");
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("me:{token}"));
    assert_eq!(header(&seen, 1, "authorization"), [format!("Basic {basic}")]);
    assert_eq!(seen[2].uri.path_and_query().unwrap(), &format!("/?x=%20&y=1&api_key={token}"));
    assert_eq!(header(&seen, 3, "x-key"), [format!("<{token}>")]);
    assert!(header(&seen, 3, "x_key").is_empty());
    assert_eq!(header(&seen, 3, "authorization"), [format!("Bearer {token}")]);
    assert_eq!(seen[3].uri.path_and_query().unwrap(), &format!("/?a=b&k={token}"));
    let fingerprint = fingerprint(token);
    let used = |uses: &[(&str, &str)]| -> Value {
        let one = |(style, place): &(&str, &str)| json!({ "name": "T", "fingerprint": fingerprint, "style": style, "where": place });
        uses.iter().map(one).collect()
    };
    let expected = [
        used(&[("inject", "header:authorization")]),
        used(&[("basic", "header:authorization")]),
        used(&[("query", "query:api_key")]),
        used(&[("inject", "header:x-key"), ("inject", "header:authorization"), ("query", "query:k")]),
    ];
    assert_eq!(told(&finished), expected.map(|secrets| (Value::Null, secrets)));
}

fn bound_to_hosts_methods_and_paths(user: User) {
    let lab = Lab::new(user);
    let names = [HOST, "other.example.test"].map(str::to_owned).to_vec();
    let origin = lab.origin(Settings { names, ..Settings::default() });
    let policy = r#"
allowedHosts: ["*.example.test"]
outbound: token
handlers: { token: { inject: { x-auth-token: "${T}" } } }
secrets: { T: { env: API_TOKEN, hosts: [{ host: api.example.test, methods: [GET], paths: [/token] }] } }
"#;
    let requests = [
        "https://api.example.test/token",
        "-X POST https://api.example.test/token",
        "https://api.example.test/echo",
        "--path-as-is https://api.example.test/x/../token",
        "https://other.example.test/token",
    ];
    let (statuses, finished) = curl(lab.run(policy, &[&origin]), &requests);
    assert_eq!(statuses, ["200", "403", "403", "403", "403"]);
    assert_eq!(origin.requests().len(), 1);
    for (number, record) in finished.audit.exchanges().into_iter().enumerate() {
        let (error, secrets) = (&record["error"], &record["secrets"]);
        match number {
            0 => assert!(error.is_null() && secrets.is_array(), "{record}"),
            _ => assert!(error == "secret_not_bound" && secrets.is_null(), "{record}"),
        }
    }
}

fn bound_to_instances_and_classes(user: User) {
    let policy = r#"
outbound: token
handlers: { token: { inject: { x-auth-token: "${T}" } } }
secrets: { T: { env: API_TOKEN, instances: [chosen], classes: [builder] } }
"#;
    for (id, class, expected) in [
        ("chosen", "", "200"),
        ("other", "builder", "200"),
        ("other", "chosen", "403"),
        ("builder", "", "403"),
    ] {
        let lab = Lab::new(user);
        let origin = lab.origin(Settings::default());
        let run = lab.run(policy, &[&origin]).id(id).arguments(&["--class", class]);
        let (statuses, _) = curl(run, &["https://api.example.test/token"]);
        assert_eq!(statuses, [expected], "{id} of {class}");
    }
}

const PLAIN: &str = "http://api.example.test/token";

fn plain(lab: &Lab) -> Origin {
    lab.origin(Settings { transport: Transport::Plain, ..Settings::default() })
}

fn never_over_plain_http(user: User) {
    let lab = Lab::new(user);
    let origin = plain(&lab);
    for secret in ["{ env: API_TOKEN }", "{ env: API_TOKEN, hosts: [api.example.test] }"] {
        let policy = format!(
            "outbound: token\nhandlers: {{ token: {{ bearer: \"${{T}}\" }} }}\nsecrets: {{ T: {secret} }}"
        );
        let (statuses, finished) = curl(lab.run(&policy, &[&origin]), &[PLAIN]);
        assert_eq!(statuses, ["403"]);
        assert_eq!(told(&finished), [(json!("secret_on_plaintext"), Value::Null)]);
    }
    assert!(origin.requests().is_empty());
}

fn over_plain_http_into_a_network(user: User) {
    let lab = Lab::new(user);
    let origin = plain(&lab);
    for (networks, expected) in
        [("[127.0.0.0/8]", "200"), ("[::1]", "200"), ("[10.0.0.0/8, 'fd00::/8']", "403")]
    {
        let policy = format!(
            r#"
outbound: token
handlers: {{ token: {{ inject: {{ x-auth-token: "${{T}}" }} }} }}
secrets: {{ T: {{ env: API_TOKEN, hosts: [api.example.test], allowPlaintext: {networks} }} }}
"#
        );
        let before = origin.requests().len();
        let (statuses, finished) = curl(lab.run(&policy, &[&origin]), &[PLAIN, PLAIN]);
        assert_eq!(statuses, [expected; 2], "{networks}");
        let seen = &origin.requests()[before..];
        if expected == "403" {
            assert!(seen.is_empty());
            assert_eq!(told(&finished)[0].0, "secret_on_plaintext");
            continue;
        }
        let v4 = networks.contains('.');
        assert!(seen.iter().all(|one| one.peer.is_ipv4() == v4), "{networks}: {seen:?}");
        assert_ne!(seen[0].connection, seen[1].connection, "a connection of its own");
    }
}

/// And is decided as such.
fn a_plain_request_leaves_over_tls(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = |allowed: &str| {
        format!(
            r#"
allowedHosts: [{allowed}]
outboundByHost: {{ api.example.test: {{ handlers: [token], upgrade: https }} }}
handlers: {{ token: {{ inject: {{ x-auth-token: "${{T}}" }} }} }}
secrets: {{ T: {{ env: API_TOKEN, hosts: [api.example.test] }} }}
"#
        )
    };
    let run = lab.run(&policy("api.example.test"), &[&origin]);
    let (statuses, finished) = curl(run, &[PLAIN, "https://api.example.test/token"]);
    assert_eq!(statuses, ["200", "200"]);
    let seen = origin.requests();
    assert_eq!(seen[0].headers.get("host").map(|host| host.to_str().unwrap()).unwrap_or(HOST), HOST);
    for record in finished.audit.exchanges() {
        assert_eq!(
            (&record["scheme"], &record["authority"]),
            (&json!("https"), &json!("api.example.test:443"))
        );
    }
    let (statuses, finished) = curl(lab.run(&policy("'http://api.example.test'"), &[&origin]), &[PLAIN]);
    assert_eq!(statuses, ["403"], "what it becomes is not allowed");
    assert_eq!(told(&finished)[0].0, "host_not_allowed");
    assert_eq!(origin.requests().len(), 2);
}

fn a_redirect_is_the_workloads(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = r#"
allowedHosts: [api.example.test]
outbound: token
handlers: { token: { inject: { x-auth-token: "${T}" } } }
secrets: { T: { env: API_TOKEN, hosts: [{ host: api.example.test, paths: [/moved] }] } }
"#;
    let requests = ["https://api.example.test/moved", "-L https://api.example.test/moved"];
    let (statuses, _) = curl(lab.run(policy, &[&origin]), &requests);
    assert_eq!(statuses, ["302", "403"]);
    assert!(origin.requests().iter().all(|seen| seen.uri.path() == "/moved"));
}

fn trace_is_refused(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let (statuses, _) =
        curl(lab.run(harness::TOKEN_POLICY, &[&origin]), &["-X TRACE https://api.example.test/token"]);
    assert_eq!(statuses, ["405"]);
    assert!(origin.requests().is_empty());
}

/// Its file is gone: that it was good before is no reason to go on.
fn without_a_value_nothing_is_sent(user: User) {
    let lab = Lab::new(user);
    lab.write("token.txt", lab.canary.value());
    let origin = lab.origin(Settings::default());
    let policy = harness::TOKEN_POLICY.replace("{ env: API_TOKEN }", "{ file: token.txt }");
    let mut running = lab.run(&policy, &[&origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert_eq!(running.ask("GET /token"), "200 the token is right");
    std::fs::remove_file(lab.path("token.txt")).unwrap();
    assert!(running.ask("GET /token").starts_with("503 "));
    let finished = running.finish().ok();
    assert_eq!(finished.audit.exchanges()[1]["error"], "secret_unavailable");
    assert_eq!(origin.requests().len(), 1);
}
