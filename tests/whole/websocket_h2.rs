//! WebSocket on a stream of HTTP/2 (RFC 8441): for the policy, its credentials and its record it is what it would be on HTTP/1.1.

use std::time::{Duration, Instant};

use harness::{Finished, HOST, Lab, Running, Settings, TOKEN_POLICY, User, Versions, for_each_user};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::handlers::built_example;
use crate::programs::{H2_WEBSOCKET, H2_WEBSOCKET_NODE, NODE, PYTHON};
use crate::websocket::Server;

for_each_user!(
    messages_of_every_kind,
    another_client,
    without_tls,
    how_it_ends,
    a_denied_one_is_closed,
    an_idle_one_is_closed,
    who_is_refused,
    an_answer_that_is_none,
    through_programs,
);

const ALLOW: &str = "allowedHosts: [api.example.test]";

fn start<'a>(lab: &'a Lab, policy: &str, url: &str) -> Running<'a> {
    lab.run(policy, &[]).start(&[PYTHON, "-c", H2_WEBSOCKET, url])
}

fn talk<'a>(lab: &'a Lab, server: &mut Server, policy: &str, path: &str) -> Running<'a> {
    let mut running = start(lab, &server.policy(policy), &format!("wss://{HOST}{path}"));
    assert_eq!(running.hear(), "open two");
    assert_eq!(server.hear(), "open -");
    running
}

fn only_exchange(finished: &Finished) -> Value {
    let exchanges = finished.audit.exchanges();
    assert_eq!(exchanges.len(), 1, "{exchanges:#?}");
    exchanges[0].clone()
}

/// With a token that the workload never had.
fn messages_of_every_kind(user: User) {
    let lab = Lab::new(user);
    let mut server = Server::tls(&lab);
    // Its connection has nothing else to do, and is not unused for that.
    let policy = server.policy(&format!("{TOKEN_POLICY}\nlimits: {{ keepAliveTimeoutMs: 100 }}"));
    let mut running = start(&lab, &policy, &format!("wss://{HOST}/echo"));
    assert_eq!(running.hear(), "open two");
    assert_eq!(server.hear(), format!("open {}", lab.canary.value()));
    assert_eq!(running.ask("Grüße"), "text Grüße");
    assert_eq!(running.ask("wait"), "text waited");
    assert_eq!(running.ask("binary"), "binary 2");
    assert_eq!(running.ask("large"), format!("binary {}", 1 << 20));
    assert_eq!(running.ask("ping"), "pong one");
    running.say("reset");
    assert_eq!(server.hear(), "closed 1006");
    let record = only_exchange(&running.finish_abrupt());
    let told = (&record["method"], &record["status"], &record["decision"], &record["protocol"]);
    assert_eq!(told, (&"GET".into(), &101.into(), &"allow".into(), &"h2".into()), "{record}");
    assert!(record["bytesFromWorkload"].as_u64() > Some(1 << 20), "{record}");
    assert!(record["bytesToWorkload"].as_u64() > Some(1 << 20), "{record}");
    assert!(record["upstream"].is_string(), "{record}");
}

/// Which closes with a code of its own.
fn another_client(user: User) {
    let lab = Lab::new(user);
    let mut server = Server::tls(&lab);
    let url = format!("wss://{HOST}/echo");
    let finished = lab
        .run(&server.policy(ALLOW), &[])
        .start(&[NODE, "-e", H2_WEBSOCKET_NODE, &url])
        .finish_abrupt()
        .ok();
    assert_eq!(finished.stdout, "done\n");
    assert_eq!([server.hear(), server.hear()], ["open -", "closed 4002"]);
    let record = only_exchange(&finished);
    let told = (&record["method"], &record["status"], &record["error"]);
    assert_eq!(told, (&"GET".into(), &101.into(), &Value::Null), "{record}");
}

fn without_tls(user: User) {
    let lab = Lab::new(user);
    let server = Server::start(&[]);
    let policy = server.policy("allowedHosts: [\"http://api.example.test\"]");
    let mut running = start(&lab, &policy, &format!("ws://{HOST}/echo"));
    assert_eq!(running.hear(), "open two");
    assert_eq!(running.ask("hello"), "text hello");
    let _ = running.finish_abrupt();
}

/// The server speaks first, and closes with a code of its own.
fn how_it_ends(user: User) {
    let lab = Lab::new(user);
    let mut server = Server::tls(&lab);
    let mut running = talk(&lab, &mut server, ALLOW, "/close");
    assert_eq!(running.hear(), "closed 4001 enough");
    assert_eq!(server.hear(), "closed 4001");
    let _ = running.finish_abrupt().ok();
    let mut running = talk(&lab, &mut server, ALLOW, "/first");
    assert_eq!(running.hear(), "text welcome");
    // Open still when its workload ends.
    running.signal(Signal::SIGTERM);
    let record = only_exchange(&running.finish_abrupt());
    assert_eq!((&record["method"], &record["status"]), (&"GET".into(), &101.into()), "{record}");
}

