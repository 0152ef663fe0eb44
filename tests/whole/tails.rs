//! Programs that hear of exchanges when those are over: of each one once, the last ones too, and without delaying any. While one fails
//! nothing passes, unless the document says otherwise.

use std::fs;

use harness::{HOST, Lab, Origin, Running, Settings, User, for_each_user, wait};
use serde_json::{Value, json};

use crate::handlers::built_example;
use crate::programs::{DIALOGUE, PYTHON};

for_each_user!(
    hears_of_each_exchange_once,
    delays_none,
    while_it_fails_nothing_passes,
    another_program_hears_what_the_first_did_not,
    traffic_can_go_without,
    is_refused_in_the_wrong_place,
);

const COLLECTOR: &str = "collector.example.test";

/// The collector, which has files of its own.
fn collector(lab: &Lab) -> Origin {
    let files = Some(lab.directory("files"));
    lab.origin(Settings { names: vec![COLLECTOR.to_owned()], files, ..Settings::default() })
}

fn policy(lab: &Lab, gate: &str, more: &str) -> String {
    let [grants, listener] =
        ["grants", "listener"].map(|name| built_example(lab, name).display().to_string());
    let config = format!("GATE: \"https://{COLLECTOR}{gate}\", COLLECTOR: \"https://{COLLECTOR}\"");
    format!(
        "outboundByHost: {{ {HOST}: grants }}\ntail: [listener]\nhandlers:\n  grants: {{ wasm: {grants:?} }}\n  listener: {{ wasm: {listener:?}, fetch: [{COLLECTOR}], config: {{ {config} }}{more} }}\n"
    )
}

fn start<'a>(lab: &'a Lab, policy: &str, collector: &'a Origin) -> Running<'a> {
    lab.run(policy, &[collector]).start(&[PYTHON, "-c", DIALOGUE, HOST])
}

/// What the tail told, in order.
fn heard(collector: &Origin) -> Vec<String> {
    let paths = collector.requests().into_iter().map(|seen| seen.uri.path().to_owned());
    paths.filter(|path| path.starts_with("/heard")).collect()
}

/// What it should have told of these.
fn recorded(exchanges: &[&Value]) -> Vec<String> {
    let path = |record: &&Value| {
        let (path, error) = (record["path"].as_str().unwrap(), record["error"].as_str().unwrap_or("well"));
        format!("/heard{path}/{}/{error}", record["status"])
    };
    exchanges.iter().map(path).collect()
}

fn hears_of_each_exchange_once(user: User) {
    let lab = Lab::new(user);
    let collector = collector(&lab);
    let mut running = start(&lab, &policy(&lab, "/", ""), &collector);
    assert_eq!(running.ask("GET /status/404"), "404 as asked");
    assert_eq!(running.ask("GET /log/2"), "200 logged");
    let finished = running.finish().ok();
    let lines = "warn-the%20secret%20is%20undefined/info-1";
    assert_eq!(
        heard(&collector),
        ["/heard/status/404/404/well".to_owned(), format!("/heard/log/2/200/well/{lines}")]
    );
    let (exchanges, fetches) = (finished.audit.exchanges(), finished.audit.fetches());
    for fetch in &fetches {
        let own = (&fetch["handlers"], &fetch["decision"], &fetch["authority"]);
        assert_eq!(own, (&json!(["listener"]), &json!("allow"), &json!("collector.example.test:443")));
        assert!(exchanges.iter().any(|exchange| exchange["request"] == fetch["request"]), "{fetch}");
    }
    assert_eq!(fetches.len(), collector.requests().len());
}

/// It is still at the first exchange when the second one is answered.
fn delays_none(user: User) {
    let lab = Lab::new(user);
    let collector = collector(&lab);
    let mut running = start(&lab, &policy(&lab, "/hold", ""), &collector);
    assert_eq!(running.ask("GET /status/201"), "201 as asked");
    wait::until("the tail", || (!collector.requests().is_empty()).then_some(()));
    assert_eq!(running.ask("GET /status/202"), "202 as asked");
    assert!(heard(&collector).is_empty());
    collector.release();
    let finished = running.finish().ok();
    assert_eq!(heard(&collector), recorded(&finished.audit.exchanges()));
}

/// Asks until the answer begins so.
fn until(running: &mut Running<'_>, status: &str) {
    wait::until(status, || running.ask("GET /status/200").starts_with(status).then_some(()));
}

fn while_it_fails_nothing_passes(user: User) {
    let lab = Lab::new(user);
    let collector = collector(&lab);
    let mut running = start(&lab, &policy(&lab, "/files/open", ""), &collector);
    assert_eq!(running.ask("GET /status/404"), "404 as asked");
    until(&mut running, "503 ");
    assert!(running.apply(&policy(&lab, "/files/open", ", version: other")).status.success());
    assert!(running.ask("GET /status/200").starts_with("503 "), "a new policy is no cure");
    assert!(heard(&collector).is_empty());
    fs::write(lab.path("files/open"), "").unwrap();
    until(&mut running, "200 ");
    let finished = running.finish().ok();
    let exchanges = finished.audit.exchanges();
    assert!(exchanges.iter().any(|record| record["error"] == "tail_failed"), "{exchanges:#?}");
    assert_eq!(heard(&collector), recorded(&exchanges));
}

fn another_program_hears_what_the_first_did_not(user: User) {
    let lab = Lab::new(user);
    let collector = collector(&lab);
    let other = built_example(&lab, "tail");
    let mut running = start(&lab, &policy(&lab, "/files/open", ""), &collector);
    assert_eq!(running.ask("GET /status/404"), "404 as asked");
    until(&mut running, "503 ");
    let change = json!({ "name": "listener", "wasm": other }).to_string();
    let answer = running.admin("POST", "/v1/setHandler", &change);
    assert_eq!(answer.status, 200, "{answer:?}");
    until(&mut running, "200 ");
    let finished = running.finish().ok();
    assert!(finished.stderr.contains(r#"status\":404"#), "{}", finished.stderr);
    assert!(finished.stderr.contains(r#"status\":503"#), "{}", finished.stderr);
}

fn traffic_can_go_without(user: User) {
    let lab = Lab::new(user);
    let collector = collector(&lab);
    let mut running = start(&lab, &policy(&lab, "/files/open", ", onError: pass"), &collector);
    for failures in 1..=3 {
        assert_eq!(running.ask("GET /status/200"), "200 as asked");
        wait::until("a failure", || (collector.requests().len() >= failures).then_some(()));
    }
    let _ = running.finish().ok();
    assert!(heard(&collector).is_empty());
}

fn is_refused_in_the_wrong_place(user: User) {
    let lab = Lab::new(user);
    let wasm = |name: &str| built_example(&lab, name).display().to_string();
    for (policy, told) in [
        (
            format!("outbound: one\nhandlers: {{ one: {{ wasm: {:?} }} }}", wasm("listener")),
            "its component is a tail, which serves no requests: name it under `tail`",
        ),
        (
            format!("tail: [one]\nhandlers: {{ one: {{ wasm: {:?} }} }}", wasm("grants")),
            "it is named under `tail`, but its component is a handler",
        ),
    ] {
        let finished = lab.run(&policy, &[]).finish(&["/bin/echo", "started"]);
        assert_eq!((finished.code(), finished.stdout.as_str()), (125, ""), "{}", finished.stderr);
        assert!(finished.stderr.contains(told), "{}", finished.stderr);
    }
}
