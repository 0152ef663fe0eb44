//! What is set at run time: by socket and by command line, on open connections, for one instance and for all, and after the end of
//! proxies. What a verb makes of the lists is tested in its own crate; here it must be in force when it is acknowledged, and stay.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Output;

use harness::{Answer, Attached, HOST, Lab, Running, Settings, User, Workload, for_each_user, request, wait};
use serde_json::{Value, json};

use crate::handlers::built_example;
use crate::programs::{ASK, DIALOGUE, PYTHON};

for_each_user!(
    verbs_on_an_open_connection,
    what_is_refused_changes_nothing,
    the_document_changes_below_it,
    params_reach_the_handler,
    by_command_line,
    explained_as_it_is_in_force,
    what_is_kept_is_set_again,
    rules_and_explanations,
);

const POLICY: &str = r"
allowedHosts: [api.example.test]
handlers:
  teapot: { respond: { status: 418, body: teapot } }
  other: { respond: { status: 200, body: other } }
";

fn verb(running: &Running<'_>, verb: &str, body: &Value) -> Answer {
    running.admin("POST", &format!("/v1/{verb}"), &body.to_string())
}

fn changed(answer: &Answer, generation: u64, changed: bool) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    assert_eq!((&told["generation"], &told["changed"]), (&json!(generation), &json!(changed)), "{told}");
    assert!(answer.head.contains(&format!("etag: \"{generation}\"")), "{answer:?}");
}

/// Verbs, whether they change anything, and what the next request is answered then.
fn steps() -> Vec<(&'static str, Value, bool, &'static str)> {
    let host = json!({ "host": HOST });
    vec![
        ("denyHost", host.clone(), true, "403"),
        ("denyHost", host.clone(), false, "403"),
        ("removeDeniedHost", host.clone(), true, "200 hello from api.example.test"),
        ("removeDeniedHost", host.clone(), false, "200 hello"),
        (
            "setDeniedHosts",
            json!({ "hosts": [{ "host": "*.test", "methods": ["GET"], "answer": { "status": 451 } }] }),
            true,
            "451",
        ),
        ("setDeniedHosts", json!({ "hosts": [] }), true, "200 hello"),
        ("setOutboundByHost", json!({ "host": "*.example.test", "handler": "teapot" }), true, "418 teapot"),
        (
            "setOutboundByHost",
            json!({ "host": HOST, "handlers": ["other"], "methods": ["GET"] }),
            true,
            "200 other",
        ),
        (
            "setOutboundByHost",
            json!({ "host": HOST, "handler": "teapot", "methods": ["PUT"] }),
            true,
            "418 teapot",
        ),
        ("removeOutboundByHost", json!({ "host": "*.example.test" }), true, "200 hello"),
        ("removeOutboundByHost", json!({ "host": "none.test" }), false, "200 hello"),
        (
            "setOutboundByHosts",
            json!({ "hosts": { HOST: { "method": "teapot" }, "*": "other" } }),
            true,
            "418 teapot",
        ),
        ("setOutboundByHosts", json!({ "hosts": { "*": "other" } }), true, "200 other"),
        ("setOutboundByHosts", json!({ "hosts": {} }), true, "200 hello"),
        ("setOutboundHandler", json!({ "handler": "teapot" }), true, "418 teapot"),
        ("removeAllowedHost", host.clone(), true, "403"),
        ("allowHost", json!({ "host": "other.test" }), true, "403"),
        ("allowHost", host, true, "418 teapot"),
        ("removeOutboundHandler", json!({}), true, "200 hello"),
        ("removeOutboundHandler", json!({}), false, "200 hello"),
        ("setAllowedHosts", json!({ "hosts": [] }), true, "403"),
        ("clear", json!({}), true, "200 hello"),
        ("clear", json!({}), false, "200 hello"),
    ]
}

