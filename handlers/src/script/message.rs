//! Heads of messages, between the `http` crate and the WIT.
//!
//! Receives heads from the wire and hands them to the guest without what belongs to a single hop; receives heads from
//! the guest and hands on only what is valid HTTP. Framing is never the guest's: `content-length` is computed here.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use wasmtime::component::Resource;

use super::{
    bindings::egress::handler::types as wit,
    bodies::{Bodies, Held, Whole},
};
use crate::{Body, Secret, Secrets, Upgrade, full};

/// Header fields of one message from a guest.
const MAX_FIELDS: usize = 256;

/// Bytes of the names and values of one message from a guest.
const MAX_HEADER_BYTES: usize = 128 << 10;

/// What a guest neither sees nor sets: fields of one hop (RFC 9110 section 7.6.1) and the authority, which is in the
/// URI. `expect` is here because the proxy answers it itself.
fn is_hidden(name: &HeaderName) -> bool {
    const OTHERS: [&str; 3] = ["http2-settings", "keep-alive", "proxy-connection"];
    matches!(
        *name,
        header::CONNECTION
            | header::EXPECT
            | header::HOST
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::UPGRADE
    ) || OTHERS.contains(&name.as_str())
}

/// Whether a filter must leave this field alone: the host needs it to send the message.
pub(super) fn is_ours(name: &HeaderName) -> bool {
    is_hidden(name) || *name == header::CONTENT_LENGTH
}

/// The header fields that the guest sees.
pub(super) fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    headers
        .iter()
        .filter(|(name, _)| !is_hidden(name) && !named.contains(name))
        .map(|(name, value)| (name.as_str().to_owned(), latin1(value)))
        .collect()
}

/// The header fields that the guest set. Values that hold one of its secrets are marked, so that they are neither
/// shown by `Debug` nor put in HPACK tables.
pub(super) fn set(fields: Vec<(String, String)>, secrets: &Secrets) -> Result<HeaderMap, String> {
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if fields.len() > MAX_FIELDS || bytes > MAX_HEADER_BYTES {
        return Err("too many header fields".to_owned());
    }
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let Ok(parsed) = name.parse::<HeaderName>() else { return Err(format!("bad header name `{name}`")) };
        if is_ours(&parsed) {
            continue;
        }
        let Some(mut value_bytes) = value_of(&value) else {
            return Err(format!("bad value of header {parsed}"));
        };
        value_bytes.set_sensitive(secrets.iter().any(|(_, secret)| holds(&value, secret)));
        headers.append(parsed, value_bytes);
    }
    Ok(headers)
}

/// Takes out what a guest does not set, of a head that is not of our contract.
pub(super) fn clean(headers: &mut HeaderMap) {
    let hidden: Vec<HeaderName> = headers.keys().filter(|name| is_hidden(name)).cloned().collect();
    for name in hidden {
        headers.remove(name);
    }
}

/// A character for each byte.
fn latin1(value: &HeaderValue) -> String {
    match value.to_str() {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// One byte for each character.
fn value_of(value: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = value.chars().map(|character| u8::try_from(character).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

fn holds(value: &str, secret: &Secret) -> bool {
    !secret.expose().is_empty() && value.contains(secret.expose())
}

/// The header fields of a request, with the protocol that it wants to upgrade to.
pub(super) fn asked(headers: &HeaderMap, extensions: &Extensions) -> Vec<(String, String)> {
    let mut fields = shown(headers);
    let upgrade = extensions.get::<Upgrade>();
    fields.extend(upgrade.map(|upgrade| ("upgrade".to_owned(), latin1(&upgrade.0))));
    fields
}

/// What the guest is called with.
pub(super) fn request(request: Request<Body>, bodies: &mut Bodies) -> Result<wit::Request, String> {
    let (head, body) = request.into_parts();
    let length = head.headers.get(header::CONTENT_LENGTH).cloned();
    Ok(wit::Request {
        method: head.method.as_str().to_owned(),
        scheme: head.uri.scheme_str().unwrap_or_default().to_owned(),
        authority: head.uri.authority().map_or_else(String::new, ToString::to_string),
        path: head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        headers: asked(&head.headers, &head.extensions),
        body: payload(Whole { body, length, upgrade: None }, bodies)?,
    })
}

/// What the guest fetched.
pub(super) fn fetched(response: Response<Body>, bodies: &mut Bodies) -> Result<wit::Response, String> {
    let (head, body) = response.into_parts();
    let length = head.headers.get(header::CONTENT_LENGTH).cloned();
    let upgrade = (head.status == StatusCode::SWITCHING_PROTOCOLS).then_some(head.extensions);
    let body = payload(Whole { body, length, upgrade }, bodies)?;
    Ok(wit::Response { status: head.status.as_u16(), headers: shown(&head.headers), body })
}

/// The payload that the guest sees for a body. A body without any bytes is held too if a length came with it, as in
/// the response to a HEAD request, because the length would be lost otherwise.
fn payload(whole: Whole, bodies: &mut Bodies) -> Result<wit::Payload, String> {
    if whole.length.is_none() && whole.upgrade.is_none() && http_body::Body::is_end_stream(&whole.body) {
        return Ok(wit::Payload::Empty);
    }
    let number = bodies.hold(whole).ok_or("too many bodies")?;
    Ok(wit::Payload::Stream(Resource::<Held>::new_own(number)))
}

/// The body that the guest means.
pub(super) fn body(payload: wit::Payload, bodies: &mut Bodies) -> Result<Whole, String> {
    match payload {
        wit::Payload::Empty => Ok(empty().into()),
        wit::Payload::Bytes(bytes) => Ok(made(bytes)),
        wit::Payload::Stream(held) => bodies.take(held.rep()),
    }
}

/// A body that the guest made.
pub(super) fn made(bytes: Vec<u8>) -> Whole {
    let length = Some(HeaderValue::from(bytes.len()));
    Whole { body: full(bytes), length, upgrade: None }
}

/// The response that the guest returned.
pub(super) fn response(
    response: wit::Response,
    bodies: &mut Bodies,
    secrets: &Secrets,
) -> Result<Response<Body>, String> {
    answer(response.status, response.headers, body(response.body, bodies)?, secrets)
}

/// A response of these parts.
pub(super) fn answer(
    status: u16,
    headers: Vec<(String, String)>,
    whole: Whole,
    secrets: &Secrets,
) -> Result<Response<Body>, String> {
    let upgraded = status == 101 && whole.upgrade.is_some();
    let valid = StatusCode::from_u16(status).ok().filter(|_| upgraded || (200..600).contains(&status));
    let Some(status) = valid else { return Err(format!("bad status {status}")) };
    let Whole { mut body, length, upgrade } = whole;
    let mut headers = set(headers, secrets)?;
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        // RFC 9110 sections 15.3.5 and 15.3.6: no content, and no length either.
        body = empty();
    } else {
        headers.extend(length.map(|length| (header::CONTENT_LENGTH, length)));
    }
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    *answer.extensions_mut() = upgrade.filter(|_| upgraded).unwrap_or_default();
    Ok(answer)
}

pub(super) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests;
