//! Rules that ask for more than a host, and what they answer.
//!
//! Methods and paths, paths that can be read in two ways, answers of a policy's own, rules that only leave a note, several documents,
//! presets, and parameters that belong to a rule.

use harness::{Lab, Settings, User, for_each_user};
use serde_json::Value;

use crate::programs::CURL;

for_each_user!(
    methods_and_paths,
    a_path_that_can_be_read_in_two_ways,
    answers,
    a_rule_that_only_leaves_a_note,
    a_policy_that_only_leaves_notes,
    the_first_rule_that_asks_for_no_more,
    several_documents,
    bytes_that_nobody_reads_are_not_let_past_a_rule,
);

const RULES: &str = r#"
deniedHosts:
  - { name: no-admin, host: api.example.test, paths: [/admin/**] }
allowedHosts:
  - { name: read, host: api.example.test, methods: [GET, HEAD], paths: [/repos/*/issues, /plain] }
  - { host: api.example.test, methods: [POST], paths: ["/repos/**"] }
"#;

/// Status, and the exchange's record, of each request.
fn ask(lab: &Lab, policy: &str, origin: &harness::Origin, requests: &[(&str, &str)]) -> Vec<(u16, Value)> {
    let mut script = String::new();
    for (method, path) in requests {
        let url = format!("https://api.example.test{path}");
        script +=
            &format!("{CURL} -s -o /dev/null --path-as-is -w '%{{http_code}}\\n' -X {method} '{url}'\n");
    }
    let finished = lab.run(policy, &[origin]).finish(&["sh", "-c", &script]).ok();
    let statuses = finished.stdout.lines().map(|line| line.parse().unwrap());
    let records = finished.audit.exchanges().into_iter().cloned();
    statuses.zip(records).collect()
}

fn methods_and_paths(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let cases = [
        ("GET", "/repos/a/issues", 200, "read: allowedHosts[0] api.example.test (line 5)"),
        ("GET", "/repos/a/issues?page=2", 200, "read: allowedHosts[0] api.example.test (line 5)"),
        ("GET", "/plain", 200, "read: allowedHosts[0] api.example.test (line 5)"),
        ("GET", "/repos/a/b/issues", 403, "allowedHosts"),
        ("GET", "/Plain", 403, "allowedHosts"),
        ("get", "/plain", 403, "allowedHosts"),
        ("DELETE", "/plain", 403, "allowedHosts"),
        ("POST", "/plain", 403, "allowedHosts"),
        ("POST", "/repos/a/b/c", 200, "allowedHosts[1] api.example.test (line 6)"),
        ("POST", "/admin/x", 403, "no-admin: deniedHosts[0] api.example.test (line 3)"),
        ("GET", "/", 403, "allowedHosts"),
    ];
    let requests: Vec<_> = cases.iter().map(|(method, path, ..)| (*method, *path)).collect();
    let answers = ask(&lab, RULES, &origin, &requests);
    assert_eq!(answers.len(), cases.len());
    for ((method, path, status, rule), (answer, record)) in cases.iter().zip(&answers) {
        assert_eq!((answer, &record["rule"]), (status, &Value::from(*rule)), "{method} {path}: {record}");
    }
    assert_eq!(origin.requests().len(), 4, "what is refused is not sent");
}

fn a_path_that_can_be_read_in_two_ways(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let paths = [
        "/repos/../admin/x",
        "/repos/%2e%2e/admin/x",
        "/repos/..%2fadmin/x",
        "/repos/..;/admin/x",
        "//admin/x",
        "/repos//x",
        "/repos/%61dmin",
        "/repos/%252e%252e/admin",
        "/repos/a%00",
        "/repos/.",
    ];
    let requests: Vec<_> = paths.iter().map(|path| ("POST", *path)).collect();
    for ((_, path), (status, record)) in requests.iter().zip(ask(&lab, RULES, &origin, &requests)) {
        assert_eq!((status, &record["error"]), (400, &"path_ambiguous".into()), "{path}: {record}");
        assert_eq!(record["decision"], "deny");
    }
    assert!(origin.requests().is_empty());
    // Where no rule asks for paths, they are nobody's business.
    let all = "allowedHosts: [api.example.test]";
    let requests = [("GET", "/a//b"), ("GET", "/%2e%2e/a")];
    for (status, record) in ask(&lab, all, &origin, &requests) {
        assert_eq!(status, 200, "{record}");
    }
    let seen: Vec<_> = origin.requests().iter().map(|seen| seen.uri.path().to_owned()).collect();
    assert_eq!(seen, ["/a//b", "/%2e%2e/a"], "sent as they came");
}

fn answers(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = r#"
answer: { status: 451, headers: { content-type: text/plain, x-why: policy }, body: "not from here\n" }
deniedHosts:
  - { host: denied.test, answer: { status: 404, body: "what host?\n" } }
  - quiet.test
allowedHosts: [denied.test, private.test]
"#;
    for (host, status, body) in [
        ("denied.test", "404", "what host?\n"),
        ("quiet.test", "451", "not from here\n"),
        ("other.test", "451", "not from here\n"),
    ] {
        let url = format!("https://{host}/");
        let command = [CURL, "-sS", "--connect-to", "::198.51.100.1:443", "-w", "%{http_code}", &url];
        let finished = lab.run(policy, &[&origin]).finish(&command).ok();
        assert_eq!(finished.stdout, format!("{body}{status}"), "{host}");
        let record = finished.audit.exchanges()[0].clone();
        assert_eq!(
            (&record["decision"], &record["status"]),
            (&"deny".into(), &status.parse::<u16>().unwrap().into())
        );
    }
    assert!(origin.requests().is_empty());
}

