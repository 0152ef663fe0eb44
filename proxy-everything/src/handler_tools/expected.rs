//! Cases: requests with what is expected to come of them, as a person writes them. Receives the text of a file, hands on cases, or the place
//! of what is wrong in it. `docs/handler-tests.md` describes the format.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

/// A case with the 1-based line that it begins at.
pub(super) type Placed = Spanned<Case>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) request: Message,
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, String>,
    /// Of the component; those of a policy's handlers are in the policy.
    pub(super) params: Option<Value>,
    #[serde(default)]
    pub(super) upstream: Upstream,
    pub(super) expect: Expected,
}

/// A request to send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) method: Option<String>,
    pub(super) url: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) body: String,
    /// Instead of `body`.
    pub(super) json: Option<Value>,
}

/// What servers answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Upstream {
    /// The same to every request.
    Always(Answer),
    /// One after another; what comes after the last fails.
    InTurn(Vec<Answer>),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) body: String,
    /// Instead of `body`.
    pub(super) json: Option<Value>,
    /// The request's own body comes back.
    #[serde(default)]
    pub(super) echo: bool,
    /// There is no answer: the server cannot be reached.
    #[serde(default)]
    pub(super) fails: bool,
}

/// What is to come of it; what is left out does not matter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Expected {
    pub(super) status: Option<u16>,
    /// A value, or `null` for a header that is not to be there.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Option<String>>,
    pub(super) body: Option<String>,
    pub(super) json: Option<Value>,
    #[serde(default)]
    pub(super) body_contains: Vec<String>,
    /// The word for why it is refused.
    pub(super) denied: Option<String>,
    /// The word for how the handler fails.
    pub(super) fails: Option<String>,
    /// What servers are to see, in order and nothing else.
    pub(super) forwarded: Option<Vec<Forwarded>>,
    /// Texts that lines of the log are to contain.
    #[serde(default)]
    pub(super) logs: Vec<String>,
}

/// A request that a server is to see.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forwarded {
    pub(super) method: Option<String>,
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Option<String>>,
    pub(super) body: Option<String>,
    pub(super) json: Option<Value>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self::Always(Answer::default())
    }
}

impl Upstream {
    /// What the request with this number, from 0, is answered with.
    pub(super) fn answer(&self, number: usize) -> Option<&Answer> {
        match self {
            Self::Always(answer) => Some(answer),
            Self::InTurn(answers) => answers.get(number),
        }
    }
}

/// The cases of a file; a fault is `LINE:COLUMN: text`.
pub(super) fn parse(text: &str) -> Result<Vec<Placed>, String> {
    serde_saphyr::from_str(text).map_err(|error| match error.location() {
        Some(place) => format!("{}:{}: {}", place.line(), place.column(), error.without_snippet()),
        None => format!("1:1: {}", error.without_snippet()),
    })
}

/// A body that is written as text or as JSON.
pub(super) fn body(text: &str, json: Option<&Value>) -> String {
    json.map_or_else(|| text.to_owned(), Value::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_with_their_lines() {
        let text = "- name: a\n  request: { url: 'https://a.test' }\n  expect: {}\n\
                    - name: b\n  request: { url: 'https://a.test' }\n  upstream: [{ echo: true }]\n  expect: { headers: { x: null } }\n";
        let cases = parse(text).unwrap();
        let lines: Vec<_> = cases.iter().map(|case| case.referenced.line()).collect();
        assert_eq!(lines, [1, 4]);
        let [first, second] = &cases[..] else { panic!("two") };
        assert!(first.value.upstream.answer(9).is_some());
        assert!(second.value.upstream.answer(0).is_some_and(|answer| answer.echo));
        assert!(second.value.upstream.answer(1).is_none());
        assert_eq!(second.value.expect.headers["x"], None);
    }

    #[test]
    fn a_fault_tells_its_place() {
        for (text, place, word) in [
            ("- { name: a, request: { url: u }, expect: {}, uptsream: {} }", "1:", "uptsream"),
            ("- name: a\n  expect: {}\n", "1:", "request"),
            ("- [", "", ""),
            ("{}", "", ""),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.starts_with(place) && fault.contains(word), "{text}: {fault}");
        }
    }
}
