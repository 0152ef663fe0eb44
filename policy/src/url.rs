//! A request as a person types it: a URL. Receives text and hands on the facts that the proxy would decide on: host and port in the
//! one spelling, the path as it is sent, without the query.

use crate::{Authority, HostError, RequestFacts, Scheme};

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// How it is sent.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
    /// As it is sent, without the query.
    pub path: String,
}

/// Why a text is no URL of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither of the two that are spoken.
    #[error("a URL begins with `https://` or `http://`")]
    Scheme,
    /// There is no host that can be compared.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Url {
    /// Reads `scheme://host[:port][/path]`.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let known = Scheme::ALL.into_iter().find(|known| scheme.eq_ignore_ascii_case(known.as_str()));
        let scheme = known.ok_or(UrlError::Scheme)?;
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { scheme, authority: Authority::parse(authority, scheme)?, path: path.to_owned() })
    }

    /// What is decided on.
    pub fn facts<'a>(&'a self, method: &'a str) -> RequestFacts<'a> {
        let Self { scheme, authority: Authority { host, port }, path } = self;
        RequestFacts { scheme: *scheme, host, port: *port, method, path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_asks_for() {
        for (text, scheme, authority, path) in [
            ("https://a.test", Scheme::Https, "a.test:443", "/"),
            ("HTTP://A.Test.:8080/a//b?c=d#e", Scheme::Http, "a.test:8080", "/a//b"),
            ("https://[::1]/%41", Scheme::Https, "[::1]:443", "/%41"),
            ("https://a.test?x/y", Scheme::Https, "a.test:443", "/"),
        ] {
            let url = Url::parse(text).expect(text);
            assert_eq!((url.scheme, &*url.authority.to_string(), &*url.path), (scheme, authority, path));
        }
        for (text, wanted) in [
            ("a.test", UrlError::Scheme),
            ("ftp://a.test", UrlError::Scheme),
            ("https:///a", UrlError::Host(HostError::Empty)),
            ("https://u@a.test", UrlError::Host(HostError::UserInfo)),
        ] {
            assert_eq!(Url::parse(text), Err(wanted), "{text}");
        }
    }
}
