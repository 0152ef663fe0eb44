//! The audit file of a run, read strictly.
//!
//! Every line must be one JSON object with the fields that all records share; a line that is not fails the test.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// The records in the order in which they were written.
#[derive(Debug)]
pub struct Audit(Vec<Value>);

impl Audit {
    /// The records of a file; none if it was never written.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        assert!(text.is_empty() || text.ends_with('\n'), "the last audit line is cut off");
        Self(text.lines().map(record).collect())
    }

    /// One record for each request.
    pub fn exchanges(&self) -> Vec<&Value> {
        self.of_kind("exchange")
    }

    /// One record for each TCP connection.
    pub fn connections(&self) -> Vec<&Value> {
        self.of_kind("connection")
    }

    /// One record for each DNS question.
    pub fn questions(&self) -> Vec<&Value> {
        self.of_kind("dns")
    }

    /// One record for each connection to a published port.
    pub fn inbound(&self) -> Vec<&Value> {
        self.of_kind("inbound")
    }

    /// One record for each request of a handler to another host.
    pub fn fetches(&self) -> Vec<&Value> {
        self.of_kind("fetch")
    }

    /// Requests that an upstream answered, those of handlers included.
    pub fn answered_by_upstream(&self) -> usize {
        let answered = |record: &&&Value| record["upstream"].is_string() && record["error"].is_null();
        self.exchanges().iter().chain(&self.fetches()).filter(answered).count()
    }

    /// Panics unless every exchange has an id of its own.
    pub fn assert_one_record_each(&self) {
        let ids: BTreeSet<_> = self.exchanges().iter().map(|record| record["request"].to_string()).collect();
        assert_eq!(ids.len(), self.exchanges().len(), "two records for one request: {:#?}", self.0);
    }

    fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|record| record["kind"] == kind).collect()
    }
}

fn record(line: &str) -> Value {
    let record: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in audit line {line:?}"));
    for name in ["time", "kind", "instance", "source", "destination", "protocol"] {
        assert!(record[name].is_string(), "{name} is missing in {line}");
    }
    for name in ["generation", "milliseconds"] {
        assert!(record[name].is_number(), "{name} is missing in {line}");
    }
    // RFC 3339, UTC, milliseconds: 2026-01-31T23:59:59.123Z
    let time = record["time"].as_str().unwrap();
    assert!(
        time.len() == 24 && time.as_bytes()[19] == b'.' && time.ends_with('Z'),
        "{time} is not in milliseconds UTC"
    );
    assert!(!record["path"].as_str().unwrap_or("").contains('?'), "a query was logged: {line}");
    record
}
