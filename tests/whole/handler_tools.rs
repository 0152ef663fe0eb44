//! The tools for handlers, as a person uses them: what they print, what they write, and which exit status they have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use harness::{Lab, User};
use serde_json::Value;

use crate::handlers::{built_example, guest};

const URL: &str = "https://api.example.test/user";

/// Where the tool finds the SDKs.
fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../handlers/sdk")
}

fn handler(lab: &Lab, arguments: &[&str]) -> (i32, String, String) {
    let mut program = lab.program();
    program.arg("handler").args(arguments).env("PROXY_EVERYTHING_SDK", sdk());
    let Output { status, stdout, stderr } = program.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn file(lab: &Lab, name: &str, text: &str) -> String {
    lab.write(name, text).to_str().unwrap().to_owned()
}

fn example(lab: &Lab, name: &str) -> String {
    built_example(lab, name).to_str().unwrap().to_owned()
}

#[test]
fn inspect_tells_what_a_component_is() {
    let lab = Lab::new(User::Myself);
    let wasm = example(&lab, "token-by-host");
    let (status, stdout, _) = handler(&lab, &["inspect", &wasm]);
    assert!(status == 0 && stdout.starts_with("kind         handler\n"), "{stdout}");
    let (status, stdout, _) = handler(&lab, &["inspect", "--json", &wasm]);
    let printed: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((status, &printed["kind"], &printed["exports"][0]), (0, &"handler".into(), &"handle".into()));
    assert_eq!(printed["size"], fs::metadata(&wasm).unwrap().len());
    assert_eq!(printed["sha256"].as_str().unwrap().len(), 64);
    let needs = printed["needs"].as_array().unwrap();
    assert!(needs.contains(&"secrets".into()), "{printed}");
    let (status, _, stderr) = handler(&lab, &["inspect", &file(&lab, "text.wasm", "text")]);
    assert!(status == 2 && stderr.contains("not a WebAssembly component"), "{stderr}");
    let (status, _, stderr) = handler(&lab, &["inspect", "no-such.wasm"]);
    assert!(status == 125 && stderr.contains("no-such.wasm"), "{stderr}");
}

#[test]
fn check_tells_whether_it_would_be_loaded() {
    let lab = Lab::new(User::Myself);
    let good = file(&lab, "good.wat", &guest("unreachable"));
    let (status, stdout, stderr) = handler(&lab, &["check", &good]);
    assert!(status == 0 && stdout.ends_with("ok\n"), "{stdout}{stderr}");
    let import = "(component (import \"wasi:sockets/tcp@0.2.0\" (instance (export \"connect\" (func))))";
    let sockets = file(&lab, "sockets.wat", &guest("").replacen("(component", import, 1));
    let empty = file(&lab, "empty.wat", "(component)");
    for (name, word) in [(&sockets, "wasi:sockets/tcp"), (&empty, "handle")] {
        let (status, stdout, _) = handler(&lab, &["check", name]);
        assert!(status == 1 && stdout.contains("would not be loaded") && stdout.contains(word), "{stdout}");
    }
    let wasm = example(&lab, "token-by-host");
    let policy = "secrets: { S: { env: S } }\nhandlers:\n  bare: { wasm: x.wasm }\n  full: { wasm: x.wasm, secrets: [S] }\n  built-in: { deny: {} }\n";
    let policy = file(&lab, "policy.yaml", policy);
    for (name, wanted, missing) in
        [("bare", 0, true), ("full", 0, false), ("built-in", 2, false), ("none", 2, false)]
    {
        let (status, stdout, stderr) = handler(&lab, &["check", &wasm, "--policy", &policy, "--name", name]);
        let line = stdout.lines().find(|line| line.starts_with("not granted"));
        let told = line.is_some_and(|line| line.contains("secrets"));
        assert_eq!((status, told), (wanted, missing), "{name}: {stdout}{stderr}");
    }
}

#[test]
fn cases_are_tried_on_a_component() {
    let lab = Lab::new(User::Myself);
    let wasm = example(&lab, "only-get");
    let folder = lab.directory("cases");
    let good = format!(
        "- name: reading passes
  request: {{ url: \"{URL}\", headers: {{ x-asked: yes }} }}
  upstream: {{ status: 203, headers: {{ x-from: server }}, json: {{ a: [1] }} }}
  expect:
    status: 203
    headers: {{ x-from: server, x-not: null }}
    json: {{ a: [1] }}
    forwarded: [{{ method: GET, url: \"{URL}\", headers: {{ x-asked: \"yes\", cookie: null }}, body: \"\" }}]
- name: writing does not
  request: {{ method: POST, url: \"{URL}\", body: text }}
  expect: {{ status: 405, bodyContains: [only reading], forwarded: [], logs: [\"tried POST {URL}\"] }}
- name: a server that is away
  request: {{ url: \"{URL}\" }}
  upstream: {{ fails: true }}
  expect: {{ fails: upstream_failed, status: 502 }}
"
    );
    fs::write(folder.join("good.yaml"), good).unwrap();
    fs::write(folder.join("notes.txt"), "not a list of cases").unwrap();
    let (status, stdout, stderr) = handler(&lab, &["test", &wasm, folder.to_str().unwrap()]);
    let wanted =
        "ok   reading passes\nok   writing does not\nok   a server that is away\n3 cases, 0 failed\n";
    assert_eq!((status, stdout.as_str()), (0, wanted), "{stderr}");

    let bad = format!(
        "- name: fine\n  request: {{ url: \"{URL}\" }}\n  expect: {{ status: 200 }}\n\
         - name: other\n  request: {{ method: PUT, url: \"{URL}\" }}\n  expect: {{ status: 200, logs: [nothing] }}\n"
    );
    let bad = file(&lab, "bad.yaml", &bad);
    let (status, stdout, _) = handler(&lab, &["test", &wasm, &bad]);
    assert_eq!(status, 1, "{stdout}");
    for wanted in [
        "ok   fine\n",
        "FAIL other (",
        "bad.yaml:4)",
        "     status: expected 200, got 405\n",
        "log: expected nothing",
        "2 cases, 1 failed\n",
    ] {
        assert!(stdout.contains(wanted), "{wanted}: {stdout}");
    }
    for (text, word) in [
        ("- { name: a, expects: {} }", "expects"),
        ("- { name: a, request: { url: no-url }, expect: {} }", "no-url"),
        ("[]", ""),
    ] {
        let (status, _, stderr) = handler(&lab, &["test", &wasm, &file(&lab, "faulty.yaml", text)]);
        assert!(status == 2 && stderr.contains(word), "{text}: {stderr}");
    }
}

#[test]
fn cases_are_tried_on_a_policy() {
    let lab = Lab::new(User::Myself);
    example(&lab, "token-by-host");
    // Neither of the secrets exists: the cases say what they are.
    let policy = "allowedHosts: [api.example.test, inject.test, plain.test, closed.test]
outboundByHost: { api.example.test: program, inject.test: token, closed.test: closed }
handlers:
  program: { wasm: token-by-host.wasm, secrets: [SECRET] }
  token: { inject: { authorization: \"Bearer ${OTHER}\" } }
  closed: { deny: { status: 451, reason: ask us } }
secrets: { SECRET: { env: NO_SUCH_VARIABLE }, OTHER: { file: no-such-file } }
";
    let policy = file(&lab, "policy.yaml", policy);
    let cases = format!(
        "- name: program
  request: {{ url: \"{URL}\" }}
  secrets: {{ SECRET: given }}
  expect: {{ status: 200, forwarded: [{{ headers: {{ x-auth-token: given }} }}] }}
- name: built in
  request: {{ url: \"https://inject.test/\" }}
  expect: {{ status: 200, forwarded: [{{ headers: {{ authorization: Bearer secret-OTHER }} }}] }}
- name: echo
  request: {{ method: POST, url: \"https://plain.test/\", json: {{ a: 1 }} }}
  upstream: [{{ echo: true }}]
  expect: {{ json: {{ a: 1 }} }}
- name: refused by a handler
  request: {{ url: \"https://closed.test/\" }}
  expect: {{ denied: denied_by_handler, status: 451, forwarded: [] }}
- name: refused
  request: {{ url: \"https://other.test/\" }}
  expect: {{ denied: host_not_allowed, status: 403, forwarded: [] }}
"
    );
    let cases = file(&lab, "cases.yaml", &cases);
    let (status, stdout, stderr) = handler(&lab, &["test", "--policy", &policy, &cases]);
    assert_eq!((status, stdout.contains("5 cases, 0 failed")), (0, true), "{stdout}{stderr}");
    let faulty = file(&lab, "faulty.yaml", "allowedHosts: [a b]");
    assert_eq!(handler(&lab, &["test", "--policy", &faulty, &cases]).0, 2);
}

#[test]
fn a_new_handler_builds_and_passes_its_test() {
    let lab = Lab::new(User::Myself);
    for lang in ["js", "ts"] {
        let name = format!("my-{lang}");
        let (status, stdout, stderr) = handler(&lab, &["new", &name, "--lang", lang]);
        assert!(status == 0 && stdout.contains(&format!("handler.{lang}")), "{stdout}{stderr}");
        let (status, stdout, stderr) = handler(&lab, &["build", &name]);
        assert_eq!((status, stdout.as_str()), (0, format!("{name}/handler.wasm\n").as_str()), "{stderr}");
        let path = |file: &str| format!("{name}/{file}");
        let (status, stdout, stderr) = handler(&lab, &["test", &path("handler.wasm"), &path("cases")]);
        assert_eq!(status, 0, "{stdout}{stderr}");
        // And so do its cases under its policy.
        let (status, stdout, stderr) =
            handler(&lab, &["test", "--policy", &path("policy.yaml"), &path("cases")]);
        assert_eq!(status, 0, "{stdout}{stderr}");
    }
}

#[test]
fn every_language_has_a_beginning() {
    let lab = Lab::new(User::Myself);
    for (lang, source) in [("python", "handler.py"), ("rust", "src/lib.rs"), ("c", "handler.c")] {
        let name = format!("my-{lang}");
        assert_eq!(handler(&lab, &["new", &name, "--lang", lang]).0, 0, "{lang}");
        let project = lab.path("work").join(&name);
        for file in [source, "README.md", "policy.yaml", "cases/handler.yaml"] {
            let text = fs::read_to_string(project.join(file)).unwrap();
            assert!(!text.contains("my-handler") && !text.contains("/path/to"), "{lang}: {file}: {text}");
        }
        let policy = project.join("policy.yaml");
        let (status, stdout, stderr) = policy_check(&lab, &policy);
        assert_eq!(status, 0, "{stdout}{stderr}");
    }
    let (status, _, stderr) = handler(&lab, &["new", "my-c"]);
    assert!(status == 125 && stderr.contains("not empty"), "{stderr}");
    let (status, _, stderr) = handler(&lab, &["new", "No Name"]);
    assert!(status == 125 && stderr.contains("name"), "{stderr}");
}

fn policy_check(lab: &Lab, policy: &Path) -> (i32, String, String) {
    let Output { status, stdout, stderr } = lab.cli(&["policy", "check", policy.to_str().unwrap()]);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn what_is_missing_for_a_build_is_told() {
    let lab = Lab::new(User::Myself);
    let source = file(&lab, "handler.js", "export default {};");
    let build = |path: Option<&str>, sdk: Option<&Path>| {
        let mut program = lab.program();
        program.args(["handler", "build", &source]).env_remove("PROXY_EVERYTHING_SDK");
        program.envs(path.map(|path| ("PATH", path))).envs(sdk.map(|sdk| ("PROXY_EVERYTHING_SDK", sdk)));
        let output = program.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for (path, folder, word) in [
        (Some("/nowhere"), Some(&*sdk()), "node is not installed"),
        (None, None, "set PROXY_EVERYTHING_SDK"),
        (None, Some(Path::new("/nowhere")), "/nowhere"),
    ] {
        let (status, stderr) = build(path, folder);
        assert!(status == 125 && stderr.contains(word), "{stderr}");
    }
    let (status, _, stderr) = handler(&lab, &["build", &file(&lab, "broken.js", "export default {")]);
    assert!(status == 1 && stderr.contains("node"), "{stderr}");
    let (status, _, stderr) = handler(&lab, &["build", &file(&lab, "handler.txt", "")]);
    assert!(status == 125 && stderr.contains("no SDK builds"), "{stderr}");
}
