//! HTTP/2 to HTTP/2 and to HTTP/1.1: what becomes of ends, trailers, cookies, and of requests that a server has not begun with.
//!
//! A reset on one side is one on the other; a request is sent again where the server says that it may be, and nowhere else.

use std::time::{Duration, Instant};

use harness::{HOST, Lab, Running, Settings, Transport, User, Versions, for_each_user, wait};
use http::Version;
use serde_json::{Value, json};

use crate::programs::{CURL, H2_TALK, H2_UPSTREAM, PYTHON};
use crate::websocket::Server;

for_each_user!(
    a_cancelled_request_is_cancelled_upstream,
    a_cancelled_request_closes_its_connection,
    a_broken_response_breaks_off,
    sent_again_where_it_was_not_begun,
    never_again_where_it_was,
    trailers_and_hints,
    no_body_for_head,
    one_cookie,
    without_tls,
);

const POLICY: &str = "allowedHosts: [api.example.test]";

fn upstream(lab: &Lab) -> Server {
    let file = lab.write("server.pem", &lab.ca.server_pem(HOST));
    Server::of(&[PYTHON, "-c", H2_UPSTREAM, file.to_str().unwrap()])
}

fn ask(running: &mut Running<'_>, request: &Value) -> Value {
    serde_json::from_str(&running.ask(&request.to_string())).unwrap()
}

fn talk<'a>(lab: &'a Lab, server: &Server) -> Running<'a> {
    lab.run(&server.policy(POLICY), &[]).start(&[PYTHON, "-c", H2_TALK])
}

const CANCEL: &str = "reset 8";

fn a_cancelled_request_is_cancelled_upstream(user: User) {
    let lab = Lab::new(user);
    let mut server = upstream(&lab);
    let mut running = talk(&lab, &server);
    ask(&mut running, &json!({ "path": "/wait", "cancel": "head" }));
    assert_eq!(server.hear(), "GET /wait 1");
    assert_eq!(running.ask("cancel"), "cancelled");
    assert_eq!(server.hear(), CANCEL);
    let upload = json!({ "path": "/wait", "method": "POST", "body": "x", "cancel": "head" });
    ask(&mut running, &upload);
    assert_eq!(server.hear(), "POST /wait 2");
    assert_eq!(running.ask("cancel"), "cancelled");
    assert_eq!(server.hear(), CANCEL);
    let answer = ask(&mut running, &json!({ "path": "/pour", "cancel": "body" }));
    assert_eq!(answer["status"], json!(["200"]));
    assert_eq!([server.hear(), server.hear()], ["GET /pour 1", CANCEL]);
    let finished = running.finish_abrupt().ok();
    assert_eq!(finished.audit.exchanges().len(), 3);
}

/// HTTP/1.1 has no other way to say it.
fn a_cancelled_request_closes_its_connection(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings { versions: Versions::Http1, ..Settings::default() });
    let mut running = lab.run(POLICY, &[&origin]).start(&[PYTHON, "-c", H2_TALK]);
    for (path, cancel) in [("/hold", "head"), ("/events", "body")] {
        let seen = origin.requests().len() + 1;
        ask(&mut running, &json!({ "path": path, "cancel": cancel }));
        wait::until("the request", || (origin.requests().len() == seen).then_some(()));
        let begun = Instant::now();
        if cancel == "head" {
            assert_eq!(running.ask("cancel"), "cancelled");
        }
        wait::until("the end of its connection", || (origin.open() == 0).then_some(()));
        // The promise is one second; the rest is for a busy machine.
        assert!(begun.elapsed() < Duration::from_secs(3), "{path}: {:?}", begun.elapsed());
    }
    assert_eq!(running.finish_abrupt().ok().audit.exchanges().len(), 2);
}

/// For HTTP/1.1 it is shorter than it says.
fn a_broken_response_breaks_off(user: User) {
    let lab = Lab::new(user);
    let server = upstream(&lab);
    let mut running = talk(&lab, &server);
    let answer = ask(&mut running, &json!({ "path": "/reset" }));
    assert_eq!((&answer["status"], &answer["body"]), (&json!(["200"]), &"the beginning".into()), "{answer}");
    assert_eq!(answer["reset"], 2, "{answer}");
    let record = running.finish_abrupt().ok().audit.exchanges()[0].clone();
    assert_eq!((&record["status"], &record["error"]), (&200.into(), &"body_broke".into()), "{record}");
    let url = format!("https://{HOST}/reset");
    let finished =
        lab.run(&server.policy(POLICY), &[]).start(&[CURL, "-sS", "--http1.1", &url]).finish_abrupt();
    assert_eq!((finished.code(), &*finished.stdout), (18, "the beginning"), "{}", finished.stderr);
}

