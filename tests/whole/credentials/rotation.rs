//! Secrets that change while they are used, and secrets of each instance: a request has the value that its source has when it is made, of its
//! own instance, or it is not sent at all.

use std::fs;

use harness::{Canary, Finished, HOST, Lab, Settings, User, Workload, for_each_user};
use serde_json::Value;

use super::{fingerprint, header};
use crate::programs::{CURL, DIALOGUE, PYTHON};

for_each_user!(a_file_that_changes);

fn fingerprints(finished: &Finished) -> Vec<Value> {
    finished.audit.exchanges().iter().map(|record| record["secrets"][0]["fingerprint"].clone()).collect()
}

/// Between the requests of one connection.
fn a_file_that_changes(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = r#"
allowedHosts: [api.example.test]
outbound: token
handlers: { token: { inject: { x-auth-token: "${T}" } } }
secrets: { T: { file: token.txt } }
"#;
    let (file, first, second) =
        (lab.write("token.txt", lab.canary.value()), lab.canary.value(), Canary::new());
    let mut running = lab.run(policy, &[&origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert_eq!(running.ask("GET /token"), "200 the token is right");
    fs::write(&file, second.value()).unwrap();
    assert!(running.ask("GET /token").starts_with("401"));
    // Nothing that came before is good any more, and an empty header would be worse than none.
    for bad in [String::new(), format!("{first}\n{first}"), format!("{first}\u{1}")] {
        fs::write(&file, &bad).unwrap();
        assert!(running.ask("GET /token").starts_with("503"), "{bad:?}");
    }
    fs::write(&file, first).unwrap();
    assert_eq!(running.ask("GET /token"), "200 the token is right");
    // Another file in its place is not hidden from the command.
    fs::rename(lab.write("next.txt", second.value()), &file).unwrap();
    assert!(running.ask("GET /token").starts_with("503"));
    fs::remove_file(&file).unwrap();
    assert!(running.ask("GET /token").starts_with("503"));
    let finished = running.finish().ok();
    let seen = origin.requests();
    let values = [first, second.value(), first];
    assert_eq!(seen.len(), values.len());
    for (number, value) in values.iter().enumerate() {
        assert_eq!(header(&seen, number, "x-auth-token"), [*value]);
    }
    let told: Vec<_> = fingerprints(&finished).into_iter().filter(|told| !told.is_null()).collect();
    assert_eq!(told, values.map(fingerprint));
    let unavailable =
        finished.audit.exchanges().iter().filter(|one| one["error"] == "secret_unavailable").count();
    assert_eq!(unavailable, 5);
    second.assert_absent("standard error", finished.stderr.as_bytes());
}

/// In one proxy.
#[test]
fn instances_have_their_own() {
    let lab = Lab::new(User::Root);
    let origin = lab.origin(Settings::default());
    let workloads = [Workload::start(User::Root), Workload::start(User::Root)];
    let canaries = [lab.canary.clone(), Canary::new(), Canary::new()];
    lab.directory("tokens");
    for (workload, canary) in workloads.iter().zip(&canaries) {
        lab.write(&format!("tokens/{}.txt", workload.id()), canary.value());
    }
    let policy = r#"
allowedHosts: [api.example.test]
outbound: token
handlers: { token: { inject: { x-auth-token: "${T}" } } }
secrets: { T: { file: "tokens/${instance}.txt", hosts: [api.example.test], placeholder: true } }
"#;
    let pids = workloads.each_ref().map(|workload| workload.pid().to_string());
    let mut attached = lab.attach(policy, &[&origin], &["--pid", &pids[0], "--pid", &pids[1]]);
    let heard = [attached.hear(), attached.hear()];
    let fakes = workloads.each_ref().map(|workload| {
        assert!(heard.contains(&format!("attached {}", workload.id())), "{heard:?}");
        let told = attached.admin(&workload.id(), "GET", "/v1/placeholders").json();
        told["placeholders"][0]["value"].as_str().unwrap().to_owned()
    });
    assert_ne!(fakes[0], fakes[1]);
    let marks = [0, 1].map(|number: usize| format!("x-fake-{number}: {}", fakes[number]));
    let ask = |workload: &Workload| {
        let at = format!("{HOST}:443:198.51.100.1");
        // Both placeholders: the other's is a text like any other.
        let marks = ["-H", &marks[0], "-H", &marks[1]];
        let command = [CURL, "-sSk", "-w", "%{http_code}", "--resolve", &at, "https://api.example.test/echo"];
        let output = workload.command(&[&command[..], &marks].concat()).output().unwrap();
        for canary in &canaries {
            canary.assert_absent("what a workload got", &output.stdout);
        }
        let text = String::from_utf8(output.stdout).unwrap();
        text[text.len() - 3..].to_owned()
    };
    assert_eq!(workloads.each_ref().map(ask), ["200", "200"]);
    // As most programs replace a file. Here no workload could see it.
    let file = lab.path(&format!("tokens/{}.txt", workloads[0].id()));
    fs::rename(lab.write("next.txt", canaries[2].value()), &file).unwrap();
    assert_eq!(workloads.each_ref().map(ask), ["200", "200"]);
    fs::remove_file(&file).unwrap();
    assert_eq!(workloads.each_ref().map(ask), ["503", "200"]);
    let finished = attached.stop();
    let seen = origin.requests();
    for (own, other) in [(0, 1), (1, 0)] {
        assert_eq!(header(&seen, own, "x-auth-token"), [canaries[own].value()]);
        assert_eq!(header(&seen, own, &format!("x-fake-{own}")), [canaries[own].value()]);
        assert_eq!(header(&seen, own, &format!("x-fake-{other}")), [&fakes[other]]);
    }
    let sent = [0, 1, 2, 1, 1].map(|number: usize| canaries[number].value());
    let tokens: Vec<_> = (0..seen.len()).flat_map(|number| header(&seen, number, "x-auth-token")).collect();
    assert_eq!(tokens, sent);
    let told: Vec<_> = fingerprints(&finished).into_iter().filter(|told| !told.is_null()).collect();
    assert_eq!(told, sent.map(fingerprint));
    canaries.iter().for_each(|canary| canary.assert_absent("standard error", finished.stderr.as_bytes()));
}
