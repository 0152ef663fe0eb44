//! No request hides in another: hundreds that two servers may read differently, on connections of their own, against an origin that reads to
//! the letter. What the origin gets was allowed, recorded once, and sent as a request of its own; each refused one got its answer.

use std::collections::BTreeMap;

use harness::{HOST, Lab, User, for_each_user};
use serde_json::Value;

use crate::programs::{PYTHON, SMUGGLING};
use crate::raw::RawOrigin;

for_each_user!(plain, inside_tls);

const LIMITS: &str = "limits: { requestHeadTimeoutMs: 2000, bodyIdleTimeoutMs: 2000 }";

fn plain(user: User) {
    nothing_hides(user, "PLAIN", "http");
}

fn inside_tls(user: User) {
    nothing_hides(user, "TLS", "https");
}

fn nothing_hides(user: User, transport: &str, scheme: &str) {
    let lab = Lab::new(user);
    let origin = RawOrigin::start(&lab, transport);
    let text = format!("allowedHosts: [{{ host: \"{scheme}://{HOST}\", paths: [\"/ok/*\"] }}]\n{LIMITS}");
    let command = [PYTHON, "-c", SMUGGLING, transport, HOST];
    let finished = lab.run(&origin.policy(&text), &[]).start(&command).finish_abrupt().ok();
    let seen = origin.seen();
    let read: Vec<_> = seen.iter().map(|one| path(&one["line"])).collect();
    let told = finished.json_lines();
    assert!(told.len() > 600, "{} cases", told.len());
    let mut wrong = Vec::new();
    for case in &told {
        let own = case["path"].as_str().unwrap();
        let whole = seen.iter().filter(|one| one["whole"] == true && path(&one["line"]) == own).count();
        let statuses: Vec<_> =
            case["statuses"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
        let begun = read.iter().filter(|path| **path == own).count();
        let fits = match case["kind"].as_str().unwrap() {
            // Without TLS, a connection that does not begin like HTTP is reset.
            "head" if statuses.is_empty() => begun == 0 && transport == "PLAIN",
            "head" => begun == 0 && matches!(statuses[..], [400..=431 | 505] | [400..=431, 200]),
            // It is let go before its end is known, and never becomes whole.
            "body" => whole == 0 && statuses == [400],
            "sound" => whole == 1 && statuses == [200, 200],
            _ => whole == 1 && matches!(statuses[..], [200, 403 | 421, 200]),
        };
        if !fits {
            wrong.push(format!("{case}: seen {begun}, whole {whole}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), told.len());
    let strange: Vec<_> = seen.iter().filter(|one| !path(&one["line"]).starts_with("/ok/")).collect();
    assert!(strange.is_empty(), "{strange:#?}");
    let exchanges = finished.audit.exchanges();
    let answers: usize = told.iter().map(|case| case["statuses"].as_array().unwrap().len()).sum();
    assert_eq!(exchanges.len(), answers, "exchanges and answers");
    let mut recorded: BTreeMap<_, usize> = BTreeMap::new();
    for record in exchanges.iter().filter(|record| record["upstream"].is_string() || record["status"] == 200)
    {
        *recorded.entry(record["path"].as_str().unwrap_or("-")).or_default() += 1;
    }
    for one in seen.iter().filter(|one| one["whole"] == true) {
        let path = path(&one["line"]);
        assert_eq!(recorded.get(path), Some(&1), "{path}");
        assert_eq!(read.iter().filter(|other| **other == path).count(), 1, "{path} came twice");
    }
}

fn path(line: &Value) -> &str {
    line.as_str().and_then(|line| line.split(' ').nth(1)).unwrap_or("malformed")
}
