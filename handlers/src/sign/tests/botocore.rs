//! Random requests that botocore signed with false keys: signed again here, they are what botocore makes of them with the real ones.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

use super::*;

const REQUESTS: usize = 400;

/// 2026-02-28T23:59:58Z
const NOW: u64 = 1_772_323_198;

fn requests() -> Vec<Value> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/moto/bin/python");
    assert!(python.exists(), "{} is missing; build it first: make target/moto", python.display());
    let (count, seed) = (REQUESTS.to_string(), std::process::id().to_string());
    let output = Command::new(python).args(["-c", include_str!("botocore.py"), &count, &seed]).output();
    let output = output.expect("start Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn pairs(headers: &Value) -> Vec<(&str, &str)> {
    let pairs = headers.as_array().unwrap().iter();
    pairs.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect()
}

#[test]
fn requests_are_signed_as_botocore_signs_them() {
    let requests = requests();
    assert_eq!(requests.len(), REQUESTS);
    for request in &requests {
        let token = request["token"].as_str();
        let all =
            secrets(&[("ID", "AKREAL"), ("KEY", "real/secret+key"), ("TOKEN", token.unwrap_or_default())]);
        let aws = Aws { session_token: token.map(|_| "TOKEN".into()), ..aws() };
        let (sent, expected) = (&request["sent"], &request["expected"]);
        let mut head = head(
            request["method"].as_str().unwrap(),
            sent["url"].as_str().unwrap(),
            &pairs(&sent["headers"]),
        );
        let body = full(request["body"].as_str().unwrap().to_owned());
        now_or_never(aws.apply(&mut head, body, &all, at(NOW)))
            .unwrap_or_else(|error| panic!("{error}: {request:#}"));
        assert_eq!(head.uri.to_string(), expected["url"].as_str().unwrap(), "{request:#}");
        let got: BTreeSet<_> =
            head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(got, pairs(&expected["headers"]).into_iter().collect(), "{request:#}");
    }
}
