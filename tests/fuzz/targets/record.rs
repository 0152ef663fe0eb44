//! Any text in whatever a workload has a say in: the audit line is one line of JSON, no longer than it may be, and says the same.

use std::{
    net::SocketAddr,
    time::{Instant, SystemTime},
};

use proxy_everything::audit::{Decision, Kind, Protocol, Record, Used};

/// A server name, a method, an authority, a path, and a number for all that is one.
pub(crate) fn run(texts: (&str, &str, &str, &str, u64)) {
    let (sni, method, authority, path, number) = texts;
    let mut record = record(number);
    record.sni = Some(sni.into());
    record.method = Some(method.to_owned());
    record.authority = Some(authority.to_owned());
    record.set_path(path);
    let line = serde_json::to_string(&record).expect("a line");
    assert!(!line.contains(['\n', '\r', '\0', '\u{1b}']), "{line}");
    let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    for (key, text) in [("sni", sni), ("method", method), ("authority", authority)] {
        assert_eq!(read[key], text);
    }
    assert_eq!(read["generation"], number);
    let kept = read["path"].as_str().expect("a path");
    assert!(path.starts_with(kept) && kept.len() <= 1024 && kept.len() + 4 > path.len().min(1024));
}

fn record(number: u64) -> Record {
    let address = SocketAddr::from(([198, 18, 0, 1], 443));
    Record {
        time: SystemTime::UNIX_EPOCH,
        kind: Kind::Exchange,
        instance: "i".into(),
        class: "".into(),
        generation: number,
        connection: Some(number),
        request: None,
        source: address,
        destination: address,
        protocol: Protocol::Http1,
        sni: None,
        scheme: Some("https"),
        method: None,
        authority: None,
        path: None,
        decision: Some(Decision::Allow),
        rule: None,
        monitored: None,
        handlers: Used::default(),
        secrets: Vec::new(),
        stray: None,
        scrubbed: Vec::new(),
        status: Some(200),
        bytes_from_workload: number,
        bytes_to_workload: number,
        milliseconds: number,
        upstream: Some(address),
        error: None,
        log: Vec::new(),
        log_dropped: 0,
        began: Instant::now(),
    }
}
