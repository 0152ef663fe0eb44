//! "Switcheroo": the policy changes while connections are open, and no request is lost.
//!
//! The next request on an open connection meets the new policy; a request in flight ends under the old one; a faulty
//! policy changes nothing.

use harness::{HOST, Lab, Running, Settings, TOKEN_POLICY, User, for_each_user, wait};
use serde_json::Value;

use crate::programs::{DIALOGUE, LOAD, PYTHON, SH};

for_each_user!(
    the_next_request_meets_the_new_policy,
    a_request_in_flight_ends_under_the_old_policy,
    a_rotated_secret_is_read_again,
    a_thousand_swaps_under_load,
);

const DENY_POLICY: &str = "deniedHosts: [api.example.test]";

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
    let generation = applied(&running, DENY_POLICY);
    origin.release();
    assert_eq!(running.hear(), "200 released");
    assert!(running.ask("GET /hold").starts_with("403 "));
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

fn a_thousand_swaps_under_load(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    // Two allowing policies: one forwards, one answers itself.
    let texts = [
        lab.policy("allowedHosts: [api.example.test]", &[&origin]),
        lab.policy(
            "outbound: hello\nhandlers: { hello: { respond: { headers: { x-policy: b } } } }",
            &[&origin],
        ),
    ];
    let command = format!("exec {PYTHON} -c \"$@\"");
    let mut running = lab
        .run("allowedHosts: [api.example.test]", &[&origin])
        .start(&[SH, "-c", &command, "sh", LOAD, HOST, "/", "4"]);
    assert_eq!(running.hear(), "started");
    let before = running.admin("GET", "/v1/status", "").json()["generation"].as_u64().unwrap();
    for swap in 1..=1000 {
        let answer = running.admin("PUT", "/v1/policy", &texts[swap % 2]);
        assert_eq!(answer.status, 200, "swap {swap}: {answer:?}");
        assert_eq!(answer.json()["generation"], before + swap as u64);
    }
    let counts: Value = serde_json::from_str(&running.ask("stop")).unwrap();
    let counts = counts.as_object().unwrap();
    let _ = running.finish().ok();
    let kinds: Vec<_> = counts.keys().map(String::as_str).collect();
    assert!(kinds.iter().all(|kind| ["200", "200 b"].contains(kind)), "failed requests: {counts:?}");
    assert_eq!(kinds.len(), 2, "both policies were met: {counts:?}");
}
