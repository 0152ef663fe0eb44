//! The tools for policies, as a person uses them: what they print and which exit status they have. What they judge is tested in the
//! crate `policy`.

use std::process::Output;

use harness::{Lab, Settings, User};
use serde_json::Value;

use crate::programs::CURL;

const POLICY: &str = "
allowedHosts: [{ host: api.example.test, methods: [GET], paths: [/v1/**] }, b.test]
outboundByHost: { b.test: teapot }
handlers: { teapot: { respond: { status: 418 } } }
";

fn policy_verb(lab: &Lab, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = lab.cli(&[&["policy"], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn file(lab: &Lab, name: &str, text: &str) -> String {
    lab.write(name, text).to_str().unwrap().to_owned()
}

#[test]
fn check_tells_what_is_odd() {
    let lab = Lab::new(User::Myself);
    let odd = file(&lab, "odd.yaml", "allowedHosts:\n  - a.test\n  - A.test\n");
    let (status, stdout, stderr) = policy_verb(&lab, &["check", &odd]);
    assert_eq!((status, stdout.as_str()), (1, "ok\n"));
    assert!(stderr.contains("odd.yaml:3: warning: `a.test` is here a second time (line 2)"), "{stderr}");
    let (status, stdout, _) = policy_verb(&lab, &["check", "--json", &odd]);
    let printed: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (status, &printed["status"], &printed["warnings"][0]["line"]),
        (1, &"warnings".into(), &3.into())
    );
    let good = file(&lab, "good.yaml", POLICY);
    let bad = file(&lab, "bad.yaml", "allowedHosts: [a b]");
    for (name, wanted, word) in [(&good, 0, "ok"), (&bad, 2, "faulty")] {
        let (status, stdout, _) = policy_verb(&lab, &["check", "--json", name]);
        let printed: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((status, &printed["status"]), (wanted, &word.into()), "{printed}");
        assert_eq!(printed["fault"]["line"].is_u64(), word == "faulty", "{printed}");
    }
    let handlers = file(&lab, "handlers.yaml", "handlers: { teapot: { respond: { status: 418 } } }");
    let user = file(&lab, "user.yaml", "outboundByHost: { b.test: teapot }");
    assert_eq!(policy_verb(&lab, &["check", &handlers, &user]).0, 0, "several files are one document");
}

#[test]
fn explain_tells_each_step() {
    let lab = Lab::new(User::Myself);
    let policy = file(&lab, "policy.yaml", POLICY);
    let explain = |method: &str, url: &str| policy_verb(&lab, &["explain", method, url, "--policy", &policy]);
    let (status, stdout, _) = explain("GET", "https://API.example.test/v1/user?q");
    assert_eq!(status, 0, "{stdout}");
    for wanted in [
        "GET https://api.example.test:443/v1/user\n",
        "allow by allowedHosts[0] api.example.test (line 2)",
        "straight to",
    ] {
        assert!(stdout.contains(wanted), "{stdout}");
    }
    let (status, stdout, _) = explain("POST", "https://api.example.test/v1/user");
    assert_eq!(status, 1, "{stdout}");
    for wanted in ["deny host_not_allowed by allowedHosts", "is told: 403", "\"reason\":\"host_not_allowed\""]
    {
        assert!(stdout.contains(wanted), "{stdout}");
    }
    assert!(explain("GET", "https://api.example.test/v1//x").1.contains("path_ambiguous"));
    assert!(explain("GET", "https://b.test").1.contains("goes through: teapot"));
    assert_eq!(explain("GET", "b.test").0, 2);
    let (_, stdout, _) =
        policy_verb(&lab, &["explain", "GET", "https://c.test", "--json", "--policy", &policy]);
    let printed: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&printed["decision"], &printed["status"]), (&"deny".into(), &403.into()), "{printed}");
}

#[test]
fn cases_are_tried() {
    let lab = Lab::new(User::Myself);
    let policy = file(&lab, "policy.yaml", POLICY);
    let good = file(&lab, "good-cases.yaml", "- { url: https://b.test, expect: allow, handlers: [teapot] }");
    let bad = file(
        &lab,
        "bad-cases.yaml",
        "- { url: https://b.test, expect: allow }\n- { url: https://c.test, expect: allow }",
    );
    let faulty = file(&lab, "faulty-cases.yaml", "- { url: c.test, expect: allow }");
    let (status, stdout, _) = policy_verb(&lab, &["test", &policy, "--cases", &good]);
    assert_eq!((status, stdout.as_str()), (0, "ok   GET https://b.test:443/\n1 cases, 0 failed\n"));
    let (status, stdout, _) = policy_verb(&lab, &["test", &policy, "--cases", &bad]);
    assert_eq!(status, 1);
    assert!(
        stdout.contains("FAIL GET https://c.test:443/") && stdout.contains("bad-cases.yaml:2"),
        "{stdout}"
    );
    assert!(
        stdout.contains("expected allow, got deny (host_not_allowed)")
            && stdout.contains("2 cases, 1 failed"),
        "{stdout}"
    );
    assert_eq!(policy_verb(&lab, &["test", &policy, "--cases", &faulty]).0, 2);
}

#[test]
fn what_was_seen_becomes_a_policy() {
    let lab = Lab::new(User::Myself);
    let origin = lab.origin(Settings::default());
    let urls = [
        "https://api.example.test/users/17",
        "https://api.example.test/users/18",
        "http://api.example.test/x",
    ];
    let mut records = String::new();
    for url in urls {
        let connect_to = ["--connect-to", "::198.51.100.1:", url];
        let finished =
            lab.run("monitor: true", &[&origin]).finish(&[&[CURL, "-sS"], &connect_to[..]].concat()).ok();
        finished.audit.exchanges().into_iter().for_each(|record| records += &format!("{record}\n"));
    }
    assert!(records.contains(r#""scheme":"https""#) && records.contains(r#""scheme":"http""#), "{records}");
    let audit = file(&lab, "audit.jsonl", &records);
    let (status, draft, _) = policy_verb(&lab, &["learn", &audit]);
    assert_eq!(status, 0);
    assert!(
        draft.contains(r#"host: "https://api.example.test:443", methods: ["GET"], paths: ["/users/*"]"#),
        "{draft}"
    );
    let draft = file(&lab, "draft.yaml", &draft);
    assert_eq!(policy_verb(&lab, &["check", &draft]).0, 0);
    let (status, stdout, _) = policy_verb(&lab, &["test", &draft, "--audit", &audit]);
    assert_eq!(status, 0, "{stdout}");
    let empty = file(&lab, "empty.yaml", "");
    assert_eq!(policy_verb(&lab, &["test", &empty, "--audit", &audit]).0, 1);
    let torn = file(&lab, "torn.jsonl", "{\n");
    assert_eq!(policy_verb(&lab, &["learn", &torn]).0, 2);
}

#[test]
fn a_change_is_told_before_it_is_made() {
    let lab = Lab::new(User::Myself);
    let old = file(&lab, "old.yaml", "allowedHosts: ['https://a.test:443']");
    let new = file(&lab, "new.yaml", "allowedHosts: ['https://a.test:443', 'https://b.test:443']");
    let (status, stdout, _) = policy_verb(&lab, &["diff", &old, &new, "--exit-code"]);
    assert_eq!(
        (status, stdout.as_str()),
        (3, "+ allow https://b.test:443 * /** (was: deny host_not_allowed)\n")
    );
    assert_eq!(policy_verb(&lab, &["diff", &new, &old, "--exit-code"]).0, 1);
    assert_eq!(policy_verb(&lab, &["diff", &old, &old, "--exit-code"]).0, 0);
    assert_eq!(policy_verb(&lab, &["diff", &old, &new]).0, 0);
}

#[test]
fn presets_can_be_read() {
    let lab = Lab::new(User::Myself);
    let (status, list, _) = policy_verb(&lab, &["presets"]);
    assert!(status == 0 && list.contains("github") && list.contains("crates-io"), "{list}");
    assert!(policy_verb(&lab, &["presets", "github"]).1.contains("allowedHosts:"));
    assert_eq!(policy_verb(&lab, &["presets", "no-such"]).0, 2);
}
