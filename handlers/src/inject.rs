//! The built-in handler that adds headers, usually credentials.
//!
//! Receives the head of a request and changes it in place: whatever the workload itself sent under an injected name
//! goes first. A name is also taken for the same when it differs only by `_` for `-`, because servers behind CGI
//! cannot tell the two apart and would join or prefer the workload's value.

use http::{HeaderMap, HeaderName, HeaderValue, header::Entry};

/// Sets headers on the request and removes the workload's own headers of those names.
#[derive(Debug, Clone)]
pub struct Inject {
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Inject {
    /// Takes the headers to set. Values that hold a secret must be marked sensitive: `Debug` does not show those, HPACK does not
    /// index them, and they are only sent over TLS.
    pub fn new(headers: HeaderMap) -> Self {
        let mut injected = Vec::with_capacity(headers.len());
        let mut current = None;
        for (name, value) in headers {
            // `HeaderMap` names only the first of several values of one name.
            current = name.or(current);
            injected.extend(current.clone().map(|name| (name, value)));
        }
        Self { headers: injected }
    }

    /// Whether any value is a secret.
    pub(crate) fn holds_secrets(&self) -> bool {
        self.headers.iter().any(|(_, value)| value.is_sensitive())
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        self.remove_own(headers);
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
    }

    fn remove_own(&self, headers: &mut HeaderMap) {
        let own: Vec<HeaderName> = headers.keys().filter(|name| self.sets(name)).cloned().collect();
        for name in own {
            if let Entry::Occupied(entry) = headers.entry(name) {
                entry.remove_entry_mult();
            }
        }
    }

    fn sets(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(injected, _)| same_to_cgi(injected, name))
    }
}

/// Whether two names are one to a server that maps `-` to `_` (RFC 3875 section 4.1.18).
fn same_to_cgi(left: &HeaderName, right: &HeaderName) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte };
    let (left, right) = (left.as_str(), right.as_str());
    left.len() == right.len() && left.bytes().map(fold).eq(right.bytes().map(fold))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn map(pairs: Pairs<'_>) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn listed(headers: &HeaderMap) -> Vec<String> {
        let mut all: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        all.sort();
        all
    }

    #[test]
    fn the_workloads_own_header_goes_first() {
        let cases: &[(Pairs<'_>, &[&str])] = &[
            (&[], &["x-api-key=S"]),
            (&[("accept", "*/*")], &["accept=*/*", "x-api-key=S"]),
            (&[("X-Api-Key", "mine")], &["x-api-key=S"]),
            (&[("x_api_key", "mine")], &["x-api-key=S"]),
            (&[("x-api_key", "mine"), ("x_api-key", "too")], &["x-api-key=S"]),
            (&[("x-api-key2", "other")], &["x-api-key2=other", "x-api-key=S"]),
        ];
        for (sent, expected) in cases {
            let mut headers = map(sent);
            Inject::new(map(&[("x-api-key", "S")])).apply(&mut headers);
            let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
            expected.sort();
            assert_eq!(listed(&headers), expected, "{sent:?}");
        }
    }

    #[test]
    fn repeated_values_of_the_workload_all_go() {
        let mut headers = map(&[("cookie", "a")]);
        headers.append("cookie", HeaderValue::from_static("b"));
        Inject::new(map(&[("cookie", "S")])).apply(&mut headers);
        assert_eq!(listed(&headers), ["cookie=S"]);
    }

    #[test]
    fn several_values_of_one_name_are_all_injected_and_stay_sensitive() {
        let mut several = map(&[("x-a", "1"), ("x-b", "3")]);
        several.append("x-a", HeaderValue::from_static("2"));
        several.iter_mut().for_each(|(_, value)| value.set_sensitive(true));
        let mut headers = HeaderMap::new();
        Inject::new(several).apply(&mut headers);
        assert_eq!(listed(&headers), ["x-a=1", "x-a=2", "x-b=3"]);
        assert!(headers.values().all(HeaderValue::is_sensitive));
    }

    proptest! {
        /// However the workload spells the name, the upstream sees exactly one header of it, and it is ours.
        #[test]
        fn exactly_one_survives(spellings in proptest::collection::vec("[xX][-_][aA][-_][bB]", 0..6)) {
            let mut headers = HeaderMap::new();
            for spelling in &spellings {
                headers.append(spelling.parse::<HeaderName>().unwrap(), HeaderValue::from_static("mine"));
            }
            Inject::new(map(&[("x-a-b", "S")])).apply(&mut headers);
            prop_assert_eq!(listed(&headers), vec!["x-a-b=S".to_owned()]);
        }
    }
}
