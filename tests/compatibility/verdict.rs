//! What a client said: its version, and what came of each check.
//!
//! Receives the lines that a program of `tests/clients/matrix` prints. A check of which it says nothing has failed, and so has all that it
//! says if it did not end well.

use std::collections::BTreeMap;

use serde_json::Value;

/// What came of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    /// The client has no such thing.
    None,
    Fail,
}

/// All that came of a client.
pub(crate) struct Verdict {
    pub(crate) version: String,
    outcomes: BTreeMap<String, (Outcome, String)>,
    /// What it wrote beside its lines, if it did not end well.
    trouble: String,
}

impl Verdict {
    /// Reads what a program printed about `checks`, and how it ended.
    pub(crate) fn read((stdout, stderr, code): (&str, &str, i32), checks: &[&str]) -> Self {
        let lines: Vec<Value> = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let version = lines.iter().map(|line| text(&line["version"])).find(|version| !version.is_empty());
        let outcome = |check: &str| match lines.iter().find(|line| line["check"] == check) {
            Some(line) if line["result"] == "pass" => (Outcome::Pass, String::new()),
            Some(line) if line["result"] == "none" => (Outcome::None, text(&line["why"])),
            Some(line) => (Outcome::Fail, text(&line["why"])),
            None => (Outcome::Fail, "it said nothing of it".to_owned()),
        };
        let outcomes = checks.iter().map(|check| ((*check).to_owned(), outcome(check))).collect();
        let mut trouble = String::new();
        if code != 0 || version.is_none() {
            let lines: Vec<_> = stderr.lines().collect();
            let last = &lines[lines.len().saturating_sub(12)..];
            trouble = format!("exit code {code}\n{}", last.join("\n"));
        }
        Self { version: version.unwrap_or_default(), outcomes, trouble }
    }

    /// A client that is not there.
    pub(crate) fn missing(program: &str) -> Self {
        let trouble = format!("{program} is missing; `make test-clients` installs it");
        Self { version: String::new(), outcomes: BTreeMap::new(), trouble }
    }

    /// Whether it speaks HTTP/2 is known here, whatever the client can say about it.
    pub(crate) fn spoke_http2(&mut self, spoke: bool) {
        let Some((outcome, why)) = self.outcomes.get_mut("http2") else { return };
        match (*outcome, spoke) {
            (Outcome::None, true) => *outcome = Outcome::Pass,
            (Outcome::Pass, false) => {
                (*outcome, *why) = (Outcome::Fail, "the proxy saw no HTTP/2".to_owned());
            }
            _ => {}
        }
    }

    pub(crate) fn outcome(&self, check: &str) -> Outcome {
        self.outcomes.get(check).map_or(Outcome::Fail, |(outcome, _)| *outcome)
    }

    pub(crate) fn failed(&self) -> bool {
        !self.trouble.is_empty() || self.outcomes.values().any(|(outcome, _)| *outcome == Outcome::Fail)
    }

    /// What is wrong, a line for each.
    pub(crate) fn faults(&self) -> Vec<String> {
        let failed = self.outcomes.iter().filter(|(_, (outcome, _))| *outcome == Outcome::Fail);
        let checks = failed.map(|(check, (_, why))| format!("{check}: {why}"));
        checks.chain(self.trouble.lines().map(str::to_owned)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = r#"{"version":"1.0"}
a word of somebody else
{"check":"get","result":"pass","why":""}
{"check":"http2","result":"none","why":"HTTP/1.1"}
"#;

    #[test]
    fn only_what_is_said_counts() {
        let verdict = Verdict::read((SAID, "", 0), &["get", "http2"]);
        assert!(!verdict.failed() && verdict.version == "1.0", "{:?}", verdict.faults());
        assert_eq!(verdict.outcome("http2"), Outcome::None);
        let silent = Verdict::read((SAID, "", 0), &["get", "http2", "post"]);
        assert_eq!(silent.faults(), ["post: it said nothing of it"]);
        let failed = SAID.replace("pass", "fail").replace(r#""why":"""#, r#""why":"404""#);
        assert_eq!(Verdict::read((&failed, "", 0), &["get"]).faults(), ["get: 404"]);
        for (said, code) in [(SAID, 1), ("", 0)] {
            let verdict = Verdict::read((said, "its last words", code), &[]);
            assert!(verdict.failed() && verdict.faults().contains(&"its last words".to_owned()));
        }
        assert!(Verdict::missing("a/program").failed());
    }

    #[test]
    fn http2_is_what_was_seen() {
        for (result, spoke, outcome) in [
            ("none", true, Outcome::Pass),
            ("none", false, Outcome::None),
            ("pass", true, Outcome::Pass),
            ("pass", false, Outcome::Fail),
            ("fail", true, Outcome::Fail),
        ] {
            let said = SAID.replace("none", result);
            let mut verdict = Verdict::read((&said, "", 0), &["http2"]);
            verdict.spoke_http2(spoke);
            assert_eq!(verdict.outcome("http2"), outcome, "{result}, {spoke}");
        }
    }
}
