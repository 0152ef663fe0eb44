//! The built-in handler that adds headers and parameters of the query, usually credentials.
//!
//! Receives the head of a request and changes it in place: whatever the workload itself sent under an injected name
//! goes first. A header's name is also taken for the same when it differs only by `_` for `-`, because servers behind CGI
//! cannot tell the two apart and would join or prefer the workload's value. Values are made for each request, of the values
//! that the secrets have then.

mod query;
mod value;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Request, Uri, header::Entry, uri::PathAndQuery};

pub use self::value::{Part, Template, Value};
use crate::{
    Body, HandlerError, Secrets,
    uses::{Place, Style, Use},
};

/// Sets headers and parameters of the query, and removes the workload's own of those names.
#[derive(Debug, Clone, Default)]
pub struct Inject {
    /// Each name once, in lower case, with what is sent under it.
    pub headers: Vec<(HeaderName, Value)>,
    /// Each name once, with what is sent under it.
    pub query: Vec<(String, Template)>,
}

impl Inject {
    /// The secrets that it sends, and where.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (name, value) in &self.headers {
            let place = Place::Header(name.clone());
            let of = |secret: &Arc<str>| Use::new(secret, value.style(), place.clone());
            uses.extend(value.secrets().into_iter().map(of));
        }
        for (name, value) in &self.query {
            let place = Place::Query(name.as_str().into());
            uses.extend(value.secrets().map(|secret| Use::new(secret, Style::Query, place.clone())));
        }
        uses
    }

    /// Changes the head, or says which secret is missing or cannot stand where it should.
    pub(crate) fn apply(&self, request: &mut Request<Body>, secrets: &Secrets) -> Result<(), HandlerError> {
        let headers = request.headers_mut();
        self.remove_own(headers);
        for (name, value) in &self.headers {
            headers.append(name, value.made(secrets)?);
        }
        if self.query.is_empty() { Ok(()) } else { self.set_query(request.uri_mut(), secrets) }
    }

    fn set_query(&self, uri: &mut Uri, secrets: &Secrets) -> Result<(), HandlerError> {
        let mut changed =
            query::without(uri, |name| self.query.iter().any(|(ours, _)| ours.eq_ignore_ascii_case(name)));
        for (name, value) in &self.query {
            query::append(&mut changed, name, &value.made(secrets)?);
        }
        let mut parts = std::mem::take(uri).into_parts();
        let changed = PathAndQuery::from_maybe_shared(changed);
        parts.path_and_query = Some(changed.map_err(|_| HandlerError::BadSecret("the query"))?);
        *uri = Uri::from_parts(parts).map_err(|_| HandlerError::BadSecret("the query"))?;
        Ok(())
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
mod tests;
