//! One component in the place of another, again and again, while requests pass: none fails, each is served by one of the two, whole,
//! and its record says by which.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use harness::{HOST, Lab, Running, User, for_each_user, processes, wait};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::guests;
use crate::programs::{PYTHON, STEADY};

for_each_user!(components_are_swapped_under_load);

/// More than there are places for instances: if those of replaced components stayed, requests would be refused.
const SWAPS: u64 = 300;
/// What the allocator keeps differs from moment to moment.
const MAY_GROW_KIB: u64 = 16 * 1024;

/// The variable HANDLER_SWAPS asks for more swaps, and a hundred requests for each.
fn components_are_swapped_under_load(user: User) {
    let (swaps, each) = match std::env::var("HANDLER_SWAPS") {
        Ok(swaps) => (swaps.parse().expect("a number"), 100),
        Err(_) => (SWAPS, 10),
    };
    let lab = Lab::new(user);
    let components = [298, 299].map(|status| {
        let text = guests::guest(&guests::ANSWER.replace("299", &status.to_string()));
        let hash = format!("{:x}", Sha256::digest(&text));
        (lab.write(&format!("{status}.wat"), &text), hash, format!("{status} "))
    });
    let policy = "outbound: one\nhandlers: { one: { wasm: 298.wat } }";
    let mut running = lab.run(policy, &[]).start(&[PYTHON, "-c", STEADY, HOST, "4", "100000"]);
    assert_eq!(running.hear(), "started");
    let mut early = 0;
    for swap in 1..=swaps {
        wait::until("requests", || (answered(&mut running) >= swap * each).then_some(()));
        let (path, hash, _) = &components[usize::try_from(swap % 2).unwrap()];
        // By its file, and by its hash.
        let wasm = if swap % 4 < 2 { path.to_str().unwrap().to_owned() } else { format!("sha256:{hash}") };
        set(&running, &wasm, swap + 1);
        if swap == swaps / 3 {
            early = processes::resident_kib(running.pid()).expect("the proxy runs");
        }
    }
    let late = processes::resident_kib(running.pid()).expect("the proxy runs");
    rolled_back(&lab, &running, (&components[0].0, &components[0].1), swaps + 1);
    let answers: BTreeMap<String, String> = serde_json::from_str(&running.ask("stop")).unwrap();
    let finished = running.finish().ok();
    println!("{swaps} swaps, {} requests, {early} KiB then {late} KiB", answers.len());
    let records = finished.audit.exchanges();
    assert_eq!(records.len(), answers.len());
    for record in records {
        let served = &record["components"][0]["sha256"];
        let (_, _, said) = components.iter().find(|(_, hash, _)| *served == **hash).expect("one of the two");
        assert_eq!(&answers[record["path"].as_str().unwrap()], said, "{record}");
    }
    let both = components.each_ref().map(|(_, _, said)| answers.values().any(|answer| answer == said));
    assert_eq!(both, [true, true]);
    // What is counted for each request stays; it is little.
    let records_kib = swaps * each / 10;
    assert!(late < early + MAY_GROW_KIB + records_kib, "the proxy grew from {early} to {late} KiB");
}

fn answered(running: &mut Running<'_>) -> u64 {
    running.ask("count").parse().expect("a number")
}

fn set(running: &Running<'_>, wasm: &str, generation: u64) {
    let answer = running.admin("POST", "/v1/setHandler", &json!({ "name": "one", "wasm": wasm }).to_string());
    assert_eq!((answer.status, &answer.json()["generation"]), (200, &generation.into()), "{answer:?}");
}

/// The component of the document is back although its file is not, and what was set at run time can be taken back.
fn rolled_back(lab: &Lab, running: &Running<'_>, first: (&Path, &str), generation: u64) {
    let (path, hash) = first;
    let text = fs::read(path).unwrap();
    fs::write(path, "(component)").unwrap();
    let answer = running.admin("POST", "/v1/setHandler", &json!({ "name": "one", "wasm": path }).to_string());
    assert_eq!(answer.status, 422, "{answer:?}");
    set(running, &format!("sha256:{hash}"), generation + 1);
    fs::write(path, text).unwrap();
    let state = lab.path("state");
    let reset = lab.cli(&["override", "reset-handler", "one", "--state-dir", state.to_str().unwrap()]);
    assert!(reset.status.success(), "{}", String::from_utf8_lossy(&reset.stderr));
    assert_eq!(running.admin("GET", "/v1/overrides", "").json(), Value::Object(serde_json::Map::new()));
}
