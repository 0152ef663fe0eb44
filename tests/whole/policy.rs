//! The policy, as a workload meets it.
//!
//! The order of evaluation host by host, the shape of a refusal, misdirected requests, DNS, and how a faulty document is
//! refused. The function itself is tested in its own crate; here its answers must arrive.

use harness::{Lab, Settings, TOKEN_POLICY, Transport, User, for_each_user};
use serde_json::Value;

use crate::programs::{ASK, CURL, MISDIRECTED, PYTHON};

for_each_user!(
    order,
    plain_http,
    secrets_never_leave_in_the_clear,
    methods_that_are_not_proxied,
    a_refusal_is_a_problem_document,
    default_is_deny,
    misdirected_requests,
    faults_at_start,
    faults_at_apply,
    check_needs_no_proxy,
    admin_api,
);

const ORDER: &str = r#"
deniedHosts: [denied.test, "*.bad.test"]
allowedHosts: [denied.test, a.bad.test, "*.good.test", answered.test, api.example.test]
outboundByHost: { answered.test: teapot, a.good.test: exact, "*.good.test": glob }
handlers:
  teapot: { respond: { status: 418, body: teapot } }
  exact: { respond: { status: 200, body: exact } }
  glob: { respond: { status: 200, body: glob } }
"#;

fn order(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let cases = [
        ("https://denied.test/", 403, "host_denied"),
        ("https://a.bad.test/", 403, "host_denied"),
        ("https://good.test/", 403, "host_not_allowed"),
        ("https://other.test/", 403, "host_not_allowed"),
        ("https://answered.test/", 418, "teapot"),
        ("https://a.good.test/", 200, "exact"),
        ("https://A.GOOD.test./", 200, "exact"),
        ("https://b.good.test/", 200, "glob"),
        ("https://c.b.good.test/", 200, "glob"),
        ("https://api.example.test/", 200, "hello from api.example.test\n"),
    ];
    // A name that is not allowed has no address, so each case brings one along and never asks DNS.
    for (url, status, body) in cases {
        let connect_to = ["--connect-to", "::198.51.100.1:443", "-w", "\n%{http_code}", url];
        let finished = lab.run(ORDER, &[&origin]).finish(&[&[CURL, "-sS"], &connect_to[..]].concat()).ok();
        let (answer, code) = finished.stdout.rsplit_once('\n').unwrap();
        assert_eq!(code, status.to_string(), "{url}: {answer}");
        let reason = serde_json::from_str::<Value>(answer)
            .map_or_else(|_| answer.into(), |problem| problem["reason"].clone());
        assert_eq!(reason, body, "{url}");
        let record = finished.audit.exchanges()[0].clone();
        assert_eq!(record["decision"], if status == 403 { "deny" } else { "allow" }, "{record}");
        assert_eq!(record["status"], status);
    }
}

fn plain_http(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings { transport: Transport::Plain, ..Settings::default() });
    let policy = "allowedHosts: [\"http://api.example.test\"]";
    let urls =
        ["http://api.example.test/", "https://api.example.test/", "http://10.0.0.1/", "https://192.0.2.7/"];
    let finished = lab.run(policy, &[&origin]).finish(&[&[PYTHON, "-c", ASK], &urls[..]].concat()).ok();
    let statuses: Vec<_> = finished.json_lines().iter().map(|line| line["status"].clone()).collect();
    assert_eq!(statuses, [200, 403, 403, 403], "{}", finished.stdout);
}

fn secrets_never_leave_in_the_clear(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings { transport: Transport::Plain, ..Settings::default() });
    let finished =
        lab.run(TOKEN_POLICY, &[&origin]).finish(&[CURL, "-sS", "http://api.example.test/token"]).ok();
    let problem = finished.json_lines().remove(0);
    assert_eq!((&problem["status"], &problem["reason"]), (&403.into(), &"secret_on_plaintext".into()));
    assert!(origin.requests().is_empty());
}

fn methods_that_are_not_proxied(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    for (method, version, target) in [
        ("TRACE", "--http1.1", "/echo"),
        ("TRACE", "--http2", "/echo"),
        ("CONNECT", "--http1.1", "api.example.test:443"),
    ] {
        let url = "https://api.example.test/";
        let command = [CURL, "-sS", "-X", method, version, "--request-target", target, url];
        let finished = lab.run(TOKEN_POLICY, &[&origin]).finish(&command).ok();
        let problem = finished.json_lines().remove(0);
        assert_eq!(
            (&problem["status"], &problem["reason"]),
            (&405.into(), &"method_not_proxied".into()),
            "{method}"
        );
    }
    assert!(origin.requests().is_empty());
}

fn a_refusal_is_a_problem_document(user: User) {
    let lab = Lab::new(user);
    let policy = "deniedHosts:\n  - \"http://evil.test\"\nenableInternet: true";
    let finished = lab.run(policy, &[]).finish(&[
        CURL,
        "-sS",
        "--connect-to",
        "::198.51.100.1:80",
        "-w",
        "\n%{http_code} %{content_type}",
        "http://evil.test/x?q=1",
    ]);
    let (body, rest) = finished.stdout.rsplit_once('\n').unwrap();
    assert_eq!(rest, "403 application/problem+json");
    let problem: Value = serde_json::from_str(body).unwrap();
    for name in ["type", "title", "detail", "requestId"] {
        assert!(
            problem[name].as_str().is_some_and(|text| !text.is_empty()),
            "{name} is missing in {problem}"
        );
    }
    assert_eq!(problem["status"], 403);
    assert_eq!(problem["reason"], "host_denied");
    assert!(problem["rule"].as_str().unwrap().contains("evil.test"), "{problem}");
    let record = finished.audit.exchanges()[0].clone();
    assert_eq!(record["request"], problem["requestId"]);
    assert_eq!(record["rule"], problem["rule"]);
    assert_eq!((&record["path"], &record["method"]), (&"/x".into(), &"GET".into()));
}

