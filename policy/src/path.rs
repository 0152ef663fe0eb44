//! Paths: which of them every server reads alike, and the patterns that rules compare them with.
//!
//! Receives the path of a request as it was sent and hands on one that can be compared, or says that it could be read in two
//! ways (RFC 3986, section 6.2.2): such a path is refused wherever a rule asks for paths, and never rewritten. In a pattern `*`
//! stands for any characters within one segment, and `**` for any number of segments.

use std::{borrow::Cow, fmt};

use globset::{GlobBuilder, GlobMatcher};

use crate::pattern::{PatternError, error};

/// Longest pattern, in octets.
const MAX_PATTERN: usize = 1024;

/// A path of a rule.
#[derive(Clone, Debug)]
pub struct PathPattern {
    text: String,
    matcher: Matcher,
}

/// The forms that need no automaton are by far the most.
#[derive(Clone, Debug)]
enum Matcher {
    Exact,
    /// `/a/**`: everything that begins with `/a/`; the length of that.
    Below(usize),
    Glob(GlobMatcher),
}

/// A path that two readers could take for two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// The path as it is compared: the digits of escapes in upper case.
pub(crate) fn plain(path: &str) -> Result<Cow<'_, str>, Ambiguous> {
    // `OPTIONS *` (RFC 9110, section 7.1).
    if path == "*" {
        return Ok(Cow::Borrowed(path));
    }
    let segments = path.strip_prefix('/').ok_or(Ambiguous)?;
    let last = segments.split('/').count() - 1;
    for (place, segment) in segments.split('/').enumerate() {
        let bare = segment.split(';').next().unwrap_or_default();
        if bare == "." || bare == ".." || (segment.is_empty() && place != last) {
            return Err(Ambiguous);
        }
        check_escapes(segment.as_bytes())?;
    }
    Ok(if path.contains('%') { Cow::Owned(upper_escapes(path)) } else { Cow::Borrowed(path) })
}

/// Escapes of what needs none, of what separates, and of escapes are read by some servers once more than by others.
fn check_escapes(segment: &[u8]) -> Result<(), Ambiguous> {
    let mut rest = segment;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' | b'#' | b'?' | ..=b' ' | 0x7f.. => return Err(Ambiguous),
            b'%' => {}
            _ => continue,
        }
        let [high, low, after @ ..] = after else { return Err(Ambiguous) };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return Err(Ambiguous) };
        match high << 4 | low {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => return Err(Ambiguous),
            b'/' | b'\\' | b';' | ..b' ' | 0x7f => return Err(Ambiguous),
            b'%' if matches!(after, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()) => {
                return Err(Ambiguous);
            }
            _ => rest = after,
        }
    }
    Ok(())
}

fn upper_escapes(path: &str) -> String {
    let mut digits = 0;
    let upper = |c: char| {
        let digit = digits > 0;
        digits = if c == '%' { 2 } else { digits - i32::from(digit) };
        if digit { c.to_ascii_uppercase() } else { c }
    };
    path.chars().map(upper).collect()
}

impl PathPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let message = |what: &str| format!("path `{}`: {what}", crate::fault::clip(text));
        if text.len() > MAX_PATTERN {
            return Err(error(message("it is longer than 1,024 octets"), "write a shorter one"));
        }
        if !text.starts_with('/') {
            return Err(error(message("a path begins with `/`"), format!("write `/{text}`")));
        }
        if let Some((path, _)) = text.split_once(['?', '#']) {
            let what = "the query is not looked at, and a fragment is never sent";
            return Err(error(message(what), format!("write `{path}`")));
        }
        if text.split('/').any(|segment| segment.contains("**") && segment != "**") {
            let cure = "write `*` for characters within a segment, `/**` for everything below";
            return Err(error(message("`**` stands for whole segments"), cure));
        }
        let Ok(plain) = plain(text) else {
            let what = "servers could read it in two ways, so a request with such a path is refused";
            return Err(error(message(what), "write it without `//`, `.`, `..`, `\\` and needless escapes"));
        };
        let text = plain.into_owned();
        let matcher = match text.strip_suffix("**") {
            _ if !text.contains('*') => Matcher::Exact,
            Some(before) if !before.contains('*') => Matcher::Below(before.len()),
            _ => Matcher::Glob(
                glob(&text).map_err(|cause| error(message(&cause.to_string()), "write it plainly"))?,
            ),
        };
        Ok(Self { text, matcher })
    }

    /// Whether deciding on it takes an automaton.
    pub(crate) fn is_costly(&self) -> bool {
        matches!(self.matcher, Matcher::Glob(_))
    }

    /// Whether it is the path of a request.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => self.text == path,
            Matcher::Below(length) => self.text.get(..*length).is_some_and(|start| path.starts_with(start)),
            Matcher::Glob(matcher) => matcher.is_match(path),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// All that means something to the library but not here stands for itself.
