//! Questions to servers that hand out secrets. Receives a request, hands on the JSON of the answer, or what is wrong without any of it:
//! servers repeat in their errors what they were sent. Requests go to verified servers only, but for those on this machine.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use rustls::RootCertStore;
use serde_json::Value as Json;
use zeroize::Zeroizing;

use crate::verified::{self, Verified};

/// Largest answer, in bytes.
const MAX_ANSWER: usize = 256 * 1024;
/// Longest code of an error that is believed to be one.
const MAX_CODE: usize = 64;
const AGENT: &str = concat!("proxy-everything/", env!("CARGO_PKG_VERSION"));

/// Asks servers.
#[derive(Clone, Debug)]
pub(super) struct Http(Verified<Full<Bytes>>);

/// What a server said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Null if it was no JSON.
    pub(super) json: Json,
}

impl Http {
    pub(super) fn new(roots: &Arc<RootCertStore>) -> Self {
        Self(verified::client(roots))
    }

    /// A request to `url`, without a body yet.
    pub(super) fn request(method: Method, url: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(url)
            .header(header::USER_AGENT, AGENT)
            .header(header::ACCEPT, "application/json")
    }

    /// Sends it. Whoever waits sees to the deadline.
    pub(super) async fn ask(&self, request: http::Result<Request<Full<Bytes>>>) -> Result<Answer, String> {
        let request = request.map_err(|_| "the request to the server cannot be made of these settings")?;
        let at = place(request.uri());
        let response = self.0.request(request).await.map_err(|error| {
            let what = if error.is_connect() { "no connection to" } else { "no answer from" };
            format!("{what} {at}{}", cause(&error))
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|_| format!("the answer of {at} broke off, or is too long"))?.to_bytes();
        Ok(Answer { status: head.status, json: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

impl Answer {
    /// The answer, if the server did what it was asked.
    pub(super) fn success(self) -> Result<Json, String> {
        if self.status.is_success() && self.json.is_object() {
            return Ok(self.json);
        }
        let code = self.json.get("error").and_then(Json::as_str).filter(|code| is_code(code));
        let said = code.map(|code| format!(": {code}")).unwrap_or_default();
        if self.status.is_success() {
            return Err("the server's answer is no JSON object".to_owned());
        }
        Err(format!("the server answered {}{said}", self.status.as_u16()))
    }
}

/// A header that is logged nowhere.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A text of an answer, taken out of it.
pub(super) fn taken(json: &mut Json, name: &str) -> Option<Zeroizing<String>> {
    match json.get_mut(name).map(Json::take) {
        Some(Json::String(text)) if !text.is_empty() => Some(Zeroizing::new(text)),
        _ => None,
    }
}

/// A number of seconds; some servers write it as a text.
pub(super) fn seconds(json: &Json, name: &str) -> Option<u64> {
    let value = json.get(name)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Of an OAuth error (RFC 6749, section 5.2): a word, and nothing that was sent.
fn is_code(text: &str) -> bool {
    text.len() <= MAX_CODE && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn place(uri: &Uri) -> String {
    uri.authority().map(ToString::to_string).unwrap_or_default()
}

/// What TLS or the system say of a connection that was not made: nothing of what would have been sent.
fn cause(error: &hyper_util::client::legacy::Error) -> String {
    if !error.is_connect() {
        return String::new();
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    format!(": {last}")
}
