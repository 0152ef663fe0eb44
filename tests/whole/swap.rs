//! "Switcheroo": the policy changes while connections are open, and no request is lost.
//!
//! The next request on an open connection meets the new policy; a request in flight that it allows ends under the old one; a
//! faulty policy changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use harness::{
    Answer, HOST, Lab, Running, Settings, TOKEN_POLICY, TestCa, User, for_each_user, processes, wait,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::handlers::built_example;
use crate::programs::{DIALOGUE, PYTHON, STEADY};

for_each_user!(
    the_next_request_meets_the_new_policy,
    a_request_in_flight_ends_under_the_old_policy,
    a_rotated_secret_is_read_again,
    the_systems_roots_are_read_again,
    a_component_is_swapped_by_name,
    many_swaps_under_load,
);

const DENY_POLICY: &str = "deniedHosts: [api.example.test]";
const TEAPOT_POLICY: &str = "outbound: teapot\nhandlers: { teapot: { respond: { status: 418 } } }";

fn applied(running: &Running<'_>, text: &str) -> u64 {
    let output = running.apply(text);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    printed.trim().strip_prefix("generation ").expect(&printed).parse().expect("a number")
}

fn the_next_request_meets_the_new_policy(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let mut running = lab.run(TOKEN_POLICY, &[&origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert_eq!(running.ask("GET /token"), "200 the token is right");
    let second = applied(&running, "allowedHosts: [api.example.test]");
    assert_eq!(running.ask("GET /token"), "401 the token is missing or wrong");
    assert!(!running.apply("allowedHosts: [\"*\"]\nnonsense: 1").status.success());
    assert_eq!(running.ask("GET /token"), "401 the token is missing or wrong");
    let third = applied(&running, DENY_POLICY);
    assert!(running.ask("GET /token").starts_with("403 "));
    let fourth = applied(&running, TOKEN_POLICY);
    assert_eq!(running.ask("GET /token"), "200 the token is right");
    assert_eq!((third, fourth), (second + 1, second + 2));

    let finished = running.finish().ok();
    let of = |name: &str| -> Vec<Value> {
        finished.audit.exchanges().iter().map(|one| one[name].clone()).collect()
    };
    assert_eq!(of("status"), [200, 401, 401, 403, 200]);
    assert_eq!(of("generation"), [second - 1, second, second, third, fourth]);
    assert!(
        of("connection").windows(2).all(|pair| pair[0] == pair[1]),
        "not one connection: {:?}",
        of("connection")
    );
}

fn a_request_in_flight_ends_under_the_old_policy(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let mut running = lab.run(TOKEN_POLICY, &[&origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    running.say("GET /hold");
    wait::until("the request to arrive", || (origin.requests().len() == 1).then_some(()));
    let generation = applied(&running, TEAPOT_POLICY);
    origin.release();
    assert_eq!(running.hear(), "200 released");
    assert!(running.ask("GET /hold").starts_with("418"));
    let finished = running.finish().ok();
    let generations: Vec<_> =
        finished.audit.exchanges().iter().map(|one| one["generation"].clone()).collect();
    assert_eq!(generations, [generation - 1, generation]);
}

fn a_rotated_secret_is_read_again(user: User) {
    let policy = r#"
allowedHosts: [api.example.test]
outbound: token
handlers: { token: { inject: { x-auth-token: "${TOKEN}" } } }
secrets: { TOKEN: { file: token.txt } }
"#;
    let lab = Lab::new(user);
    lab.write("token.txt", "old");
    let origin = lab.origin(Settings::default());
    let mut running = lab.run(policy, &[&origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert!(running.ask("GET /token").starts_with("401 "));
    lab.write("token.txt", &format!("{}\n", lab.canary.value()));
    applied(&running, policy);
    assert_eq!(running.ask("GET /token"), "200 the token is right");
    let _ = running.finish().ok();
}

/// One program is in the place of another, by its file and by its hash, and back; what does not load changes nothing.
fn a_component_is_swapped_by_name(user: User) {
    let lab = Lab::new(user);
    let pages = built_example(&lab, "synthetic");
    let hash = format!("{:x}", Sha256::digest(fs::read(&pages).unwrap()));
    let other = lab.write("other.wat", include_str!("../clients/guest.wat"));
    let policy = format!(
        "outbound: pages\nhandlers: {{ pages: {{ wasm: {:?}, params: {{ pages: {{ /: right }} }} }}, no: {{ deny: {{}} }} }}",
        pages.display().to_string()
    );
    let mut running = lab.run(&policy, &[]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert_eq!(running.ask("GET /"), "200 right");
    let set = |running: &Running<'_>, keys: Value| {
        let mut body = json!({ "name": "pages" });
        body.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        running.admin("POST", "/v1/setHandler", &body.to_string())
    };
    let zeros = "0".repeat(64);
    for (keys, told) in [
        (json!({ "wasm": "other.wat" }), "1:24: at run time there is no folder"),
        (json!({ "wasm": "/no/such.wasm" }), "cannot read /no/such.wasm"),
        (json!({ "wasm": other, "sha256": zeros }), "its SHA-256 is"),
        (json!({ "wasm": format!("sha256:{zeros}") }), "no component with this hash is kept"),
        (json!({ "name": "no", "wasm": other }), "`no` is a handler with `deny`"),
    ] {
        let answer = set(&running, keys);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(answer.status == 422 && detail.contains(told), "{answer:?}");
        assert_eq!(running.ask("GET /"), "200 right");
    }
    let becomes = |answer: Answer, generation: u64| {
        assert_eq!((answer.status, &answer.json()["generation"]), (200, &generation.into()), "{answer:?}");
    };
    becomes(set(&running, json!({ "wasm": other })), 2);
    assert!(running.ask("GET /").starts_with("502 "));
    assert!(running.apply(&policy).status.success(), "what was set stays");
    assert!(running.ask("GET /").starts_with("502 "));
    fs::copy(&pages, &other).unwrap();
    becomes(set(&running, json!({ "wasm": other })), 4);
    assert_eq!(running.ask("GET /"), "200 right", "the same file is read again");
    lab.write("other.wat", "none");
    becomes(set(&running, json!({ "wasm": format!("sha256:{hash}") })), 5);
    assert_eq!(running.ask("GET /"), "200 right");
    lab.write("other.wat", include_str!("../clients/guest.wat"));
    let state = lab.path("state");
    let arguments =
        ["override", "set-handler", "pages", other.to_str().unwrap(), "--state-dir", state.to_str().unwrap()];
    assert!(lab.cli(&arguments).status.success());
    assert!(running.ask("GET /").starts_with("502 "));
    let arguments = ["override", "reset-handler", "pages", "--state-dir", state.to_str().unwrap()];
    assert!(lab.cli(&arguments).status.success());
    assert_eq!(running.ask("GET /"), "200 right");
    assert_eq!(running.admin("GET", "/v1/overrides", "").json(), json!({}));
    let _ = running.finish().ok();
}

/// The document names none, so that only the system's count.
fn the_systems_roots_are_read_again(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let roots = lab.write("roots.pem", &TestCa::new().pem());
    let mut running = lab
        .run(TEAPOT_POLICY, &[&origin])
        .env("SSL_CERT_FILE", roots.to_str().unwrap())
        .start(&[PYTHON, "-c", DIALOGUE, HOST]);
    let policy = format!("allowedHosts: [api.example.test]\nresolve:\n{}", origin.resolve_entries());
    let apply = |running: &Running<'_>| {
        assert_eq!(running.admin("PUT", "/v1/policy", &policy).status, 200);
    };
    assert!(running.ask("GET /").starts_with("418"));
    apply(&running);
    assert!(running.ask("GET /").starts_with("502 "));
    lab.write("roots.pem", &lab.ca.pem());
    apply(&running);
    assert_eq!(running.ask("GET /"), "200 hello from api.example.test");
    let finished = running.finish().ok();
    assert_eq!(finished.audit.exchanges()[1]["error"], "upstream_tls_untrusted");
}

/// By default 1,500, which is 15 seconds; the variable SWAPS says otherwise. Each document says its own generation, in the answer
/// or in what it adds to the request, so that every record can be compared with what was really done.
fn many_swaps_under_load(user: User) {
    let swaps: u64 = std::env::var("SWAPS").map_or(1500, |swaps| swaps.parse().expect("a number"));
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let text = |generation: u64| {
        let (does, end) = match generation % 2 {
            0 => ("respond: { headers: { x-policy:", "} }"),
            _ => ("inject: { x-policy:", "}"),
        };
        format!("outbound: says\nhandlers: {{ says: {{ {does} \"{generation}\" {end} }} }}")
    };
    let mut running = lab.run(&text(1), &[&origin]).start(&[PYTHON, "-c", STEADY, HOST, "4", "200"]);
    assert_eq!(running.hear(), "started");
    let (mut generation, mut early, mut slowest, began) = (1, None, Duration::ZERO, Instant::now());
    for swap in 1..=swaps {
        // A hundred a second.
        let due = began + Duration::from_millis(swap * 10);
        wait::until("the time of the swap", || (Instant::now() >= due).then_some(()));
        let asked = Instant::now();
        if swap % 20 == 0 {
            let faulty = format!("{}\nnonsense: 1", lab.policy(&text(generation + 1), &[&origin]));
            assert_eq!(running.admin("PUT", "/v1/policy", &faulty).status, 422);
        } else {
            generation += 1;
            let answer = running.admin("PUT", "/v1/policy", &lab.policy(&text(generation), &[&origin]));
            assert_eq!(
                (answer.status, &answer.json()["generation"]),
                (200, &generation.into()),
                "{answer:?}"
            );
        }
        slowest = slowest.max(asked.elapsed());
        if swap == swaps.min(3000) / 3 {
            early = Some(used(&running));
        }
    }
    let (took, (early, late)) = (began.elapsed(), (early.unwrap(), used(&running)));
    let answers: BTreeMap<String, String> = serde_json::from_str(&running.ask("stop")).unwrap();
    let finished = running.finish().ok();
    println!(
        "{swaps} swaps in {took:?}, slowest {slowest:?}, {} requests, {early:?} then {late:?}",
        answers.len()
    );
    let records = finished.audit.exchanges();
    assert_eq!(records.len(), answers.len());
    for record in records {
        let said = &answers[record["path"].as_str().unwrap()];
        assert_eq!(record["generation"].to_string(), *said, "{record}");
    }
    assert!(late.kib < early.kib + MAY_GROW_KIB, "the proxy grew from {early:?} to {late:?}");
    assert!(late.descriptors < early.descriptors + MAY_OPEN, "descriptors: {early:?} then {late:?}");
}

/// What the allocator keeps differs from moment to moment.
const MAY_GROW_KIB: u64 = 10 * 1024;
/// Upstream connections come and go with each generation.
const MAY_OPEN: usize = 16;

#[derive(Debug)]
struct Used {
    kib: u64,
    descriptors: usize,
}

fn used(running: &Running<'_>) -> Used {
    let pid = running.pid();
    let kib = processes::resident_kib(pid).expect("the proxy runs");
    Used { kib, descriptors: fs::read_dir(format!("/proc/{pid}/fd")).expect("the proxy runs").count() }
}
