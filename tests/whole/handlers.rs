//! Handlers: built-in ones, JavaScript ones, and hostile ones.
//!
//! A handler that fails in any way means 502 or 504, never a request that goes on without it; and the next request is
//! served as if nothing had happened.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{HOST, Lab, Settings, User, for_each_user, wait};
use serde_json::Value;

use crate::programs::{ASK, CURL, PYTHON, WIRE};

for_each_user!(
    built_in,
    a_chain,
    javascript_adds_the_token,
    javascript_answers,
    a_new_policy_ends_what_waits_in_a_handler,
    hostile_handlers_harm_only_themselves,
    what_is_not_a_handler_is_refused_at_load,
);

const URL: &str = "https://api.example.test/token";

fn built_in(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = r#"
allowedHosts: [deny.example.test, plain.example.test, respond.example.test, api.example.test]
outboundByHost:
  deny.example.test: deny
  plain.example.test: plain-deny
  respond.example.test: respond
  api.example.test: inject
handlers:
  deny: { deny: { status: 451, reason: ask the legal department } }
  plain-deny: { deny: {} }
  respond: { respond: { status: 201, headers: { content-type: text/plain, x-made: here }, body: made up } }
  inject: { inject: { x-auth-token: "${API_TOKEN}", x-plain: "$${not a secret}" } }
secrets: { API_TOKEN: { env: API_TOKEN } }
"#;
    let urls = ["deny", "plain", "respond"].map(|name| format!("https://{name}.example.test/"));
    let command = [PYTHON, "-c", ASK, &urls[0], &urls[1], &urls[2], URL];
    let finished = lab.run(policy, &[&origin]).finish(&command).ok();
    let answers = finished.json_lines();
    let statuses: Vec<_> = answers.iter().map(|answer| answer["status"].clone()).collect();
    assert_eq!(statuses, [451, 403, 201, 200], "{}", finished.stdout);
    let problem: Value = serde_json::from_str(answers[0]["body"].as_str().unwrap()).unwrap();
    assert!(problem.to_string().contains("ask the legal department"), "{problem}");
    assert_eq!(answers[2]["body"], "made up");
    assert_eq!(origin.requests().len(), 1);
    assert_eq!(origin.requests()[0].headers["x-plain"], "${not a secret}");
    let exchanges = finished.audit.exchanges();
    let named: Vec<_> = exchanges.iter().map(|record| record["handlers"][0].clone()).collect();
    assert_eq!(named, ["deny", "plain-deny", "respond", "inject"]);
    let decisions: Vec<_> = exchanges.iter().map(|record| record["decision"].clone()).collect();
    assert_eq!(decisions, ["deny", "deny", "allow", "allow"]);
}

fn a_chain(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = r#"
allowedHosts: [api.example.test]
outbound: [first, second]
handlers:
  first: { inject: { x-first: "1", x-both: first } }
  second: { inject: { x-second: "2", x-both: second } }
"#;
    let _ = lab.run(policy, &[&origin]).finish(&[CURL, "-sS", URL]).ok();
    let headers = &origin.requests()[0].headers;
    assert_eq!((&headers["x-first"], &headers["x-second"]), (&"1".parse().unwrap(), &"2".parse().unwrap()));
    assert_eq!(headers.get_all("x-both").iter().collect::<Vec<_>>(), ["second"]);
}

