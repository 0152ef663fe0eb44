//! Requests with what a policy is expected to do with them.
//!
//! Receives a list that a person wrote, or lines of an audit file, whose requests are expected to get the decision that they got; hands on
//! for each case what differs.

use std::fmt;

use serde::Deserialize;

use crate::{
    Denial, Fault, Policy, Url, Verdict,
    document::{Word, parse},
    recorded::Recorded,
};

/// What the policy's own refusals are called in the audit file.
const OWN_REASONS: [&str; 4] = ["host_denied", "host_not_allowed", "internet_disabled", "path_ambiguous"];

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// 1-based line of its file.
    pub line: u64,
    /// What is asked for.
    pub url: Url,
    /// How.
    pub method: String,
    /// Whether it is to pass.
    pub expect: Expect,
    /// The word that a refusal is to give.
    pub reason: Option<String>,
    /// A part of the label of the rule that is to decide.
    pub rule: Option<String>,
    /// The handlers that it is to go through.
    pub handlers: Option<Vec<String>>,
}

/// Whether a request is to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// It passes.
    Allow,
    /// It is refused.
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseWords {
    url: Word,
    method: Option<String>,
    expect: Expect,
    reason: Option<String>,
    rule: Option<String>,
    handlers: Option<Vec<String>>,
}

