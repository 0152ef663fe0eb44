//! gRPC, from two clients of its own to a server of its own: every kind of call, over TLS and without; and a refusal that its user can read.

use harness::{Finished, HOST, Lab, Running, User, wait};
use serde_json::{Value, json};

use crate::programs::{GRPC_CLIENT, GRPC_CLIENT_NODE, GRPC_SERVER, NODE};
use crate::tools::made;
use crate::websocket::Server;

fn server(lab: &Lab, tls: bool) -> Server {
    let file = lab.write("server.pem", &lab.ca.server_pem(HOST));
    let python = made("grpc-python", "bin/python");
    let command = [&python, "-c", GRPC_SERVER, file.to_str().unwrap()];
    Server::of(if tls { &command } else { &command[..3] })
}

fn policy(server: &Server, scheme: &str, more: &str) -> String {
    let text = format!(
        "allowedHosts: [{{ host: \"{scheme}://{HOST}\", paths: [/t.T/*] }}, \"{scheme}://down.example.test\"]\n{more}"
    );
    // Nobody listens there.
    server.policy(&text).replace("resolve: {", "resolve: { down.example.test: \"127.0.0.1:1\",")
}

fn start<'a>(lab: &'a Lab, policy: &str, node: bool, tls: bool) -> Running<'a> {
    let address = format!("{HOST}:{}", if tls { 443 } else { 80 });
    let (python, folder) = (made("grpc-python", "bin/python"), made("grpc-node", ""));
    let command = if node {
        [NODE, "-e", GRPC_CLIENT_NODE, &folder, &address, "tls"]
    } else {
        [&python, "-c", GRPC_CLIENT, &address, "tls", ""]
    };
    let count = command.len() - if tls { 0 } else { 1 + usize::from(!node) };
    lab.run(policy, &[]).start(&command[..count])
}

fn check(told: &Value, finished: &Finished) {
    for (name, expected) in [
        ("echo", json!("hello")),
        ("large", json!(true)),
        ("up", json!("1000")),
        ("failed", json!(["FAILED_PRECONDITION", "not yet: größer als 100%"])),
        ("cancelled", json!(["hanging", "CANCELLED"])),
    ] {
        assert_eq!(told[name], expected, "{name}: {told}");
    }
    assert_eq!(told["deadline"][0], "DEADLINE_EXCEEDED", "{told}");
    // What a person reads: why, and what to ask for.
    let denied = told["denied"][1].as_str().unwrap();
    assert_eq!(told["denied"][0], "PERMISSION_DENIED", "{told}");
    assert!(denied.starts_with("host_not_allowed: ") && denied.contains("(request run-"), "{denied}");
    let down = told["down server"][1].as_str().unwrap();
    assert!(told["down server"][0] == "UNAVAILABLE" && down.contains("upstream_refused: "), "{told}");
    let exchanges = finished.audit.exchanges();
    let of = |path: &str| {
        let record = exchanges.iter().find(|record| record["path"] == path).unwrap();
        (record["status"].clone(), record["decision"].clone(), record["error"].clone())
    };
    assert_eq!(of("/t.T/Echo"), (200.into(), "allow".into(), Value::Null));
    assert_eq!(of("/other.Service/Call"), (200.into(), "deny".into(), "host_not_allowed".into()));
}

fn calls(node: bool, tls: bool) {
    let lab = Lab::new(User::Root);
    let mut server = server(&lab, tls);
    let policy = policy(&server, if tls { "https" } else { "http" }, "");
    let mut running = start(&lab, &policy, node, tls);
    let told: Value = serde_json::from_str(&running.hear()).unwrap();
    // The one whose time was over, and the one that was cancelled.
    assert_eq!([server.hear(), server.hear()], ["cancelled", "cancelled"]);
    let finished = running.finish_abrupt().ok();
    check(&told, &finished);
    if node {
        assert_eq!((&told["down"], &told["both"]), (&json!(true), &json!(true)), "{told}");
    } else {
        assert_eq!(told["down"], json!([true, "yes", "yes", "00ff"]), "{told}");
        assert_eq!(
            (&told["both"], &told["unknown"]),
            (&json!([[], "OK"]), &json!("UNIMPLEMENTED")),
            "{told}"
        );
    }
}

#[test]
fn python() {
    calls(false, true);
}

#[test]
fn python_without_tls() {
    calls(false, false);
}

#[test]
fn node() {
    calls(true, true);
}

#[test]
fn node_without_tls() {
    calls(true, false);
}

/// What the policy says to such requests is said to these, too.
#[test]
fn an_answer_of_ones_own() {
    let lab = Lab::new(User::Root);
    let server = server(&lab, true);
    let policy = policy(&server, "https", "answer: { status: 404, body: mine }");
    let mut running = start(&lab, &policy, false, true);
    let told: Value = serde_json::from_str(&running.hear()).unwrap();
    assert_eq!(told["denied"][0], "UNIMPLEMENTED", "{told}");
    let denied = wait::until("the record", || {
        let audit = running.audit();
        let record = audit.exchanges().into_iter().find(|record| record["path"] == "/other.Service/Call");
        record.map(|record| record["status"].clone())
    });
    assert_eq!(denied, 404);
    let _ = running.finish_abrupt();
}