fn glob(text: &str) -> Result<GlobMatcher, globset::Error> {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '[' | ']' | '{' | '}' | '!' | ',') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    let glob = GlobBuilder::new(&escaped).literal_separator(true).backslash_escape(true).build()?;
    Ok(glob.compile_matcher())
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathPattern {}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_pattern_matches() {
        for (pattern, yes, no) in [
            ("/", &["/"][..], &["/a", "*"][..]),
            ("/a", &["/a"], &["/", "/a/", "/A", "/ab", "/a/b"]),
            ("/a/**", &["/a/", "/a/b", "/a/b/c"], &["/a", "/ab", "/b/a/"]),
            ("/**", &["/", "/a", "/a/b/"], &["*"]),
            ("/a/*", &["/a/b", "/a/"], &["/a", "/a/b/c", "/a/b/"]),
            ("/repos/*/issues", &["/repos/x/issues"], &["/repos/issues", "/repos/a/b/issues"]),
            ("/repos/**/issues", &["/repos/x/issues", "/repos/a/b/issues", "/repos/issues"], &["/repos/x"]),
            ("/v*/x-*.json", &["/v1/x-y.json", "/v/x-.json"], &["/v1/a/x-y.json", "/1/x-y.json"]),
            ("/a%c3%a9", &["/a%C3%A9", "/a%c3%A9"], &["/a%C3%A8"]),
            ("/[a]{b,c}!*", &["/[a]{b,c}!x"], &["/ab", "/[a]b!x"]),
        ] {
            let parsed = PathPattern::parse(pattern).expect(pattern);
            let matches = |path: &str| plain(path).is_ok_and(|path| parsed.matches(&path));
            for path in yes {
                assert!(matches(path), "{pattern} and {path}");
            }
            for path in no {
                assert!(!matches(path), "{pattern} and {path}");
            }
        }
    }

    #[test]
    fn what_servers_could_read_in_two_ways() {
        for path in [
            "",
            "a",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/a/..;/b",
            "/a/.;x=1/b",
            "/%2e%2e/a",
            "/a%2fb",
            "/a%2Fb",
            "/a%5Cb",
            "/a\\b",
            "/%61",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%00",
            "/a%252e",
            "/a%25%32",
            "/a b",
            "/a\tb",
            "/\u{e9}",
            "/a%7E",
            "/a%3bb",
            "/a#b",
            "/a%0d%0a",
            "/a%7f",
            "/%2525",
        ] {
            assert_eq!(plain(path), Err(Ambiguous), "{path}");
        }
        for path in [
            "/",
            "*",
            "/a",
            "/a/",
            "/a.b/..c/...",
            "/a%20b",
            "/%C3%A9",
            "/a;b=1",
            "/a%25",
            "/a%25zz",
            "/~a/-_!$&'()*+,=:@",
        ] {
            assert_eq!(plain(path).as_deref(), Ok(path), "{path}");
        }
        assert_eq!(plain("/a%c3%a9f").as_deref(), Ok("/a%C3%A9f"));
    }

    #[test]
    fn patterns_that_mean_something_else_are_refused() {
        for (text, said) in [
            ("a", "begins with `/`"),
            ("", "begins with `/`"),
            ("/a?b", "the query"),
            ("/a#b", "the query"),
            ("/a**", "whole segments"),
            ("/a/**b", "whole segments"),
            ("/a//b", "two ways"),
            ("/a/../b", "two ways"),
            ("/%61", "two ways"),
        ] {
            let fault = PathPattern::parse(text).expect_err(text);
            assert!(fault.to_string().contains(said), "{text}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(path in any::<String>(), pattern in "/[a*/%]{0,12}") {
            let path = plain(&path);
            if let (Ok(pattern), Ok(path)) = (PathPattern::parse(&pattern), path) {
                let _ = pattern.matches(&path);
            }
        }

        #[test]
        fn a_pattern_without_a_star_is_the_path_itself(path in "(/[a-c]{1,2}){1,3}/?", other in "(/[a-c]{1,2}){1,3}/?") {
            let pattern = PathPattern::parse(&path).unwrap();
            prop_assert_eq!(pattern.matches(&other), path == other);
        }
    }
}
