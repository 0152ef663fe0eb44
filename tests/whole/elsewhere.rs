//! What handlers fetch from other hosts than their exchange's: only what they are granted, for them alone, and each with a record of its
//! own. What is not granted is refused as the workload would be.

use harness::{HOST, Lab, Settings, Transport, User, for_each_user};
use serde_json::{Value, json};

use crate::handlers::built_example;
use crate::programs::{DIALOGUE, PYTHON};

for_each_user!(
    a_granted_host_is_reached,
    what_is_not_granted_is_refused,
    private_addresses_must_be_named,
    a_secret_does_not_leave_in_the_clear,
);

const OTHER: &str = "other.example.test";

fn policy(lab: &Lab, grants: &str, rest: &str) -> String {
    let wasm = built_example(lab, "grants").display().to_string();
    format!(
        "allowedHosts: [{HOST}]\noutboundByHost: {{ {HOST}: grants }}\nhandlers: {{ grants: {{ wasm: {wasm:?}, {grants} }} }}\n{rest}\n"
    )
}

fn other() -> Settings {
    Settings { names: vec![OTHER.to_owned()], ..Settings::default() }
}

fn of(record: &Value, names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| record[*name].clone()).collect()
}

/// For the handler alone, and without what it is told to look at next.
fn a_granted_host_is_reached(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(other());
    let policy = policy(&lab, "fetch: [other.example.test]", "deniedHosts: [third.example.test]");
    let mut running = lab.run(&policy, &[&origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert_eq!(running.ask(&format!("GET /fetch?https://{OTHER}/x")), format!("200 hello from {OTHER}"));
    assert!(running.ask(&format!("GET /fetch?https://{OTHER}/moved")).starts_with("302 "));
    assert!(running.ask("GET /fetch?https://third.example.test/").starts_with("502 "));
    let finished = running.finish().ok();
    let (exchanges, fetches) = (finished.audit.exchanges(), finished.audit.fetches());
    assert_eq!((exchanges.len(), fetches.len()), (3, 3), "{fetches:#?}");
    let names = ["request", "authority", "path", "decision", "status", "handlers", "method", "scheme"];
    let expected = json!([
        exchanges[0]["request"],
        "other.example.test:443",
        "/x",
        "allow",
        200,
        ["grants"],
        "GET",
        "https"
    ]);
    assert_eq!(json!(of(fetches[0], &names)), expected);
    assert!(fetches[0]["rule"].is_string() && fetches[0]["upstream"].is_string(), "{}", fetches[0]);
    assert_eq!(fetches[1]["status"], 302);
    assert_eq!(origin.requests().len(), 2);

    let direct = lab.run(&policy, &[&origin]);
    let finished = direct.finish(&[PYTHON, "-c", crate::programs::ASK, &format!("https://{OTHER}/")]).ok();
    assert!(finished.stdout.contains("error"), "{}", finished.stdout);
    assert_eq!(origin.requests().len(), 2);
}

fn what_is_not_granted_is_refused(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(other());
    for (grants, word) in
        [("fetch: [third.example.test]", "host_not_allowed"), ("version: \"1\"", "fetch_not_granted")]
    {
        let run = lab.run(&policy(&lab, grants, ""), &[&origin]);
        let mut running = run.start(&[PYTHON, "-c", DIALOGUE, HOST]);
        assert!(running.ask(&format!("GET /caught?https://{OTHER}/")).starts_with("200 "));
        assert!(running.ask(&format!("GET /fetch?https://{OTHER}/")).starts_with("502 "));
        let finished = running.finish().ok();
        assert_eq!(finished.audit.fetches().len(), 2);
        for record in finished.audit.fetches() {
            let told = of(record, &["decision", "status", "error", "authority"]);
            assert_eq!(json!(told), json!(["deny", 403, word, "other.example.test:443"]), "{record}");
        }
    }
    assert!(origin.requests().is_empty());
}

fn private_addresses_must_be_named(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings { transport: Transport::Plain, ..other() });
    let url = format!("http://{}/", origin.addresses()[0]);
    for (grants, status) in [("fetch: [\"*\"]", 403), ("fetch: [\"*\", 127.0.0.0/8]", 200)] {
        // Without entries that name the origin.
        let run = lab.run(&policy(&lab, grants, ""), &[]);
        let mut running = run.start(&[PYTHON, "-c", DIALOGUE, HOST]);
        assert!(running.ask("GET /caught?http://169.254.169.254/latest/").starts_with("200 "));
        assert!(running.ask(&format!("GET /caught?{url}")).starts_with("200 "));
        let finished = running.finish_abrupt().ok();
        let told: Vec<_> = finished.audit.fetches().iter().map(|record| record["status"].clone()).collect();
        assert_eq!(told, [403, status], "{:#?}", finished.audit.fetches());
    }
    assert_eq!(origin.requests().len(), 1);
}

fn a_secret_does_not_leave_in_the_clear(user: User) {
    let lab = Lab::new(user);
    let plain = lab.origin(Settings { transport: Transport::Plain, ..other() });
    let origin = lab.origin(other());
    let secrets = "secrets: { SECRET: { env: API_TOKEN } }";
    let policy = policy(&lab, "secrets: [SECRET], fetch: [other.example.test]", secrets);
    let mut running = lab.run(&policy, &[&plain, &origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert_eq!(running.ask(&format!("GET /fetch?https://{OTHER}/token")), "200 the token is right");
    assert!(running.ask(&format!("GET /fetch?http://{OTHER}/token")).starts_with("502 "));
    let finished = running.finish().ok();
    let told = of(finished.audit.fetches()[1], &["decision", "status", "error"]);
    assert_eq!(json!(told), json!(["deny", 403, "secret_on_plaintext"]));
    let paths = finished.audit.fetches().iter().filter(|record| record.get("path").is_some()).count();
    assert_eq!(paths, 0, "a secret may be in the path: {:#?}", finished.audit.fetches());
    assert!(plain.requests().is_empty());
}
