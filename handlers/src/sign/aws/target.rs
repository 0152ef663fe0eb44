//! Paths and queries in the form that signatures cover.
//!
//! Receives them as the workload spelled them; hands on the spelling to send and the one to sign. Servers work out the latter
//! from the former, each a little differently where there is more than one way to spell a thing; so what could be spelled in two
//! ways is sent in the one way on which they agree.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is written as `%XX`: all but letters, digits and these four.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ESCAPED_IN_PATHS: &AsciiSet = &ESCAPED.remove(b'/');

/// A path with everything escaped once that has to be: escapes that are there count as what they stand for.
pub(super) fn strict(path: &str) -> String {
    percent_encoding::percent_encode(&percent_decode_str(path).collect::<Vec<u8>>(), ESCAPED_IN_PATHS)
        .to_string()
}

/// A path escaped once more: escapes that are there count as text.
pub(super) fn escaped(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED_IN_PATHS).to_string()
}

/// A path without empty segments, `.` and `..`.
pub(super) fn normalised(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let last = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{last}", kept.join("/"))
}

/// The parameters of a query: names and values escaped once, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, Option<String>)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let parsed = pairs.map(|pair| match pair.split_once('=') {
            Some((name, value)) => (respelled(name), Some(respelled(value))),
            None => (respelled(pair), None),
        });
        Self(parsed.collect())
    }

    /// The value of the first parameter of this name, without escapes.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(percent_decode_str(value.as_deref().unwrap_or_default()).decode_utf8_lossy().into_owned())
    }

    /// Takes out all parameters of this name, in whatever case.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    pub(super) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), Some(utf8_percent_encode(value, ESCAPED).to_string())));
    }

    /// As it is sent.
    pub(super) fn sent(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// As it is signed: sorted, and every name with a value.
    pub(super) fn signed(&self) -> String {
        let mut pairs: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or_default()))
            .collect();
        pairs.sort_unstable();
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }
}

/// In queries `+` is read as a space by most, and a space is signed as `%20`.
fn respelled(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_encode(&percent_decode_str(&text).collect::<Vec<u8>>(), ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn queries_keep_their_order_and_are_signed_sorted() {
        for (sent, out, signed) in [
            ("", "", ""),
            ("acl", "acl", "acl="),
            ("acl=", "acl=", "acl="),
            ("b=2&a=1", "b=2&a=1", "a=1&b=2"),
            ("a=b&a=B&a", "a=b&a=B&a", "a=&a=B&a=b"),
            ("&&a=1&", "a=1", "a=1"),
            ("a=x+y%2Bz", "a=x%20y%2Bz", "a=x%20y%2Bz"),
            ("p=a/b:c&q=%7e%61", "p=a%2Fb%3Ac&q=~a", "p=a%2Fb%3Ac&q=~a"),
            ("a==b=", "a=%3Db%3D", "a=%3Db%3D"),
            ("a=%zz%", "a=%25zz%25", "a=%25zz%25"),
            ("%C3%A9=\u{e9}", "%C3%A9=%C3%A9", "%C3%A9=%C3%A9"),
        ] {
            let query = Query::parse(sent);
            assert_eq!((query.sent().as_str(), query.signed().as_str()), (out, signed), "{sent}");
        }
    }

    #[test]
    fn a_parameter_is_found_however_it_is_spelled() {
        let mut query = Query::parse("x%2damz-DATE=a%2Fb&X-Amz-Date=2&x=1");
        assert_eq!(query.get("X-Amz-Date").as_deref(), Some("a/b"));
        query.remove("X-Amz-Date");
        assert_eq!(query.sent(), "x=1");
    }

    #[test]
    fn paths_lose_what_says_nothing() {
        for (sent, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a//b/", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/b/../c", "/a/c"),
            ("/...", "/..."),
        ] {
            assert_eq!(normalised(sent), expected, "{sent}");
        }
    }

    proptest! {
        /// A server that reads what is sent works out what was signed.
        #[test]
        fn what_is_sent_is_in_its_final_form(path in "(/[a-c%+ ./é]{0,5}){1,3}", query in "[a-c%+=&/é2F]{0,20}") {
            let once = strict(&path);
            prop_assert_eq!(strict(&once), once);
            let once = normalised(&path);
            prop_assert_eq!(normalised(&once), once);
            let once = Query::parse(&query);
            let twice = Query::parse(&once.sent());
            prop_assert_eq!(once.signed(), twice.signed());
            prop_assert_eq!(once.sent(), twice.sent());
        }
    }
}
