//! What an upstream repeats of a secret does not reach the workload.

use harness::{Canary, Lab, Settings, User, for_each_user};

use super::curl;
use crate::programs::{CURL, SH};

for_each_user!(
    an_echo_comes_without_it,
    a_response_is_left_alone_if_it_should_be,
    what_cannot_be_read_is_not_passed_on,
    no_part_of_a_response_is_asked_for,
);

const ECHO: &str = "https://api.example.test/echo";

fn policy(more: &str) -> String {
    format!(
        r#"
allowedHosts: [api.example.test]
outbound: token
handlers: {{ token: {{ inject: {{ x-auth-token: "${{T}}" }}, basic: {{ username: me, password: "${{T}}" }} }} }}
secrets: {{ T: {{ env: T{more} }} }}
"#
    )
}

/// In plain and as base64: the harness looks for both.
fn an_echo_comes_without_it(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let run = lab.run(&policy(""), &[&origin]).env("T", lab.canary.value());
    let finished = run.finish(&[CURL, "-sS", "--fail", ECHO]).ok();
    let stars = "*".repeat(lab.canary.value().len());
    assert!(finished.stdout.contains(&format!("[\"x-auth-token\",\"{stars}\"]")), "{}", finished.stdout);
    assert_eq!(finished.audit.exchanges()[0]["scrubbed"], serde_json::json!(["T"]));
}

fn a_response_is_left_alone_if_it_should_be(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let shown = Canary::new();
    let run = lab.run(&policy(", scrub: false"), &[&origin]).env("T", shown.value());
    let finished = run.finish(&[CURL, "-sS", "--fail", ECHO]).ok();
    assert!(finished.stdout.contains(shown.value()));
    assert!(finished.audit.exchanges()[0]["scrubbed"].is_null());
}

fn what_cannot_be_read_is_not_passed_on(user: User) {
    let lab = Lab::new(user);
    for coding in ["gzip", "aes128gcm"] {
        let policy = format!(
            r#"
outbound: [token, canned]
handlers:
  token: {{ inject: {{ x-auth-token: "${{T}}" }} }}
  canned: {{ respond: {{ headers: {{ content-encoding: {coding} }}, body: not what it says }} }}
secrets: {{ T: {{ env: API_TOKEN }} }}
"#
        );
        let script = format!("{CURL} -sS {ECHO} || echo broken");
        let finished = lab.run(&policy, &[]).finish(&[SH, "-c", &script]).ok();
        assert!(!finished.stdout.contains("not what it says"), "{}", finished.stdout);
        let error = &finished.audit.exchanges()[0]["error"];
        assert!(error == "upstream_unreadable" || error == "body_broke", "{error}");
    }
}

fn no_part_of_a_response_is_asked_for(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let run = lab.run(&policy(""), &[&origin]).env("T", lab.canary.value());
    let arguments = format!("-r 0-3 -H 'If-Range: \"x\"' -H 'Accept-Encoding: br, sdch, gzip' {ECHO}");
    let (statuses, _) = curl(run, &[&arguments]);
    assert_eq!(statuses, ["200"]);
    let headers = &origin.requests()[0].headers;
    assert!(!headers.contains_key("range") && !headers.contains_key("if-range"), "{headers:?}");
    assert_eq!(headers["accept-encoding"], "br, gzip");
}