fn default_is_deny(user: User) {
    let lab = Lab::new(user);
    let url = "http://192.0.2.9/";
    let finished = lab.run("", &[]).finish(&[PYTHON, "-c", ASK, url]).ok();
    let answer = finished.json_lines().remove(0);
    assert_eq!(answer["status"], 403, "{answer}");
    assert!(answer["body"].as_str().unwrap().contains("internet_disabled"), "{answer}");
}

fn misdirected_requests(user: User) {
    let lab = Lab::new(user);
    let names = vec!["api.example.test".to_owned(), "two.example.test".to_owned()];
    let origin = lab.origin(Settings { names, ..Settings::default() });
    let policy = "allowedHosts: [api.example.test, two.example.test]";
    let cases = [
        ("api.example.test", "HTTP/1.1 401"),
        ("API.example.test.", "HTTP/1.1 401"),
        ("api.example.test:443", "HTTP/1.1 401"),
        ("two.example.test", "HTTP/1.1 421"),
        ("api.example.test:444", "HTTP/1.1 421"),
        ("192.0.2.1", "HTTP/1.1 421"),
        ("api.example.test@two.example.test", "HTTP/1.1 400"),
        ("", "HTTP/1.1 400"),
    ];
    for (authority, status) in cases {
        let run = lab.run(policy, &[&origin]);
        let finished = run.finish(&[PYTHON, "-c", MISDIRECTED, "api.example.test", authority]).ok();
        assert!(finished.stdout.starts_with(status), "{authority:?}: {}", finished.stdout);
    }
    assert_eq!(origin.requests().len(), 3);
}

/// text, line:column, a word of the message
const FAULTS: [(&str, &str, &str); 5] = [
    ("allowedHost: [a.test]\n", "1:1", "allowedHosts"),
    ("outboundByHost:\n  a.test: tokn\nhandlers:\n  token: { deny: {} }\n", "2:11", "token"),
    ("allowedHosts:\n  - good.test\n  - \"*github.com\"\n", "3:5", "*.github.com"),
    ("handlers:\n  t: { inject: { x-a: \"${NOPE}\" } }\n", "2:23", "NOPE"),
    ("enableInternet: maybe\n", "1:17", "true"),
];

fn faults_at_start(user: User) {
    let lab = Lab::new(user);
    for (text, position, word) in FAULTS {
        let finished = lab.run(text, &[]).finish(&["/bin/echo", "started"]);
        assert_eq!(finished.code(), 125, "{text}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "{text}");
        assert!(finished.stderr.contains(&format!(".yaml:{position}: ")), "{text}: {}", finished.stderr);
        assert!(finished.stderr.contains(word), "{text}: {}", finished.stderr);
    }
}

fn faults_at_apply(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run("", &[]).start(&["/bin/cat"]);
    assert_eq!(running.ask("ready"), "ready");
    let before = running.admin("GET", "/v1/status", "").json()["generation"].clone();
    for (text, position, word) in FAULTS {
        let output = running.apply(text);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}: {message}");
        assert!(message.contains(&format!(":{position}: ")) && message.contains(word), "{text}: {message}");
        let answer = running.admin("PUT", "/v1/policy", text);
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.head.contains("content-type: application/problem+json"), "{answer:?}");
        assert!(answer.body.contains(word), "{answer:?}");
    }
    assert_eq!(running.admin("GET", "/v1/status", "").json()["generation"], before);
    let _ = running.finish().ok();
}

fn check_needs_no_proxy(user: User) {
    let lab = Lab::new(user);
    let good = lab.write("good.yaml", "allowedHosts: [a.test]\n");
    assert_eq!(lab.cli(&["policy", "check", good.to_str().unwrap()]).status.code(), Some(0));
    for (text, position, word) in FAULTS {
        let bad = lab.write("bad.yaml", text);
        let output = lab.cli(&["policy", "check", bad.to_str().unwrap()]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}: {message}");
        assert!(
            message.contains(&format!("bad.yaml:{position}: ")) && message.contains(word),
            "{text}: {message}"
        );
    }
}

fn admin_api(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run("allowedHosts: [a.test]", &[]).start(&["/bin/cat"]);
    assert_eq!(running.ask("ready"), "ready");
    assert!(running.admin("GET", "/v1/policy", "").body.contains("a.test"));
    let base =
        running.admin("PUT", &format!("/v1/policy?base={}", lab.root().display()), "upstreamRoots: [ca.pem]");
    assert_eq!(base.status, 200, "{base:?}");
    let generation = base.json()["generation"].as_u64().expect("a generation");
    let output = running.apply("allowedHosts: [b.test]");
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), format!("generation {}", generation + 1));
    assert_eq!(running.admin("GET", "/v1/status", "").json()["generation"], generation + 1);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(running.socket()).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    for (method, path, body, status) in [
        ("GET", "/v1/nothing", "", 404),
        ("DELETE", "/v1/policy", "", 405),
        ("PUT", "/v1/policy", "nonsense: [", 422),
        ("PUT", "/v1/policy?base=relative", "", 400),
    ] {
        assert_eq!(running.admin(method, path, body).status, status, "{method} {path}");
    }
    let _ = running.finish().ok();
}
