//! The tools for handlers, as a person uses them: what they print, what they write, and which exit status they have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use harness::{Lab, Program, User, for_each_user, request, wait};
use serde_json::Value;

use crate::{
    handlers::{built_example, guest},
    programs::CURL,
};

for_each_user!(a_component_is_swapped_while_a_command_runs, handlers_are_listed_with_their_counts);

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
    assert_eq!((status, &printed["kind"]), (0, &"handler".into()));
    assert!(printed["exports"].as_array().unwrap().contains(&"handle".into()), "{printed}");
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

/// Keeps what it is asked for, and tells whom it serves.
const KEEPS: &str = "export default { async fetch(request, env, ctx) {
  const key = new URL(request.url).pathname;
  const seen = Number(await env.KEYS.get(key) ?? 0) + 1;
  await env.KEYS.put(key, String(seen));
  await env.FILES.put('last', env.REGION + seen);
  const { success } = await env.LIMITER.limit({ key });
  console.log('asked by', ctx.containerId);
  return Response.json({ seen, success, id: ctx.containerId, class: ctx.className });
} };";

#[test]
fn cases_have_stores_and_several_requests() {
    let lab = Lab::new(User::Myself);
    let source = file(&lab, "keeps.js", KEEPS);
    assert_eq!(handler(&lab, &["build", &source]).0, 0);
    let wasm = source.replace(".js", ".wasm");
    let grants = "rateLimits: { LIMITER: { limit: 1, periodMs: 60000 } }\n  config: { REGION: eu }";
    let case = format!(
        "- name: counts
  containerId: box-1
  className: agent
  keyvalue: {{ KEYS: {{ /user: '4', /other: kept }} }}
  blobstore: {{ FILES: {{ old: text }} }}
  GRANTS
  request: {{ url: \"{URL}\" }}
  expect:
    json: {{ seen: 5, success: true, id: box-1, class: agent }}
    keyvalue: {{ KEYS: {{ /user: '5', /other: kept, /none: null }} }}
    blobstore: {{ FILES: {{ old: text, last: eu5, none: null }} }}
    logs: [asked by box-1]
  then:
    - request: {{ url: \"{URL}\" }}
      expect: {{ json: {{ seen: SEEN, success: false, id: box-1, class: agent }}, keyvalue: {{ KEYS: {{ /user: '6' }} }} }}
"
    );
    let cases = file(&lab, "cases.yaml", &case.replace("GRANTS", grants).replace("SEEN", "6"));
    let (status, stdout, stderr) = handler(&lab, &["test", &wasm, &cases]);
    assert_eq!((status, stdout.contains("1 cases, 0 failed")), (0, true), "{stdout}{stderr}");
    let wrong = case.replace("GRANTS", grants).replace("SEEN", "7").replace("last: eu5", "last: eu6");
    let (status, stdout, _) = handler(&lab, &["test", &wasm, &file(&lab, "wrong.yaml", &wrong)]);
    assert_eq!(status, 1, "{stdout}");
    for line in ["blobstore.FILES.last: expected eu6, got eu5", "request 2: json.seen: expected 7, got 6"] {
        assert!(stdout.contains(line), "{line}: {stdout}");
    }

    // Under a policy, stores go by the policy's names, and nothing of theirs is touched.
    let policy = "outbound: keeps
enableInternet: true
stores: { keys: { file: no/such.db }, files: { folder: no/such } }
handlers:
  keeps:
    wasm: keeps.wasm
    config: { REGION: eu }
    keyvalue: { KEYS: keys }
    blobstore: { FILES: files }
    rateLimits: { LIMITER: { limit: 1, periodMs: 60000 } }
";
    let policy = file(&lab, "policy.yaml", policy);
    let by_store = case.replace("KEYS", "keys").replace("FILES", "files").replace("SEEN", "6");
    let good = file(&lab, "by-store.yaml", &by_store.replace("  GRANTS\n", ""));
    let (status, stdout, stderr) = handler(&lab, &["test", "--policy", &policy, &good]);
    assert_eq!((status, lab.path("no").exists()), (0, false), "{stdout}{stderr}");
    for (text, word) in [
        (by_store.replace("GRANTS", grants), "`config` is the policy's"),
        (case.replace("GRANTS", ""), "`KEYS`"),
    ] {
        let (status, _, stderr) =
            handler(&lab, &["test", "--policy", &policy, &file(&lab, "bad.yaml", &text)]);
        assert!(status == 2 && stderr.contains(word), "{stderr}");
    }
}

/// A shell inside, whose requests go through `source`.
fn shell(lab: &Lab, source: &Path, more: &[&str]) -> Program {
    let mut program = lab.program();
    program.args(["handler", "run"]).arg(source).args(more).env("PROXY_EVERYTHING_SDK", sdk());
    program.arg("--state-dir").arg(lab.path("state")).arg("--cache-dir").arg(lab.path("components"));
    program.args(["--", "/bin/sh"]);
    Program::start(program)
}

fn told(program: &Program, text: &str) {
    wait::until(text, || program.errors().contains(text).then_some(()));
}

fn a_component_is_swapped_while_a_command_runs(user: User) {
    let lab = Lab::new(user);
    let post = format!("{CURL} -sS -X POST -o /dev/null -w '%{{http_code}}\\n' {URL}");
    let (first, second) = (built_example(&lab, "only-get"), built_example(&lab, "token-by-host"));
    let folder = lab.directory("project");
    let component = folder.join("handler.wasm");
    fs::copy(&first, &component).unwrap();
    user.own(&component);
    let mut shell = shell(&lab, &component, &[]);
    assert_eq!(shell.ask(&post), "405", "{}", shell.errors());
    told(&shell, "405   POST https://api.example.test/user ");
    told(&shell, " handler run-");
    fs::write(&component, "no component").unwrap();
    told(&shell, "not loaded: ");
    assert_eq!(shell.ask(&post), "405", "what was there goes on");
    fs::copy(&second, &component).unwrap();
    told(&shell, "in force as generation 2");
    assert_ne!(shell.ask(&post), "405");

    // What the command could write would be built, and run, outside.
    for (path, wanted) in
        [("/var/tmp", "refused"), ("$HOME", "refused"), ("/tmp", "wrote"), ("/dev/shm", "wrote")]
    {
        let write = format!("touch {path}/proxy-everything-$$ 2>/dev/null && echo wrote || echo refused");
        assert_eq!(shell.ask(&write), wanted, "{path}");
    }
    shell.say("exit 7");
    assert_eq!(shell.code(), Some(7));
}

#[test]
fn a_project_is_built_again_while_a_command_runs() {
    let lab = Lab::new(User::Myself);
    let folder = lab.directory("project");
    let source = |text: &str| {
        let text = format!("export default {{ fetch(request) {{ {text} }} }};\n");
        fs::write(folder.join("handler.js"), text).unwrap();
    };
    source("console.warn('first\\u001b[2J', request.method); return new Response('one\\n');");
    let policy = "outbound: mine\nenableInternet: true\nhandlers: { mine: { wasm: handler.wasm } }\n";
    fs::write(folder.join("policy.yaml"), policy).unwrap();
    let ask = format!("{CURL} -sS {URL}; echo");
    let mut shell = shell(&lab, &folder, &[]);
    let mut answer = || {
        let line = shell.ask(&ask);
        if !line.is_empty() {
            assert_eq!(shell.hear(), "");
        }
        line
    };
    assert_eq!(answer(), "one");
    source("return new Response('two\\n');");
    wait::until("the second version", || (answer() == "two").then_some(()));
    source("return new Response(;");
    told(&shell, "not built; what was there goes on serving");
    assert_eq!((shell.ask(&ask), shell.hear()), ("two".to_owned(), String::new()));
    source("return new Response('three\\n');");
    told(&shell, "in force as generation 3");
    assert_eq!((shell.ask(&ask), shell.hear()), ("three".to_owned(), String::new()));
    fs::write(folder.join("policy.yaml"), format!("{policy}deniedHosts: [api.example.test]\n")).unwrap();
    let code = format!("{CURL} -s -o /dev/null -w '%{{http_code}}\\n' {URL}");
    wait::until("the new policy", || (shell.ask(&code) == "000").then_some(()));
    let errors = shell.errors();
    assert!(errors.contains("warn  mine run-") && errors.contains(": first [2J GET"), "{errors}");
    assert!(errors.contains("handler.js"), "a fault has its place: {errors}");
    shell.say("exit 0");
    assert_eq!(shell.code(), Some(0));

    source("return (");
    let run = |more: &[&str]| {
        handler(&lab, &[&["run", folder.to_str().unwrap()], more, &["--", "/bin/true"]].concat())
    };
    assert_eq!(run(&[]).0, 1, "the first one must build");
    source("return fetch(request);");
    let other = file(&lab, "other.yaml", "handlers: { a: { deny: {} } }");
    let (status, _, stderr) = run(&["--policy", &other]);
    assert!(status == 125 && stderr.contains("no handler of the policy is made of"), "{stderr}");
}

fn handlers_are_listed_with_their_counts(user: User) {
    let lab = Lab::new(user);
    let path = built_example(&lab, "only-get");
    lab.write("trap.wat", &guest("unreachable"));
    let policy = format!(
        "outboundByHost: {{ api.example.test: get, trap.example.test: trap }}
handlers:
  closed: {{ deny: {{}} }}
  get: {{ wasm: \"{}\", version: \"1.0\" }}
  trap: {{ wasm: trap.wat }}
",
        path.display()
    );
    let mut running = lab.run(&policy, &[]).start(&["/bin/sh"]);
    let status = |url: &str| format!("{CURL} -sS -X POST -o /dev/null -w '%{{http_code}}\\n' {url}");
    assert_eq!(running.ask(&status(URL)), "405");
    assert_eq!(running.ask(&status("https://trap.example.test/")), "502");
    let list = || -> Vec<Value> {
        let output = lab.cli(&["handler", "list", "--socket", running.socket().to_str().unwrap()]);
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        printed["handlers"].as_array().unwrap().clone()
    };
    let found = list();
    assert_eq!(found[0], serde_json::json!({ "name": "closed", "kind": "deny" }));
    let get = &found[1];
    assert_eq!(
        (&get["name"], &get["kind"], &get["version"]),
        (&"get".into(), &"handler".into(), &"1.0".into())
    );
    assert_eq!((&get["path"], get["sha256"].as_str().unwrap().len()), (&path.to_str().unwrap().into(), 64));
    assert_eq!(
        (&get["calls"], &get["instances"], &get["faults"]["handler_trapped"]),
        (&1.into(), &1.into(), &0.into())
    );
    let trap = &found[2];
    assert_eq!((&trap["calls"], &trap["instances"]), (&1.into(), &0.into()), "a broken instance is gone");
    assert_eq!((&trap["faults"]["handler_trapped"], &trap["version"]), (&1.into(), &Value::Null));
    let metrics = request(&running.socket(), "GET", "/v1/metrics", "").body;
    for (name, labels, value) in [
        ("calls", "handler=\"get\"", 1),
        ("faults", "handler=\"get\",kind=\"handler_trapped\"", 0),
        ("faults", "handler=\"trap\",kind=\"handler_trapped\"", 1),
    ] {
        let line = format!(
            "proxy_everything_handler_{name}_total{{instance=\"run-0\",class=\"\",{labels}}} {value}\n"
        );
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    // Counts outlive a change of the policy, and go with their handler.
    assert!(running.apply(&policy.replace("1.0", "1.1")).status.success());
    assert_eq!(running.ask(&status(URL)), "405");
    let counted = || request(&running.socket(), "GET", "/v1/handlers", "").json()["handlers"][1].clone();
    assert_eq!((&counted()["calls"], &counted()["version"]), (&2.into(), &"1.1".into()));
    running.say("exit 0");
    let _ = running.finish().ok();
}
