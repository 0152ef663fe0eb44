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
    request: Message,
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, String>,
    /// What the component is granted; what a policy's handlers are is in the policy.
    pub(super) params: Option<Value>,
    pub(super) config: Option<BTreeMap<String, String>>,
    pub(super) rate_limits: Option<Value>,
    /// Names that the component has for stores of the instance's own.
    pub(super) state: Option<Vec<String>>,
    /// The pattern that it is bound to.
    pub(super) matched: Option<String>,
    /// What is in stores at the beginning. The component is granted those that are named here, under the same names.
    #[serde(default)]
    pub(super) keyvalue: Contents<String>,
    #[serde(default)]
    pub(super) blobstore: Contents<String>,
    pub(super) container_id: Option<String>,
    pub(super) class_name: Option<String>,
    #[serde(default)]
    upstream: Upstream,
    expect: Expected,
    /// What follows, with the same handlers and stores.
    #[serde(default)]
    then: Vec<Next>,
}

/// By the names of stores, what is under their keys.
pub(super) type Contents<T> = BTreeMap<String, BTreeMap<String, T>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Next {
    request: Message,
    #[serde(default)]
    upstream: Upstream,
    expect: Expected,
}

/// One request of a case.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) request: &'a Message,
    pub(super) upstream: &'a Upstream,
    pub(super) expect: &'a Expected,
}

impl Case {
    /// Its requests, in order.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let first = Step { request: &self.request, upstream: &self.upstream, expect: &self.expect };
        let next = self.then.iter();
        let next = next.map(|Next { request, upstream, expect }| Step { request, upstream, expect });
        std::iter::once(first).chain(next)
    }

    /// The first of its keys that only a component's case may have.
    pub(super) fn grant(&self) -> Option<&'static str> {
        let all = [
            ("params", self.params.is_some()),
            ("config", self.config.is_some()),
            ("rateLimits", self.rate_limits.is_some()),
            ("state", self.state.is_some()),
            ("matched", self.matched.is_some()),
        ];
        all.into_iter().find(|(_, is_given)| *is_given).map(|(key, _)| key)
    }
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
    /// What is in stores afterwards; `null` is nothing.
    #[serde(default)]
    pub(super) keyvalue: Contents<Option<String>>,
    #[serde(default)]
    pub(super) blobstore: Contents<Option<String>>,
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
        assert_eq!((first.value.steps().count(), first.value.grant()), (1, None));
        assert_eq!(second.value.expect.headers["x"], None);
    }

    #[test]
    fn a_fault_tells_its_place() {
        for (text, place, word) in [
            ("- { name: a, request: { url: u }, expect: {}, uptsream: {} }", "1:", "uptsream"),
            ("- name: a\n  expect: {}\n", "2:", "request"),
            ("- [", "", ""),
            ("{}", "", ""),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.starts_with(place) && fault.contains(word), "{text}: {fault}");
        }
    }
}
