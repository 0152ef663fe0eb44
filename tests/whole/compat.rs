//! `compat: cloudflare`: what a policy that was written for Cloudflare's containers means there, it means here.
//!
//! Each test is a line of what their library does, by their names: the order, the globs, the refusal, and the calls at run time.

use harness::{HOST, Lab, Running, User, for_each_user};
use serde_json::{Value, json};

use crate::programs::{ASK, DIALOGUE, PYTHON};

for_each_user!(the_refusal, globs_and_names, the_order, without_internet);

const HANDLERS: &str = r"
handlers:
  one: { respond: { status: 201, body: one } }
  two: { respond: { status: 202, body: two } }
  all: { respond: { status: 203, body: all } }
";

fn policy(text: &str) -> String {
    format!("compat: cloudflare\n{text}\n{HANDLERS}")
}

fn post(running: &Running<'_>, verb: &str, body: &Value) {
    let answer = running.admin("POST", &format!("/v1/{verb}"), &body.to_string());
    assert_eq!(answer.status, 200, "{verb} {body}: {answer:?}");
}

/// Who decides about a request: the handler that serves it, `internet`, or `denied`.
fn fate(running: &Running<'_>, host: &str) -> String {
    let answer =
        running.admin("POST", "/v1/explain", &json!({ "url": format!("http://{host}/") }).to_string()).json();
    match (answer["decision"].as_str().unwrap(), answer["handlers"][0].as_str()) {
        ("deny", _) => {
            assert_eq!(
                (&answer["answer"]["status"], &answer["answer"]["body"]),
                (&json!(520), &json!("Origin is disallowed")),
                "{answer}"
            );
            "denied".to_owned()
        }
        (_, Some(handler)) => handler.to_owned(),
        (_, None) => "internet".to_owned(),
    }
}

fn fates(running: &Running<'_>, wanted: &[(&str, &str)]) {
    for (host, wanted) in wanted {
        assert_eq!(fate(running, host), *wanted, "{host}");
    }
}

/// 520 `Origin is disallowed`, and on an open connection as soon as a change is acknowledged.
fn the_refusal(user: User) {
    let lab = Lab::new(user);
    let denied = policy("deniedHosts: ['192.0.2.*']");
    let answer =
        lab.run(&denied, &[]).finish(&[PYTHON, "-c", ASK, "http://192.0.2.9/"]).ok().json_lines().remove(0);
    assert_eq!(
        (&answer["status"], &answer["body"]),
        (&json!(520), &json!("Origin is disallowed")),
        "{answer}"
    );
    assert_eq!(answer["type"], "text/plain;charset=UTF-8");
    let mut running = lab.run(&policy("outbound: all"), &[]).start(&[PYTHON, "-c", DIALOGUE, HOST]);
    assert_eq!(running.ask("GET /"), "203 all");
    post(&running, "denyHost", &json!({ "host": "api.*" }));
    assert_eq!(running.ask("GET /"), "520 Origin is disallowed");
    post(&running, "removeDeniedHost", &json!({ "host": "api.*" }));
    post(&running, "setOutboundByHost", &json!({ "host": "api.*", "handler": "one" }));
    assert_eq!(running.ask("GET /"), "201 one");
    let _ = running.finish().ok();
}

/// `*` is any characters, dots among them; a name before every glob; of globs the first; the dot at the end of a name is nothing.
fn globs_and_names(user: User) {
    let lab = Lab::new(user);
    let text = policy("outboundByHost: { 'a.*': one, '*.example.test': two, exact.example.test: one }");
    let mut running = lab.run(&text, &[]).start(&["/bin/cat"]);
    running.ask("ready");
    fates(
        &running,
        &[
            ("a.b.c", "one"),
            ("a.example.test", "one"),
            ("b.example.test", "two"),
            ("c.b.example.test", "two"),
            ("exact.example.test", "one"),
            ("EXACT.example.test.", "one"),
            ("example.test", "internet"),
        ],
    );
    // Setting a pattern again keeps its place; removing and setting it puts it last.
    for (host, handler) in [("x.*", "one"), ("*.y", "two"), ("x.*", "all")] {
        post(&running, "setOutboundByHost", &json!({ "host": host, "handler": handler }));
    }
    fates(&running, &[("x.y", "all"), ("z.y", "two")]);
    post(&running, "removeOutboundByHost", &json!({ "host": "x.*" }));
    post(&running, "setOutboundByHost", &json!({ "host": "x.*", "handler": "one" }));
    fates(&running, &[("x.y", "two"), ("x.z", "one")]);
    let _ = running.finish().ok();
}

/// Denied, not allowed, run time by host, by host, run time for all, for all, allowed, the Internet.
fn the_order(user: User) {
    let lab = Lab::new(user);
    let text = policy(
        "deniedHosts: [denied.test]\noutboundByHost: { denied.test: one, b.test: one }\noutbound: all",
    );
    let mut running = lab.run(&text, &[]).start(&["/bin/cat"]);
    running.ask("ready");
    fates(&running, &[("denied.test", "denied"), ("b.test", "one"), ("c.test", "all")]);
    post(&running, "setOutboundByHost", &json!({ "host": "*.test", "handler": "two" }));
    fates(&running, &[("denied.test", "denied"), ("b.test", "two"), ("c.test", "two"), ("d.other", "all")]);
    post(&running, "setOutboundHandler", &json!({ "handler": "one" }));
    fates(&running, &[("d.other", "one"), ("b.test", "two")]);
    // The first one makes a list, and a list is a gate before all handlers.
    post(&running, "allowHost", &json!({ "host": "b.test" }));
    fates(&running, &[("b.test", "two"), ("c.test", "denied"), ("d.other", "denied")]);
    post(&running, "removeAllowedHost", &json!({ "host": "b.test" }));
    fates(&running, &[("b.test", "denied")]);
    post(&running, "setAllowedHosts", &json!({ "hosts": ["*.test", "*.other"] }));
    post(&running, "removeOutboundByHost", &json!({ "host": "*.test" }));
    post(&running, "removeOutboundHandler", &json!({}));
    fates(&running, &[("b.test", "one"), ("c.test", "all"), ("denied.test", "denied"), ("d.net", "denied")]);
    post(&running, "setDeniedHosts", &json!({ "hosts": [] }));
    fates(&running, &[("denied.test", "one")]);
    let unknown = running.admin("POST", "/v1/setOutboundHandler", r#"{"handler":"toString"}"#);
    assert_eq!(unknown.status, 422, "{unknown:?}");
    let _ = running.finish().ok();
}

/// Only what is served by handlers or allowed; an allowed host needs no Internet.
fn without_internet(user: User) {
    let lab = Lab::new(user);
    let text = policy("enableInternet: false\noutboundByHost: { b.test: one }");
    let mut running = lab.run(&text, &[]).start(&["/bin/cat"]);
    running.ask("ready");
    fates(&running, &[("b.test", "one"), ("c.test", "denied")]);
    post(&running, "setAllowedHosts", &json!({ "hosts": ["b.test", "c.test"] }));
    fates(&running, &[("b.test", "one"), ("c.test", "internet"), ("d.test", "denied")]);
    let _ = running.finish().ok();
}
