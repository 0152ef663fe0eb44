//! The text of a request that its signature covers.
//!
//! Receives a head whose path and query are in their final form; hands on the names of the headers that are signed and the
//! hash of the whole.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use http::HeaderMap;

/// Headers that belong to one connection, or that something between here and the server may still change. All others are signed.
const UNSIGNED: [&str; 20] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "if-range",
    "keep-alive",
    "max-forwards",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-forwarded-for",
];

/// Headers as they are signed, by their names.
pub(super) type Headers = BTreeMap<String, Vec<u8>>;

/// The headers to sign, with the host that the request goes to.
pub(super) fn headers(sent: &HeaderMap, host: &str) -> Headers {
    let mut signed = chosen(sent, |name| !UNSIGNED.contains(&name));
    signed.insert(String::from("host"), host.into());
    signed
}

/// Several values of one name are one, and runs of blanks are one blank.
pub(super) fn chosen(sent: &HeaderMap, choose: impl Fn(&str) -> bool) -> Headers {
    let mut all = Headers::new();
    for (name, value) in sent.iter().filter(|(name, _)| choose(name.as_str())) {
        let words = value.as_bytes().split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let text = words.collect::<Vec<_>>().join(&b' ');
        all.entry(name.as_str().to_owned())
            .and_modify(|before| {
                before.push(b',');
                before.extend_from_slice(&text);
            })
            .or_insert(text);
    }
    all
}

/// The names, as the signature lists them.
pub(super) fn names(headers: &Headers) -> String {
    headers.keys().map(String::as_str).collect::<Vec<_>>().join(";")
}

/// The request as one text.
pub(super) fn text(method: &str, path: &str, query: &str, headers: &Headers, payload: &str) -> Vec<u8> {
    let mut text = format!("{method}\n{path}\n{query}\n").into_bytes();
    for (name, value) in headers {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    text.extend_from_slice(format!("\n{}\n{payload}", names(headers)).as_bytes());
    text
}

/// The SHA-256 of something, in hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}