impl Case {
    /// Reads a list of `{ url, method, expect, reason, rule, handlers }`.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, Fault> {
        let case = |words: CaseWords| {
            let at = words.url.referenced;
            let url = Url::parse(&words.url.value).map_err(|error| {
                Fault::new(
                    at.into(),
                    format!("`{}` is no URL: {error}", crate::fault::clip(&words.url.value)),
                )
            })?;
            let CaseWords { method, expect, reason, rule, handlers, .. } = words;
            let method = method.unwrap_or_else(|| "GET".to_owned());
            Ok(Self { line: at.line(), url, method, expect, reason, rule, handlers })
        };
        parse::<Vec<CaseWords>>(text)?.into_iter().map(case).collect()
    }

    /// Reads a line of an audit file. `None` is for lines on which no policy decided by itself, or that were cut.
    pub fn recorded(line: &str, number: u64) -> Result<Option<Self>, serde_json::Error> {
        let record = Recorded::parse(line)?;
        let own = record.error.as_deref().is_some_and(|error| OWN_REASONS.contains(&error));
        let (expect, reason) = match &*record.decision {
            "allow" => (Expect::Allow, None),
            "deny" if own => (Expect::Deny, record.error.clone()),
            _ => return Ok(None),
        };
        let asked = record.url().zip(record.method).filter(|_| record.kind == "exchange");
        Ok(asked.map(|(url, method)| Self {
            line: number,
            url,
            method,
            expect,
            reason,
            rule: None,
            handlers: None,
        }))
    }

    /// What differs; empty if all is as expected.
    pub fn judge(&self, policy: &Policy) -> Vec<String> {
        let verdict = policy.verdict(&self.url.facts(&self.method));
        let mut differs = Vec::new();
        let mut compare = |what: &str, expected: &str, got: &str, same: bool| {
            if !same {
                differs.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        let got = if verdict.passes() { Expect::Allow } else { Expect::Deny };
        let told = match &verdict {
            Verdict::Allow { .. } => got.to_string(),
            Verdict::Deny(Denial { reason, .. }) => format!("{got} ({reason})"),
        };
        let full = format!("{told} by {}", verdict.rule());
        compare("decision", &self.expect.to_string(), &full, self.expect == got);
        if let Some(reason) = &self.reason {
            let given = match &verdict {
                Verdict::Deny(denial) => denial.reason.as_str(),
                Verdict::Allow { .. } => "none",
            };
            compare("reason", reason, given, reason == given || self.expect != got);
        }
        if let Some(rule) = &self.rule {
            let label = verdict.rule().as_str();
            compare("rule", rule, label, label.contains(rule.as_str()));
        }
        if let Some(expected) = &self.handlers {
            let handlers = match &verdict {
                Verdict::Allow { handlers, .. } => handlers.as_slice(),
                Verdict::Deny(_) => &[],
            };
            compare(
                "handlers",
                &format!("[{}]", expected.join(", ")),
                &format!("[{}]", handlers.join(", ")),
                expected == handlers,
            );
        }
        differs
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Url { scheme, authority, path } = &self.url;
        write!(f, "{} {scheme}://{authority}{path}", self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, Overrides};

    const POLICY: &str = "
allowedHosts: [{ host: a.test, methods: [GET] }, b.test, 10.0.0.1, 0.0.0.0/0]
outboundByHost: { b.test: [h] }
handlers: { h: { deny: {} } }";

    fn judge(case: &str) -> String {
        let policy = Policy::compile(&Document::parse(POLICY).unwrap(), &Overrides::default());
        let cases = Case::parse_list(case).unwrap_or_else(|fault| panic!("{case}: {fault}"));
        cases.iter().flat_map(|case| case.judge(&policy)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_as_expected() {
        for case in [
            "- { url: https://a.test, expect: allow }",
            "- { url: https://A.TEST./x?y, expect: allow, rule: 'allowedHosts[0] a.test', handlers: [] }",
            "- { url: https://a.test, method: POST, expect: deny, reason: host_not_allowed, rule: allowedHosts }",
            "- { url: https://b.test, expect: allow, handlers: [h] }",
            "- { url: http://10.0.0.1, expect: allow }",
            "- { url: http://10.0.0.2, expect: deny, reason: address_refused }",
        ] {
            assert_eq!(judge(case), "", "{case}");
        }
    }

    #[test]
    fn what_differs() {
        for (case, wanted) in [
            (
                "- { url: https://a.test, expect: deny }",
                "decision: expected deny, got allow by allowedHosts[0] a.test (line 2)",
            ),
            (
                "- { url: https://c.test, expect: allow }",
                "decision: expected allow, got deny (host_not_allowed) by allowedHosts",
            ),
            (
                "- { url: https://c.test, expect: deny, reason: host_denied }",
                "reason: expected host_denied, got host_not_allowed",
            ),
            (
                "- { url: https://a.test, expect: allow, rule: b.test }",
                "rule: expected b.test, got allowedHosts[0] a.test (line 2)",
            ),
            (
                "- { url: https://b.test, expect: allow, handlers: [h, g] }",
                "handlers: expected [h, g], got [h]",
            ),
        ] {
            assert_eq!(judge(case), wanted);
        }
    }

    #[test]
    fn faults_have_a_place() {
        for (text, wanted) in [
            ("- { url: a.test, expect: deny }", "1:10: `a.test` is no URL"),
            ("- { url: https://a.test }", "expect"),
            ("- { url: https://a.test, expect: maybe }", "maybe"),
            ("- { url: https://a.test, expect: deny, when: now }", "when"),
        ] {
            let fault = Case::parse_list(text).unwrap_err().to_string();
            assert!(fault.contains(wanted), "{text}: {fault}");
        }
    }

    #[test]
    fn recorded_lines() {
        let line = |more: &str| {
            format!(r#"{{"kind":"exchange","method":"GET","authority":"a.test:443","path":"/x",{more}}}"#)
        };
        let case = |more: &str| {
            Case::recorded(&line(more), 7).unwrap().map(|case| format!("{case} {}", case.expect))
        };
        assert_eq!(case(r#""decision":"allow""#).as_deref(), Some("GET https://a.test:443/x allow"));
        assert_eq!(
            case(r#""decision":"allow","scheme":"http""#).as_deref(),
            Some("GET http://a.test:443/x allow")
        );
        assert_eq!(
            case(r#""decision":"deny","error":"host_denied""#).as_deref(),
            Some("GET https://a.test:443/x deny")
        );
        assert_eq!(case(r#""decision":"deny","error":"denied_by_handler""#), None);
        assert_eq!(case(r#""status":400"#), None);
        assert_eq!(
            Case::recorded(r#"{"kind":"dns","decision":"allow","authority":"a.test"}"#, 1).unwrap(),
            None
        );
        assert!(Case::recorded("{", 1).is_err());
    }
}
