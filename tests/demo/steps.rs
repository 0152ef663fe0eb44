//! The steps of the demo, one function each.
//!
//! Every step runs the real binary with a real client and checks both ends: what the client was told, and what the
//! origin saw.

use harness::{Canary, Finished, HOST, TOKEN_POLICY};

use crate::stage::Stage;

const CURL: &str = "/usr/bin/curl";
const PYTHON: &str = "/usr/bin/python3";
const URL: &str = "https://api.example.test/token";
const ELSEWHERE: &str = "http://198.51.100.7/";
const DENY_POLICY: &str = "deniedHosts: [api.example.test]\n";
const DIALOGUE: &str = include_str!("../clients/dialogue.py");
const SEARCH: &str = include_str!("../clients/search.py");
const WAYS_OUT: &str = include_str!("../clients/ways_out.py");

fn run(stage: &Stage, command: &[&str]) -> Finished {
    stage.lab.run(TOKEN_POLICY, &[&stage.origin]).finish(command)
}

/// The command line, the policy, and the token at the origin.
pub(crate) fn the_command(stage: &mut Stage) {
    stage.step("The workload runs under a policy");
    stage.show(&format!("$ cat policy.yaml\n{}", TOKEN_POLICY.trim_start()));
    stage.show(&format!("$ API_TOKEN=... proxy-everything run --policy policy.yaml -- curl {URL}"));
    let finished = run(stage, &[CURL, "-sS", URL]);
    stage.show(&format!("{}{}", finished.stdout, finished.stderr));
    stage.claim(
        "curl needed no flag and no setting, and got its answer",
        finished.stdout == "the token is right\n",
    );
    let seen = stage.origin.requests();
    let token = seen.last().and_then(|request| request.headers.get("x-auth-token"));
    stage.claim(
        "the server got the token",
        token.is_some_and(|token| token.as_bytes() == stage.lab.canary.value().as_bytes()),
    );
    stage.show("the audit record of that request:");
    for record in finished.audit.exchanges() {
        stage.show(&record.to_string());
    }
    stage.claim("one request, one audit record", finished.audit.exchanges().len() == 1);
}

/// A search of everything that the workload can read.
pub(crate) fn the_workload_never_had_it(stage: &mut Stage) {
    stage.step("The workload never had the token");
    let root = stage.lab.root().to_str().expect("a path in UTF-8").to_owned();
    let decoy = Canary::new();
    let run = stage.lab.run(TOKEN_POLICY, &[&stage.origin]).env("DECOY", decoy.value());
    let finished = run.finish(&[PYTHON, "-c", SEARCH, "/run", "/dev", "/etc/ssl", &root]);
    let found = |secret: &Canary| finished.stdout.contains(secret.value());
    stage.show("searched: environment, command line and memory of every process it can see, its files, ours");
    stage.claim("the search ran to its end", finished.stdout.ends_with("searched\n"));
    stage.claim("it finds what is there: a decoy of the token's shape, in the environment", found(&decoy));
    let real = found(&stage.lab.canary);
    stage.claim("the token is nowhere", !real);
}

/// A refusal says who refused and why.
pub(crate) fn other_hosts_are_refused(stage: &mut Stage) {
    stage.step("Every other host is refused, with a reason");
    stage.show(&format!("$ curl {ELSEWHERE}"));
    let finished = run(stage, &[CURL, "-sS", "-w", "\n%{http_code}", ELSEWHERE]);
    stage.show(&finished.stdout);
    stage.claim("status 403", finished.stdout.ends_with("\n403"));
    stage.claim("the reason is in the answer", finished.stdout.contains("host_not_allowed"));
    stage.claim(
        "and in the audit",
        finished.audit.exchanges().iter().any(|record| record["decision"] == "deny"),
    );
    let finished = run(stage, &[CURL, "-sS", "https://other.example.test/"]);
    stage.show(&format!("$ curl https://other.example.test/\n{}", finished.stderr));
    stage.claim("a name that is not allowed does not exist", finished.code() == 6);
}

/// Switcheroo.
pub(crate) fn the_policy_changes_on_an_open_connection(stage: &mut Stage) {
    stage.step("The policy changes while a connection is open");
    let mut running = stage.lab.run(TOKEN_POLICY, &[&stage.origin]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    let before = running.ask("GET /token");
    let applied = running.apply(DENY_POLICY);
    let after = running.ask("GET /token");
    let faulty = running.apply("allowedHost: [api.example.test]\n");
    let back = running.apply(TOKEN_POLICY);
    let again = running.ask("GET /token");
    let finished = running.finish();
    let connections: Vec<_> =
        finished.audit.exchanges().iter().map(|record| record["connection"].clone()).collect();

    stage.show(&format!("GET /token -> {before}"));
    stage.show(&format!("$ proxy-everything policy apply deny.yaml\n{}", text(&applied.stdout)));
    stage.show(&format!("GET /token -> {after}"));
    stage.show(&format!("$ proxy-everything policy apply typo.yaml\n{}", text(&faulty.stderr)));
    stage.show(&format!("$ proxy-everything policy apply policy.yaml\n{}", text(&back.stdout)));
    stage.show(&format!("GET /token -> {again}"));
    stage.claim("allowed before, refused after", before.starts_with("200 ") && after.starts_with("403 "));
    stage.claim("a faulty policy is refused and changes nothing", !faulty.status.success());
    stage.claim("allowed again", again.starts_with("200 "));
    let one = connections.len() == 3 && connections.windows(2).all(|pair| pair[0] == pair[1]);
    stage.claim("all on one and the same connection", one);
}

/// Everything that is not TCP or DNS.
pub(crate) fn nothing_else_gets_out(stage: &mut Stage) {
    stage.step("Nothing else gets out");
    let finished = run(stage, &[PYTHON, "-c", WAYS_OUT, "203.0.113.77", "2001:db8::77"]);
    let results = finished.json_lines();
    let ways = results.first().and_then(|line| line.as_object()).cloned().unwrap_or_default();
    for (name, result) in &ways {
        stage.show(&format!("{name:10} {}", result[0].as_str().unwrap_or("?")));
    }
    let refused = |result: &serde_json::Value| result[0].as_str().is_some_and(|error| error.starts_with('E'));
    stage.claim("every other way fails, and at once", ways.len() > 10 && ways.values().all(refused));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
