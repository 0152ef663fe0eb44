//! What a rule asks of a request beside its host: methods and paths.
//!
//! Receives a [`Message`], the request or what is known of it, and tells whether the rule applies. Before there is a request,
//! for DNS and for bytes that nobody reads, a rule with conditions applies to some requests and not to others; whoever asks
//! then says which way that counts, so that nothing passes that could have been refused.

use crate::{
    fault::clip,
    path::{PathPattern, plain},
    pattern::{PatternError, error},
};

/// Longest method, in octets: none that is registered with IANA is longer than 17.
const MAX_METHOD: usize = 64;

/// The methods and paths of a rule; without any, it is for all requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Exact tokens (RFC 9110, section 9.1); empty means every method.
    pub methods: Vec<String>,
    /// Empty means every path.
    pub paths: Vec<PathPattern>,
}

/// A request, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'a> {
    /// This one.
    Known { method: &'a str, path: &'a str },
    /// Whichever passes most easily.
    Best,
    /// Whichever is refused most easily.
    Worst,
}

/// Whether a rule is for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applies {
    Yes,
    No,
    /// It asks for a path, and the request's could be read in two ways.
    Unclear,
}

impl Condition {
    /// Whether it is for all requests.
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.paths.is_empty()
    }

    pub(crate) fn applies(&self, method: &str, path: &str) -> Applies {
        if !self.methods.is_empty() && !self.methods.iter().any(|known| known == method) {
            return Applies::No;
        }
        if self.paths.is_empty() {
            return Applies::Yes;
        }
        match plain(path) {
            Ok(path) if self.paths.iter().any(|pattern| pattern.matches(&path)) => Applies::Yes,
            Ok(_) => Applies::No,
            Err(_) => Applies::Unclear,
        }
    }
}

/// Checks a method of a rule. Methods are compared as they are written, and servers know them in upper case.
pub(crate) fn check_method(text: &str) -> Result<(), PatternError> {
    let message = |what: &str| format!("`{}` {what}", clip(text));
    if matches!(text, "CONNECT" | "TRACE") {
        return Err(error(message("is never let through"), "leave it out"));
    }
    if is_method(text) {
        return Ok(());
    }
    let upper = text.to_ascii_uppercase();
    let cure =
        if is_method(&upper) { format!("write `{upper}`") } else { "write names such as `GET`".into() };
    Err(error(message("is no method"), cure))
}

fn is_method(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_';
    (1..=MAX_METHOD).contains(&text.len()) && text.bytes().all(letter)
}