fn javascript_adds_the_token(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = format!(
        "allowedHosts: [{HOST}]
outboundByHost: {{ {HOST}: token }}
handlers: {{ token: {{ wasm: \"{}\", secrets: [SECRET] }} }}
secrets: {{ SECRET: {{ env: API_TOKEN }} }}
",
        built_example(&lab, "token-by-host").display()
    );
    for flag in ["--http1.1", "--http2"] {
        let finished = lab.run(&policy, &[&origin]).finish(&[CURL, "-sS", flag, URL]).ok();
        assert_eq!(finished.stdout, "the token is right\n");
        assert_eq!(finished.audit.exchanges()[0]["handlers"][0], "token");
    }
    let stream = format!("https://{HOST}/stream/{}", 20 << 20);
    let command = [CURL, "-sS", "-o", "/dev/null", "-w", "%{size_download}", &stream];
    let finished = lab.run(&policy, &[&origin]).finish(&command).ok();
    assert_eq!(finished.stdout, (20 << 20).to_string());
    assert_eq!(origin.requests()[0].headers.get_all("x-auth-token").iter().count(), 1);
}

fn javascript_answers(user: User) {
    let lab = Lab::new(user);
    let policy = format!(
        "outbound: only-get\nhandlers: {{ only-get: {{ wasm: \"{}\" }} }}\nallowedHosts: [{HOST}]",
        built_example(&lab, "only-get").display()
    );
    let origin = lab.origin(Settings::default());
    for (method, status) in [("POST", "405"), ("GET", "200"), ("DELETE", "405")] {
        let url = format!("https://{HOST}/");
        let command = [CURL, "-sS", "-X", method, "-o", "/dev/null", "-w", "%{http_code}", &url];
        let finished = lab.run(&policy, &[&origin]).finish(&command).ok();
        assert_eq!(finished.stdout, status, "{method}");
    }
    assert_eq!(origin.requests().len(), 1);
}

/// Before the response's head and after it.
fn a_new_policy_ends_what_waits_in_a_handler(user: User) {
    for (path, status, end) in [("/hold", "403", "body"), ("/events", "200", "rest")] {
        let lab = Lab::new(user);
        let handlers =
            format!("handlers: {{ h: {{ wasm: \"{}\" }} }}", built_example(&lab, "only-get").display());
        let origin = lab.origin(Settings::default());
        let policy = format!("outboundByHost: {{ {HOST}: h }}\n{handlers}");
        let mut running = lab.run(&policy, &[&origin]).start(&[PYTHON, "-c", WIRE, HOST, HOST]);
        let text = serde_json::json!(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
        assert_eq!(running.ask(&format!("send {text}")), "sent");
        if status == "200" {
            assert_eq!((running.ask("head"), running.ask("some")), ("200".into(), "some".into()));
        }
        wait::until("the request", || (origin.requests().len() == 1).then_some(()));
        assert!(running.apply(&format!("outbound: h\ndeniedHosts: [{HOST}]\n{handlers}")).status.success());
        wait::until("the upstream connection to be closed", || (origin.open() == 0).then_some(()));
        if status == "403" {
            assert_eq!(running.ask("head"), "403");
        }
        let told = running.ask(end);
        assert!(told == "cut off" || told.contains("\"revoked\""), "{told}");
        let finished = running.finish_abrupt().ok();
        let record = finished.audit.exchanges()[0].clone();
        let said = (&record["error"], &record["handlers"][0], &record["generation"]);
        assert_eq!(said, (&"revoked".into(), &"h".into(), &1.into()), "{record}");
        assert_eq!(record["status"].to_string(), status);
    }
}

fn hostile_handlers_harm_only_themselves(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let guests = [
        ("spin", "(loop (br 0))", 504, "handler_cpu"),
        ("trap", "unreachable", 502, "handler_trapped"),
        HOARD,
    ];
    let mut policy = "allowedHosts: [\"*.example.test\"]\noutboundByHost:\n".to_owned();
    policy += &guests.map(|(name, ..)| format!("  {name}.example.test: {name}\n")).concat();
    policy += "limits: { handlerCpuMs: 200, handlerMemoryMib: 16 }\nhandlers:\n";
    for (name, body, ..) in guests {
        lab.write(&format!("{name}.wat"), &guest(body));
        policy += &format!("  {name}: {{ wasm: {name}.wat }}\n");
    }
    let innocent = format!("https://{HOST}/");
    for (name, _, status, reason) in guests {
        let url = format!("https://{name}.example.test/");
        let command = [PYTHON, "-c", ASK, &url, &innocent, &url, &innocent];
        let finished = lab.run(&policy, &[&origin]).finish(&command).ok();
        let answers = finished.json_lines();
        let statuses: Vec<_> = answers.iter().map(|answer| answer["status"].clone()).collect();
        assert_eq!(statuses, [status, 200, status, 200], "{name}: {}", finished.stdout);
        let problem: Value = serde_json::from_str(answers[0]["body"].as_str().unwrap()).unwrap();
        assert_eq!(problem["reason"], reason, "{problem}");
        assert_eq!(finished.audit.exchanges()[0]["error"], reason);
    }
    assert_eq!(origin.requests().len(), 2 * guests.len());
}

fn what_is_not_a_handler_is_refused_at_load(user: User) {
    let lab = Lab::new(user);
    let import = "(component (import \"wasi:sockets/tcp@0.2.0\" (instance (export \"connect\" (func))))";
    let importing = guest("").replacen("(component", import, 1);
    for (name, text, word) in [
        ("text.wasm", "not a component", "handler `one`: not a WebAssembly component"),
        ("import.wat", &importing, "wasi:sockets/tcp"),
        ("empty.wat", "(component)", "handle"),
    ] {
        lab.write(name, text);
        let policy = format!("outbound: one\nhandlers: {{ one: {{ wasm: {name} }} }}");
        let finished = lab.run(&policy, &[]).finish(&["/bin/echo", "started"]);
        assert_eq!((finished.code(), finished.stdout.as_str()), (125, ""), "{name}: {}", finished.stderr);
        assert!(finished.stderr.contains(word), "{name}: {}", finished.stderr);
    }
    let policy = "outbound: one\nhandlers: { one: { wasm: missing.wasm } }";
    let finished = lab.run(policy, &[]).finish(&["/bin/echo", "started"]);
    assert!(finished.code() == 125 && finished.stderr.contains("missing.wasm"), "{}", finished.stderr);
}

/// Takes memory until it gets no more, and fails then.
const HOARD: (&str, &str, u16, &str) = (
    "hoard",
    "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
    502,
    "handler_memory",
);

/// A component whose `handle` does `body` and nothing else. The thirteen parameters are a request's strings, headers
/// and body, flattened.
pub(crate) fn guest(body: &str) -> String {
    include_str!("../clients/guest.wat").replace(";; BODY", body)
}

/// A copy, readable by the lab's user, of an example that `make handlers` has built.
pub(crate) fn built_example(lab: &Lab, name: &str) -> PathBuf {
    let directory = std::env::var_os("HANDLERS_WASM_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/handlers"), PathBuf::from);
    let built = directory.join(format!("{name}.wasm"));
    assert!(built.is_file(), "{} is missing; build it first: make handlers", built.display());
    let copy = lab.path(&format!("{name}.wasm"));
    fs::copy(built, &copy).unwrap();
    lab.user.own(&copy);
    copy
}
