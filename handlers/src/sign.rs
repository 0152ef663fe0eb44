//! Signing requests: credentials that never travel, only what was made with them.
//!
//! Receives the head and the body of a request as it is about to leave, and the secrets of its exchange; hands on the body to send,
//! with the head changed in place. What is signed is what goes out: paths and queries are put into the form that the signature
//! covers. The workload's own signature is taken off first, whether it was made with false keys or with none.
//! The clock is an argument, and whoever calls bounds the time that reading a body may take.

mod aws;
mod body;
mod error;
mod hmac;

pub use aws::Aws;
pub use error::SignError;
pub use hmac::{Digest, Encoding, Hmac, Part};

use http::{HeaderMap, HeaderName, Uri, header::Entry, uri::Scheme};

/// Takes off all headers of this name, also those that differ by `_` for `-`, which servers behind CGI cannot tell apart.
fn remove(headers: &mut HeaderMap, name: &str) {
    let same = |other: &HeaderName| other.as_str().replace('_', "-") == name.replace('_', "-");
    let found: Vec<HeaderName> = headers.keys().filter(|other| same(other)).cloned().collect();
    for name in found {
        if let Entry::Occupied(entry) = headers.entry(name) {
            entry.remove_entry_mult();
        }
    }
}

/// The host as the server is told it: with its port, unless that is the scheme's own.
fn host(uri: &Uri) -> Result<String, SignError> {
    let host = uri.host().ok_or(SignError::Malformed("it goes to no host"))?;
    let usual = if uri.scheme() == Some(&Scheme::HTTP) { 80 } else { 443 };
    Ok(match uri.port_u16() {
        Some(port) if port != usual => format!("{host}:{port}"),
        _ => host.to_owned(),
    })
}

#[cfg(test)]
mod tests;
