//! ClientHellos of every shape: inspected or refused, and passed through for a name that the policy says so of, only.
//!
//! Built byte by byte, since no client sends them all. What was done is in the audit records: each is sent to an address of
//! its own.

use harness::{Lab, Settings, User, for_each_user};
use serde_json::Value;

use crate::programs::{HELLO, PYTHON};

for_each_user!(client_hellos);

/// Right messages for the name that may pass through, however they are cut, padded or extended.
const RIGHT: [&str; 9] =
    ["plain", "upper case", "bytes", "fragments", "16 KiB", "near 64 KiB", "post-quantum", "grease", "ech"];
/// Without a name, or with another one: opened.
const OTHER: [&str; 4] = ["no name", "address", "underscore", "other name"];
/// No whole one comes: closed at the deadline, or as soon as that is clear.
const ENDLESS: [&str; 3] = ["cut off", "too long", "stalled"];

fn client_hellos(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let reachable = format!("resolve:\n{}", origin.resolve_entries());
    let limits = "limits: { tlsHandshakeTimeoutMs: 3000 }";
    for passthrough in ["passthrough: [api.example.test]", ""] {
        let policy = format!("allowedHosts: [api.example.test]\n{limits}\n{passthrough}\n{reachable}");
        let finished = lab.run(&policy, &[]).finish(&[PYTHON, "-c", HELLO]).ok();
        let answers = finished.json_lines();
        assert_eq!(answers.len(), 28, "{}", finished.stdout);
        for told in answers {
            let case = told["case"].as_str().unwrap();
            let known = |record: &&&Value| record["destination"] == told["to"];
            let record = finished.audit.connections().iter().find(known).copied().cloned().unwrap();
            let passed = RIGHT.contains(&case) && !passthrough.is_empty();
            assert_eq!(record["upstream"].is_string(), passed, "{case}: {record}");
            assert_eq!(record["protocol"], "tls", "{case}: {record}");
            let wanted: &[&str] = if RIGHT.contains(&case) || OTHER.contains(&case) {
                &["hello"]
            } else if ENDLESS.contains(&case) {
                &["alert", "end"]
            } else {
                &["alert"]
            };
            assert!(wanted.contains(&told["answer"].as_str().unwrap()), "{passthrough}: {told} {record}");
        }
    }
    assert!(origin.requests().is_empty());
}