fn a_rule_that_only_leaves_a_note(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = r#"
deniedHosts: [{ host: api.example.test, methods: [POST], monitor: true }]
allowedHosts: [api.example.test]
"#;
    let answers = ask(&lab, policy, &origin, &[("POST", "/echo"), ("GET", "/")]);
    assert_eq!((answers[0].0, answers[1].0), (200, 200));
    let noted =
        serde_json::json!({ "reason": "host_denied", "rule": "deniedHosts[0] api.example.test (line 2)" });
    assert_eq!(answers[0].1["monitored"], noted);
    assert_eq!((&answers[0].1["decision"], &answers[1].1["monitored"]), (&"allow".into(), &Value::Null));
    assert_eq!(origin.requests().len(), 2);
}

fn a_policy_that_only_leaves_notes(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = "monitor: true\nallowedHosts: [other.test]\ndeniedHosts: [10.0.0.0/8]";
    let answers = ask(&lab, policy, &origin, &[("GET", "/")]);
    assert_eq!(answers[0].0, 200, "{:?}", answers[0].1);
    assert_eq!(
        answers[0].1["monitored"],
        serde_json::json!({ "reason": "host_not_allowed", "rule": "allowedHosts" })
    );
    assert_eq!(answers[0].1["rule"], "monitor");
    // Addresses stay out of reach, and bytes that nobody reads do not pass.
    let command = [CURL, "-sS", "-m", "5", "-w", "%{http_code}", "-o", "/dev/null", "http://10.0.0.1/"];
    let finished = lab.run(policy, &[&origin]).finish(&command);
    assert_eq!(finished.stdout, "403");
}

fn the_first_rule_that_asks_for_no_more(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = r#"
outboundByHost:
  api.example.test:
    - { name: made-up, methods: [GET], paths: [/made-up], handlers: canned }
    - { methods: [POST], handlers: [refuse] }
    - { handlers: plain }
handlers:
  canned: { respond: { status: 203, body: canned } }
  refuse: { deny: { status: 409 } }
  plain: { inject: { x-plain: "yes" } }
"#;
    let requests = [("GET", "/made-up"), ("POST", "/made-up"), ("GET", "/other")];
    let answers = ask(&lab, policy, &origin, &requests);
    let statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [203, 409, 200]);
    assert_eq!(answers[0].1["rule"], "made-up: outboundByHost api.example.test (line 3)");
    assert_eq!(origin.requests().len(), 1);
    assert_eq!(origin.requests()[0].headers["x-plain"], "yes");
}

fn several_documents(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let base = lab.write("base.yaml", "deniedHosts: [denied.test]\nallowedHosts: [denied.test]\n");
    let arguments = ["--policy", base.to_str().unwrap()];
    let run = || lab.run("allowedHosts: [api.example.test]", &[&origin]).arguments(&arguments);
    let command = [CURL, "-sS", "-w", "%{http_code}", "-o", "/dev/null", "https://api.example.test/"];
    let finished = run().finish(&command).ok();
    assert_eq!(finished.stdout, "200");
    let rule = finished.audit.exchanges()[0]["rule"].as_str().unwrap().to_owned();
    assert!(rule.starts_with("allowedHosts[0] api.example.test (/") && rule.contains(", line "), "{rule}");
    let command = [CURL, "-s", "--connect-to", "::198.51.100.1:443", "https://denied.test/"];
    let problem = run().finish(&command).ok().json_lines().remove(0);
    assert_eq!(problem["rule"], format!("deniedHosts[0] denied.test ({}, line 1)", base.display()));
    lab.write("base.yaml", "deniedHosts: [denied.test]\nallowedHost: [denied.test]\n");
    let refused = run().finish(&["true"]);
    assert_eq!(refused.code(), 125);
    let told = format!("{}:2:1: unknown key `allowedHost`", base.display());
    assert!(refused.stderr.contains(&told), "{}", refused.stderr);
}

/// A tunnel shows neither method nor path, so a host with such a rule is not passed through.
fn bytes_that_nobody_reads_are_not_let_past_a_rule(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    for rule in [
        "deniedHosts: [{ host: api.example.test, methods: [POST] }]\nallowedHosts: [api.example.test]",
        "allowedHosts: [{ host: api.example.test, methods: [GET] }]",
        "deniedHosts: [{ host: api.example.test, methods: [POST], monitor: true }]\nallowedHosts: [api.example.test]",
    ] {
        let policy = format!("{rule}\npassthrough: [api.example.test]");
        let answers = ask(&lab, &policy, &origin, &[("GET", "/")]);
        assert_eq!(answers.len(), 1, "it was opened, and left the record of an exchange: {rule}");
        assert_eq!(answers[0].0, 200);
    }
}
