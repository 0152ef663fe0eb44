//! Handshakes with the workload: old clients and plain ones, resumed sessions, protocols that are not spoken.

use harness::{HOST, Lab, User, for_each_user};

use crate::programs::{HANDSHAKES, PYTHON};

for_each_user!(handshakes);

/// Nothing is allowed, so that 403 is what a request gets.
const EXPECTED: &[(&str, &[&str])] = &[
    ("only 1.2", &["403", "TLSv1.2", "None"]),
    ("again 1.2", &["403", "True"]),
    ("another name 1.2", &["403", "False"]),
    ("only 1.3", &["403", "TLSv1.3", "None"]),
    ("again 1.3", &["403", "True"]),
    ("another name 1.3", &["403", "False"]),
    ("only 1.1", &["sslv3 alert handshake failure"]),
    ("only RSA", &["sslv3 alert handshake failure"]),
    ("192.0.2.11", &["403"]),
    ("2001:db8::11", &["403"]),
    ("http/1.1", &["http/1.1"]),
    ("h2 http/1.1", &["h2"]),
    ("unknown http/1.1", &["http/1.1"]),
    ("unknown", &["tlsv1 alert no application protocol"]),
    ("acme-tls/1", &["tlsv1 alert no application protocol"]),
    ("HTTP/1.1 where h2 was agreed", &["no answer"]),
    ("early data", &["['Early data was not sent', 'Max Early Data: 0']"]),
];

fn handshakes(user: User) {
    let lab = Lab::new(user);
    let command = [PYTHON, "-W", "ignore", "-c", HANDSHAKES, HOST, "other.example.test"];
    let finished = lab.run("", &[]).start(&command).finish_abrupt().ok();
    let told = finished.json_lines();
    let told: Vec<_> = told
        .iter()
        .map(|line| {
            let got =
                line["got"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>();
            (line["case"].as_str().unwrap(), got)
        })
        .collect();
    for ((case, got), (expected_case, expected)) in told.iter().zip(EXPECTED) {
        assert_eq!((*case, got.as_slice()), (*expected_case, *expected));
    }
    assert_eq!(told.len(), EXPECTED.len());
}