/// Each is followed by a request on one and the same connection.
fn verbs_on_an_open_connection(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let mut running = lab.run(POLICY, &[&origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert!(running.ask("GET /").starts_with("200 hello"));
    let (mut generation, mut generations) = (1, vec![1]);
    for (name, body, is_new, wanted) in steps() {
        generation += u64::from(is_new);
        changed(&verb(&running, name, &body), generation, is_new);
        let heard = running.ask("GET /");
        assert!(heard.starts_with(wanted), "{name} {body}: {heard}");
        generations.push(generation);
    }
    let finished = running.finish().ok();
    let exchanges = finished.audit.exchanges();
    let recorded: Vec<_> = exchanges.iter().map(|one| one["generation"].as_u64().unwrap()).collect();
    assert_eq!(recorded, generations);
    assert_eq!(exchanges[5]["rule"], "deniedHosts[0] *.test (at run time)", "{}", exchanges[5]);
    assert!(exchanges.windows(2).all(|pair| pair[0]["connection"] == pair[1]["connection"]));
}

fn what_is_refused_changes_nothing(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run(POLICY, &[]).start(&["/bin/cat"]);
    running.ask("ready");
    for (method, path, body, status, told) in [
        (
            "POST",
            "/v1/setOutboundHandler",
            r#"{"handler":"teapt"}"#,
            422,
            "1:12: unknown handler `teapt`; did you mean `teapot`?",
        ),
        ("POST", "/v1/allowHost", r#"{"host":"a.test","bogus":1}"#, 422, "1:18: unknown key `bogus`"),
        (
            "POST",
            "/v1/allowHost",
            "{\"host\":\"a.test\",\n\"host\":\"b.test\"}",
            422,
            "2:1: duplicate key `host`",
        ),
        ("POST", "/v1/allowHost", r#"{"host":["a.test"]}"#, 422, "1:2: expected a word or keys"),
        ("POST", "/v1/denyHost", r#"{"host":"*evil.test"}"#, 422, "write `*.evil.test` and `evil.test`"),
        ("POST", "/v1/setAllowedHosts", "{", 422, "1:"),
        ("POST", "/v1/setAllowedHosts", "", 422, "there is nothing in it"),
        ("GET", "/v1/denyHost", "", 405, "no such method"),
        ("POST", "/v1/denyhost", "{}", 404, "denyHost"),
        ("PUT", "/v1/overrides", "", 422, "there is nothing in it"),
        ("PUT", "/v1/overrides", r#"{"outbound":"none"}"#, 422, "unknown handler"),
        ("PUT", "/v1/overrides", r#"{"enableInternet":true}"#, 422, "1:2: unknown key `enableInternet`"),
        (
            "PUT",
            "/v1/policy/parts",
            r#"{"parts":[{"source":"a","base":"relative","text":""}]}"#,
            400,
            "absolute",
        ),
        ("PUT", "/v1/policy/parts", r#"{"parts":[{"source":"a","base":"/"}]}"#, 400, "missing field `text`"),
    ] {
        let answer = running.admin(method, path, body);
        assert_eq!(answer.status, status, "{path} {answer:?}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(told), "{path}: {detail}");
    }
    let mut stream = UnixStream::connect(running.socket()).unwrap();
    let head = "POST /v1/clear HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4194305\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    let overrides = running.admin("GET", "/v1/overrides", "");
    assert_eq!(
        (overrides.json(), overrides.head.contains("etag: \"1\"")),
        (json!({}), true),
        "{overrides:?}"
    );
    let _ = running.finish().ok();
}

fn the_document_changes_below_it(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let mut running = lab.run(POLICY, &[&origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert!(running.ask("GET /").starts_with("200 hello"));
    let set = r#"{"outboundByHost":{"b.test":"other","*.example.test":["teapot"]},"deniedHosts":[]}"#;
    changed(&running.admin("PUT", "/v1/overrides", set), 2, true);
    assert_eq!(running.ask("GET /"), "418 teapot");
    assert!(running.apply(&format!("{POLICY}\ndeniedHosts: [api.example.test]")).status.success());
    assert_eq!(running.ask("GET /"), "418 teapot", "the run-time list is in the place of the document's");
    let refused = running.apply("handlers: { other: { deny: {} } }");
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("set at run time") && told.contains("unknown handler `teapot`"), "{told}");
    assert_eq!(running.ask("GET /"), "418 teapot");
    let kept = running.admin("GET", "/v1/overrides", "").body;
    let wanted = r#"{"deniedHosts":[],"outboundByHost":{"b.test":[{"handlers":["other"]}],"*.example.test":[{"handlers":["teapot"]}]}}"#;
    assert_eq!(kept.trim(), wanted, "in the order in which they were set");
    changed(&running.admin("PUT", "/v1/overrides", &kept), 3, false);
    changed(&running.admin("PUT", "/v1/overrides", "{}"), 4, true);
    assert!(running.ask("GET /").starts_with("403"), "the document's list is in force again");
    let _ = running.finish().ok();
}

fn params_reach_the_handler(user: User) {
    let lab = Lab::new(user);
    let policy = format!(
        "outbound: pages\nhandlers: {{ pages: {{ wasm: \"{}\", params: {{ pages: {{ /: old }} }} }} }}",
        built_example(&lab, "synthetic").display()
    );
    let mut running = lab.run(&policy, &[]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert_eq!(running.ask("GET /"), "200 old");
    let given = json!({ "handler": "pages", "params": { "pages": { "/": "run time" } } });
    changed(&verb(&running, "setOutboundHandler", &given), 2, true);
    assert_eq!(running.ask("GET /"), "200 run time");
    let given = json!({ "host": HOST, "handler": "pages", "params": { "pages": { "/": "new" } } });
    changed(&verb(&running, "setOutboundByHost", &given), 3, true);
    assert_eq!(running.ask("GET /"), "200 new");
    let other = json!({ "hosts": { HOST: { "method": "pages", "params": { "pages": { "/": "newer" } } } } });
    changed(&verb(&running, "setOutboundByHosts", &other), 4, true);
    assert_eq!(running.ask("GET /"), "200 newer");
    let _ = running.finish().ok();
}

fn explained_as_it_is_in_force(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run(POLICY, &[]).start(&["/bin/cat"]);
    let _ = running.ask("ready");
    let state = lab.path("state");
    let explain = |verb: &str, body: &Value, wanted: (i32, &str)| {
        assert_eq!(running.admin("POST", &format!("/v1/{verb}"), &body.to_string()).status, 200);
        let url = format!("https://{HOST}/");
        let Output { status, stdout, .. } =
            lab.cli(&["policy", "explain", "GET", &url, "--state-dir", state.to_str().unwrap()]);
        let told = String::from_utf8(stdout).unwrap();
        assert!(status.code() == Some(wanted.0) && told.contains(wanted.1), "{status}: {told}");
    };
    explain("clear", &json!({}), (0, "allow by allowedHosts[0] api.example.test (line 2)"));
    explain("denyHost", &json!({ "host": HOST }), (1, "deniedHosts[0] api.example.test (at run time)"));
    explain("setDeniedHosts", &json!({ "hosts": [] }), (0, "goes through: straight to the server"));
    explain("setOutboundHandler", &json!({ "handler": "teapot" }), (0, "goes through: teapot"));
}

fn by_command_line(user: User) {
    let lab = Lab::new(user);
    let run = |policy| lab.run(policy, &[]).start(&["/bin/cat"]);
    let mut both = [run(POLICY), run("")];
    both.iter_mut().for_each(|running| drop(running.ask("ready")));
    let state = lab.path("state");
    let cli = |arguments: &[&str]| -> (i32, String, String) {
        let Output { status, stdout, stderr } =
            lab.cli(&[&["override"], arguments, &["--state-dir", state.to_str().unwrap()]].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    };
    let said = |arguments: &[&str], wanted: &str| {
        assert_eq!(cli(arguments), (0, wanted.to_owned(), String::new()), "{arguments:?}");
    };
    said(&["show", "--instance", "run-0"], "{}\n");
    said(&["deny-host", "evil.test", "--all"], "run-0: generation 2\nrun-1: generation 2\n");
    said(&["deny-host", "evil.test", "--instance", "run-1"], "generation 2 (unchanged)\n");
    said(&["allow-host", r#"{"host":"a.test","methods":["GET"]}"#, "--instance", "run-0"], "generation 3\n");
    let by_host = [
        "set-outbound-by-host",
        "a.test",
        "teapot",
        "--path",
        "/x/*",
        "--name",
        "tea",
        "--instance",
        "run-0",
    ];
    said(&by_host, "generation 4\n");
    let wanted = r#"{"deniedHosts":["evil.test"],"allowedHosts":["api.example.test",{"host":"a.test","methods":["GET"]}],"outboundByHost":{"a.test":[{"handlers":["teapot"],"name":"tea","paths":["/x/*"]}]}}"#;
    said(&["show", "--instance", "run-0"], &format!("{wanted}\n"));

    let (code, out, told) = cli(&["set-outbound-handler", "teapot", "--all"]);
    assert_eq!((code, out.as_str()), (2, "run-0: generation 5\n"), "{told}");
    assert_eq!(told, "run-1: unknown handler `teapot`; declare it under `handlers`\n");
    let (code, _, told) = cli(&["set-outbound-handler", "teapt", "--instance", "run-0"]);
    assert_eq!((code, told.as_str()), (2, "unknown handler `teapt`; did you mean `teapot`?\n"));
    let (code, _, told) = cli(&["deny-host", "b.test", "--instance", "run-0", "--if-generation", "4"]);
    assert_eq!((code, told.as_str()), (3, "generation 5 is in force; nothing was changed\n"));
    said(&["deny-host", "b.test", "--instance", "run-0", "--if-generation", "5"], "generation 6\n");
    for (arguments, generation) in [
        (&["remove-denied-host", "b.test"][..], 7),
        (&["remove-allowed-host", "a.test"], 8),
        (&["remove-outbound-by-host", "a.test"], 9),
        (&["remove-outbound-handler"], 10),
        (&["set-allowed-hosts", "a.test", "b.test"], 11),
        (&["set-denied-hosts"], 12),
        (&["set-outbound-by-hosts", r#"{"a.test":"other"}"#], 13),
        (&["clear"], 14),
    ] {
        said(&[arguments, &["--instance", "run-0"]].concat(), &format!("generation {generation}\n"));
    }
    said(&["show", "--instance", "run-0"], "{}\n");
    let (code, ..) = cli(&["clear", "--instance", "run-9"]);
    assert_eq!(code, 125);
    several_documents(&lab, &both[0]);
    both.into_iter().for_each(|running| drop(running.finish().ok()));
}

fn several_documents(lab: &Lab, running: &Running<'_>) {
    let (first, second) = (
        lab.write("first.yaml", "allowedHosts: [a.test]"),
        lab.write("second.yaml", "deniedHosts:\n- b.test"),
    );
    let (first, second) = (first.to_str().unwrap().to_owned(), second.to_str().unwrap().to_owned());
    let socket = running.socket().to_str().unwrap().to_owned();
    let cli = |arguments: &[&str]| {
        let output = lab.cli(&[&["policy"], arguments].concat());
        (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    assert_eq!(cli(&["check", &first, &second]), (0, "ok\n".into()));
    assert_eq!(cli(&["apply", &first, &second, "--socket", &socket]), (0, "generation 15\n".into()));
    let rules = running.admin("GET", "/v1/rules", "").json();
    assert_eq!(rules["deniedHosts"], json!([{ "host": "b.test", "origin": format!("{second}, line 2") }]));
    assert_eq!(rules["allowedHosts"], json!([{ "host": "a.test", "origin": format!("{first}, line 1") }]));
    let parts = running.admin("GET", "/v1/policy/parts", "");
    assert_eq!(parts.json()["parts"][1]["text"], "deniedHosts:\n- b.test");
    changed(&running.admin("PUT", "/v1/policy/parts", &parts.body), 16, true);
    let (_, shown) = cli(&["show", "--socket", &socket]);
    assert!(shown.contains("a.test") && shown.contains(&format!("# {second}\n")), "{shown}");
    lab.write("second.yaml", "deniedHosts:\n- b..test");
    let told = format!("{second}:2:3: ");
    for (code, text) in
        [cli(&["check", &first, &second]), cli(&["apply", &first, &second, "--socket", &socket])]
    {
        assert!(code == 2 && text.starts_with(&told), "{text}");
    }
}

fn what_is_kept_is_set_again(user: User) {
    let lab = Lab::new(user);
    let file = lab.path("state/job.overrides.json");
    let socket = lab.path("state/job.sock");
    let run = |policy: &str, command: &[&str]| {
        let policy = format!("{policy}\nenableInternet: true");
        lab.run(&policy, &[]).id("job").start(command)
    };
    let url = "http://192.0.2.9/";
    let mut first = run(POLICY, &["/bin/cat"]);
    first.ask("ready");
    assert!(!file.exists());
    let set = r#"{"deniedHosts":["192.0.2.9"],"allowedHosts":["192.0.2.9"],"outbound":"teapot"}"#;
    changed(&request(&socket, "PUT", "/v1/overrides", set), 2, true);
    assert!(file.exists());
    let _ = first.finish().ok();

    let second = run(POLICY, &[PYTHON, "-c", ASK, url]).finish().ok();
    let answer = second.json_lines().remove(0);
    assert!(answer["body"].as_str().unwrap().contains("host_denied"), "{answer}");

    let third = run("", &["/bin/echo", "started"]).finish();
    assert_eq!((third.code(), third.stdout.as_str()), (125, ""), "{}", third.stderr);
    for word in [file.to_str().unwrap(), "unknown handler `teapot`", "remove it"] {
        assert!(third.stderr.contains(word), "{word}: {}", third.stderr);
    }
    fs::remove_file(&file).unwrap();
    let fourth = run("", &["/bin/echo", "started"]).finish().ok();
    assert_eq!(fourth.stdout, "started\n");
}

fn rules_and_explanations(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run(POLICY, &[]).start(&["/bin/cat"]);
    running.ask("ready");
    changed(&verb(&running, "denyHost", &json!({ "host": { "host": HOST, "paths": ["/no/*"] } })), 2, true);
    changed(&verb(&running, "setOutboundByHost", &json!({ "host": "*.test", "handler": "teapot" })), 3, true);
    let rules = running.admin("GET", "/v1/rules", "").json();
    assert_eq!(rules["deniedHosts"], json!([{ "host": HOST, "paths": ["/no/*"], "origin": "at run time" }]));
    assert_eq!(rules["allowedHosts"], json!([{ "host": HOST, "origin": "line 2" }]));
    assert_eq!(
        rules["outboundByHost"],
        json!([{ "host": "*.test", "handlers": ["teapot"], "origin": "at run time" }])
    );
    assert_eq!(rules["setAtRunTime"], json!(["deniedHosts", "outboundByHost"]));
    assert_eq!(rules["handlers"][0], json!({ "name": "other", "kind": "respond" }));
    let explain = |body: Value| running.admin("POST", "/v1/explain", &body.to_string());
    let allowed = explain(json!({ "url": format!("https://{HOST}/yes") })).json();
    assert_eq!(
        (&allowed["decision"], &allowed["handlers"]),
        (&json!("allow"), &json!(["teapot"])),
        "{allowed}"
    );
    let denied = explain(json!({ "method": "PUT", "url": format!("https://{HOST}:8443/no/x?q") })).json();
    assert_eq!((&denied["decision"], &denied["reason"]), (&json!("deny"), &json!("host_denied")), "{denied}");
    assert_eq!(denied["steps"][0]["rule"], denied["rule"]);
    for body in [json!({}), json!({ "url": 1 }), json!({ "url": "https://a.test/", "more": 1 })] {
        assert_eq!(explain(body.clone()).status, 400, "{body}");
    }
    for url in ["a.test", "ftp://a.test/", "https://a..test/", "https://user@a.test/", "https://a.test:x/"] {
        assert_eq!(explain(json!({ "url": url })).status, 422, "{url}");
    }
    assert_eq!(explain(json!({ "url": "https://a.test/", "method": "A B" })).status, 422);
    let _ = running.finish().ok();
}

/// Two workloads in one process.
fn attached<'a>(lab: &'a Lab, workloads: [&Workload; 2]) -> Attached<'a> {
    let [first, second] = workloads.map(|workload| workload.pid().to_string());
    let control = lab.path("control");
    let arguments = ["--pid", &first, "--pid", &second, "--control", control.to_str().unwrap()];
    let mut attached = lab.attach(POLICY, &[], &arguments);
    workloads.iter().for_each(|workload| assert_eq!(attached.hear(), format!("attached {}", workload.id())));
    wait::until("the control socket", || UnixStream::connect(&control).ok());
    attached
}

#[test]
fn one_instance_and_all() {
    let lab = Lab::new(User::Root);
    let (one, two) = (Workload::start(User::Root), Workload::start(User::Root));
    let attached = attached(&lab, [&one, &two]);
    let ask = |method: &str, path: &str, body: &str| {
        request(&lab.path("control"), method, &format!("/v1/instances{path}"), body)
    };
    let (first, second) = (format!("/{}", one.id()), format!("/{}", two.id()));
    assert_eq!(ask("GET", &format!("{first}/status"), "").json()["instance"], one.id());
    changed(&ask("PUT", &format!("{first}/policy"), "handlers: { mine: { deny: {} } }"), 2, true);
    changed(&ask("POST", &format!("{second}/denyHost"), r#"{"host":"a.test"}"#), 2, true);
    assert_eq!(ask("GET", &format!("{first}/overrides"), "").json(), json!({}));
    assert_eq!(ask("GET", &format!("{second}/overrides"), "").json(), json!({ "deniedHosts": ["a.test"] }));

    let all = ask("POST", "/*/denyHost", r#"{"host":"a.test"}"#);
    let wanted = |id: String, generation: u64, changed: bool| json!({ "instance": id, "status": 200, "generation": generation, "changed": changed });
    let both = |first: Value, second: Value| {
        let mut both = [first, second];
        both.sort_by_key(|one| one["instance"].to_string());
        json!({ "instances": both })
    };
    assert_eq!((all.status, all.json()), (200, both(wanted(one.id(), 3, true), wanted(two.id(), 2, false))));
    let some = ask("POST", "/*/setOutboundHandler", r#"{"handler":"mine"}"#);
    let (told, refused) = (some.json(), usize::from(two.id() > one.id()));
    assert_eq!(some.status, 207, "{told}");
    assert_eq!(told["instances"][1 - refused], wanted(one.id(), 4, true));
    assert_eq!(told["instances"][refused]["status"], 422, "{told}");
    assert_eq!(told["instances"][refused]["problem"]["column"], 12, "{told}");
    for (method, path, status) in [
        ("POST", "/nobody/denyHost", 404),
        ("GET", "/*/status", 405),
        ("POST", "/*/explain", 405),
        ("POST", "/*/bogus", 404),
        ("PUT", "/*/denyHost", 405),
        ("PUT", "", 405),
    ] {
        assert_eq!(ask(method, path, "{}").status, status, "{method} {path}");
    }
    let _ = attached.stop();
}

/// And whatever else was set; the document is another one than at the start, too.
#[test]
fn what_was_denied_is_denied_after_a_crash() {
    let lab = Lab::new(User::Root);
    let (one, two) = (Workload::start(User::Root), Workload::start(User::Root));
    let attached = attached(&lab, [&one, &two]);
    let post = |verb: &str, body: Value| {
        request(&attached.socket(&one.id()), "POST", &format!("/v1/{verb}"), &body.to_string())
    };
    for round in 0..5_u64 {
        let generation = 2 + 2 * round;
        changed(&post("denyHost", json!({ "host": format!("d{round}.test") })), generation, true);
        attached.kill_worker();
        let overrides = attached.admin(&one.id(), "GET", "/v1/overrides");
        assert_eq!(
            overrides.json()["deniedHosts"][usize::try_from(round).unwrap()],
            format!("d{round}.test")
        );
        assert!(overrides.head.contains(&format!("etag: \"{generation}\"")), "{overrides:?}");
        let handler = if round % 2 == 0 { "teapot" } else { "other" };
        changed(
            &post("setOutboundByHost", json!({ "host": HOST, "handler": handler })),
            generation + 1,
            true,
        );
    }
    let asked = post("explain", json!({ "url": "https://d0.test/" })).json();
    assert_eq!(asked["reason"], "host_denied", "{asked}");
    assert_eq!(attached.admin(&two.id(), "GET", "/v1/overrides").json(), json!({}));
    assert!(lab.path(&format!("all/{}.overrides.json", one.id())).exists());
    assert!(!lab.path(&format!("all/{}.overrides.json", two.id())).exists());
    let _ = attached.stop_abrupt();
}