/// Also with a body, which is sent again from its beginning.
fn sent_again_where_it_was_not_begun(user: User) {
    for (path, again) in [
        ("/refuse", ["POST /refuse 1", "POST /refuse 2"]),
        ("/away", ["POST /away 1", "POST /away 2"]),
        ("/http11", ["POST /http11 1", "HTTP/1.1 /http11"]),
    ] {
        let lab = Lab::new(user);
        let mut server = upstream(&lab);
        let mut running = talk(&lab, &server);
        let answer = ask(&mut running, &json!({ "path": path, "method": "POST", "body": "the body" }));
        let expected = if path == "/http11" { "over one.1" } else { "the body" };
        assert_eq!((&answer["status"], &answer["body"]), (&json!(["200"]), &expected.into()), "{path}");
        assert_eq!([server.hear(), server.hear()], again);
        let finished = running.finish_abrupt().ok();
        let record = finished.audit.exchanges()[0];
        assert_eq!((&record["status"], &record["error"]), (&200.into(), &Value::Null), "{record}");
        assert_eq!(record["bytesFromWorkload"], 8, "{record}");
    }
}

fn never_again_where_it_was(user: User) {
    let lab = Lab::new(user);
    let mut server = upstream(&lab);
    let mut running = talk(&lab, &server);
    let answer = ask(&mut running, &json!({ "path": "/gone", "method": "POST", "body": "the body" }));
    assert_eq!(answer["status"], json!(["502"]), "{answer}");
    // On a new connection, and nothing was between.
    assert_eq!(ask(&mut running, &json!({ "path": "/" }))["status"], json!(["200"]));
    assert_eq!([server.hear(), server.hear()], ["POST /gone 1", "GET / 1"]);
    assert_eq!(running.finish_abrupt().ok().audit.exchanges()[0]["error"], "upstream_broke");
}

fn trailers_and_hints(user: User) {
    let lab = Lab::new(user);
    let mut server = upstream(&lab);
    let mut running = talk(&lab, &server);
    let request = json!({ "path": "/trailers", "method": "POST", "body": "x", "trailers": { "x-one": "1" } });
    let answer = ask(&mut running, &request);
    assert_eq!(answer["trailers"]["x-sum"], "{'x-one': '1'}", "{answer}");
    // Responses before the response stay behind.
    let answer = ask(&mut running, &json!({ "path": "/early" }));
    assert_eq!(answer["status"], json!(["200"]), "{answer}");
    assert_eq!([server.hear(), server.hear()], ["POST /trailers 1", "GET /early 1"]);
    let _ = running.finish_abrupt().ok();
}

/// Whoever answers: the upstream or the proxy.
fn no_body_for_head(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let mine = "outbound: own\nhandlers: { own: { respond: { status: 403, body: mine } } }";
    for (policy, expected) in
        [(POLICY, "HTTP/2 200"), ("allowedHosts: []", "HTTP/2 403"), (mine, "HTTP/2 403")]
    {
        let url = format!("https://{HOST}/");
        let finished = lab
            .run(policy, &[&origin])
            .finish(&[CURL, "-sSI", "--http2", "--connect-to", "::198.51.100.1:443", &url])
            .ok();
        assert!(finished.stdout.starts_with(expected), "{policy}: {}", finished.stdout);
    }
}

/// HTTP/2 sends its crumbs one by one.
fn one_cookie(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings { versions: Versions::Http1, ..Settings::default() });
    let url = format!("https://{HOST}/");
    let crumbs = ["-H", "Cookie: a=1", "-H", "Cookie: b=2", "-H", "Cookie: c=3"];
    let finished =
        lab.run(POLICY, &[&origin]).finish(&[&[CURL, "-sS", "--http2", &url][..], &crumbs].concat()).ok();
    assert_eq!(finished.stdout, "hello from api.example.test\n");
    let heard = String::from_utf8_lossy(&origin.heard()).to_lowercase();
    assert_eq!(heard.matches("\r\ncookie: a=1; b=2; c=3\r\n").count(), 1, "{heard}");
    assert_eq!(heard.matches("\r\ncookie:").count(), 1, "{heard}");
}

/// Who speaks HTTP/2 without TLS knows that its server does; who asks whether it does is not heard.
fn without_tls(user: User) {
    let lab = Lab::new(user);
    let url = format!("http://{HOST}/echo");
    let policy = "allowedHosts: [\"http://api.example.test\"]";
    for (versions, flag, expected) in [
        (Versions::Http2, "--http2-prior-knowledge", Version::HTTP_2),
        (Versions::Http1, "--http2", Version::HTTP_11),
        (Versions::Http1, "--http1.1", Version::HTTP_11),
    ] {
        let origin = lab.origin(Settings { transport: Transport::Plain, versions, ..Settings::default() });
        let command = [CURL, "-sS", flag, "-d", "the body", &url];
        let finished = lab.run(policy, &[&origin]).finish(&command).ok();
        let echo = finished.json_lines().remove(0);
        assert_eq!(echo["body"], "the body", "{flag}");
        let seen = origin.requests().remove(0);
        assert_eq!(seen.version, expected, "{flag}");
        assert!(!seen.headers.contains_key("upgrade") && !seen.headers.contains_key("http2-settings"));
        let record = finished.audit.exchanges()[0].clone();
        let protocol = if versions == Versions::Http2 { "h2" } else { "h1" };
        assert_eq!((&record["protocol"], &record["scheme"]), (&protocol.into(), &"http".into()));
    }
}