/// In the middle of what it sends.
fn a_denied_one_is_closed(user: User) {
    let lab = Lab::new(user);
    let mut server = Server::tls(&lab);
    let mut running = talk(&lab, &mut server, ALLOW, "/count");
    running.say("pour");
    assert_eq!(server.hear(), "many");
    let output = running.apply(&server.policy("deniedHosts: [api.example.test]"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let changed = Instant::now();
    assert_eq!((server.hear(), running.hear()), ("closed 1006".into(), "closed 1006".into()));
    // The promise is one second; the rest is for a busy machine.
    assert!(changed.elapsed() < Duration::from_secs(3), "{:?}", changed.elapsed());
    let record = only_exchange(&running.finish_abrupt().ok());
    assert_eq!((&record["status"], &record["error"]), (&101.into(), &"revoked".into()), "{record}");
}

fn an_idle_one_is_closed(user: User) {
    let lab = Lab::new(user);
    let mut server = Server::tls(&lab);
    let policy = format!("{ALLOW}\nlimits: {{ spliceIdleTimeoutMs: 1000 }}");
    let mut running = talk(&lab, &mut server, &policy, "/echo");
    assert_eq!(running.hear(), "closed 1006");
    assert_eq!(server.hear(), "closed 1006");
    let record = only_exchange(&running.finish_abrupt().ok());
    assert_eq!((&record["status"], &record["error"]), (&101.into(), &"idle".into()), "{record}");
}

fn who_is_refused(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let other = "allowedHosts: [{ host: api.example.test, paths: [/other] }]";
    let post = "allowedHosts: [{ host: api.example.test, methods: [POST] }]";
    for (policy, protocol, expected, error) in [
        (other, "websocket", "refused 403 []", "host_not_allowed"),
        // It is decided as the GET that it is, and never as a CONNECT.
        (post, "websocket", "refused 403 []", "host_not_allowed"),
        (ALLOW, "connect-udp", "refused 405 []", "method_not_proxied"),
        (ALLOW, "h2c", "refused 405 []", "method_not_proxied"),
    ] {
        let url = format!("wss://{HOST}/chat");
        let finished = lab.run(policy, &[&origin]).finish(&[PYTHON, "-c", H2_WEBSOCKET, &url, protocol]).ok();
        assert_eq!(finished.stdout.trim_end(), expected, "{policy} {protocol}");
        assert_eq!(only_exchange(&finished)["error"], error, "{policy} {protocol}");
    }
    assert!(origin.requests().is_empty());
}

/// A word that would open the stream, from who did not switch: 200, or 101 without the right key.
fn an_answer_that_is_none(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings { versions: Versions::Http1, ..Settings::default() });
    let mine = "outbound: own\nhandlers: { own: { respond: { status: 200, body: mine } } }";
    for policy in [ALLOW, mine] {
        let mut running =
            lab.run(policy, &[&origin]).start(&[PYTHON, "-c", H2_WEBSOCKET, &format!("wss://{HOST}/chat")]);
        assert_eq!(running.hear(), "refused 502 []", "{policy}");
        assert_eq!(only_exchange(&running.finish_abrupt().ok())["error"], "upstream_upgrade", "{policy}");
    }
    let (port, _told) = crate::websocket::scripted(
        "HTTP/1.1 101 Go On\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    let policy =
        format!("allowedHosts: [\"http://api.example.test\"]\nresolve: {{ {HOST}: \"127.0.0.1:{port}\" }}");
    let mut running = start(&lab, &policy, &format!("ws://{HOST}/chat"));
    assert_eq!(running.hear(), "refused 502 []");
    assert_eq!(only_exchange(&running.finish_abrupt().ok())["error"], "upstream_upgrade");
}

/// They see the handshake that it would be on HTTP/1.1, and approve it by handing it on.
fn through_programs(user: User) {
    let lab = Lab::new(user);
    let mut server = Server::tls(&lab);
    let [tag, token] = ["tag", "token-by-host"].map(|name| built_example(&lab, name).display().to_string());
    let policy = format!(
        "outboundByHost: {{ {HOST}: [tag, token] }}\nhandlers: {{ tag: {{ wasm: {tag:?} }}, token: {{ wasm: {token:?}, secrets: [SECRET] }} }}\nsecrets: {{ SECRET: {{ env: API_TOKEN }} }}"
    );
    let mut running = start(&lab, &server.policy(&policy), &format!("wss://{HOST}/close"));
    assert_eq!([running.hear(), running.hear()], ["open two", "closed 4001 enough"]);
    assert_eq!(server.hear(), format!("open {}", lab.canary.value()));
    let record = only_exchange(&running.finish_abrupt().ok());
    let told = (&record["status"], &record["decision"], &record["handlers"]);
    assert_eq!(told, (&101.into(), &"allow".into(), &json!(["tag", "token"])), "{record}");
}
