//! Heads of messages, between the `http` crate and the WIT.
//!
//! Receives heads from the wire and hands them to the guest without what belongs to a single hop; receives heads from
//! the guest and hands on only what is valid HTTP. Framing is never the guest's: `content-length` is computed here.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use wasmtime::component::Resource;

use super::{
    bindings::egress::handler::http as wit,
    bodies::{Bodies, Held},
};
use crate::{Body, Secret};

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
        .map(|(name, value)| {
            (name.as_str().to_owned(), value.as_bytes().iter().copied().map(char::from).collect())
        })
        .collect()
}

/// The header fields that the guest set. Values that hold one of its secrets are marked, so that they are neither
/// shown by `Debug` nor put in HPACK tables.
pub(super) fn set<'a>(
    fields: Vec<(String, String)>,
    secrets: impl Iterator<Item = &'a Secret> + Clone,
) -> Result<HeaderMap, String> {
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if fields.len() > MAX_FIELDS || bytes > MAX_HEADER_BYTES {
        return Err("too many header fields".to_owned());
    }
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let Ok(parsed) = name.parse::<HeaderName>() else { return Err(format!("bad header name {name:?}")) };
        if is_hidden(&parsed) || parsed == header::CONTENT_LENGTH {
            continue;
        }
        let Some(mut value_bytes) = value_of(&value) else {
            return Err(format!("bad value of header {parsed}"));
        };
        value_bytes.set_sensitive(secrets.clone().any(|secret| holds(&value, secret)));
        headers.append(parsed, value_bytes);
    }
    Ok(headers)
}

/// One byte for each character.
fn value_of(value: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = value.chars().map(|character| u8::try_from(character).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

fn holds(value: &str, secret: &Secret) -> bool {
    !secret.expose().is_empty() && value.contains(secret.expose())
}

/// The payload that the guest sees for a body. A body without any bytes is held too if a length came with it, as in
/// the response to a HEAD request, because the length would be lost otherwise.
pub(super) fn payload(body: Body, headers: &HeaderMap, bodies: &mut Bodies) -> Result<wit::Payload, String> {
    let length = headers.get(header::CONTENT_LENGTH).cloned();
    if length.is_none() && http_body::Body::is_end_stream(&body) {
        return Ok(wit::Payload::Empty);
    }
    let number = bodies.hold(body, length).ok_or("too many bodies")?;
    Ok(wit::Payload::Stream(Resource::<Held>::new_own(number)))
}

/// The body that the guest means, and its `content-length` if that is known.
pub(super) fn body(
    payload: wit::Payload,
    bodies: &mut Bodies,
) -> Result<(Body, Option<HeaderValue>), String> {
    match payload {
        wit::Payload::Empty => Ok((empty(), None)),
        wit::Payload::Bytes(bytes) => {
            let length = HeaderValue::from(bytes.len());
            Ok((Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync(), Some(length)))
        }
        wit::Payload::Stream(held) => bodies.take(held.rep()),
    }
}

/// The response that the guest returned.
pub(super) fn response<'a>(
    response: wit::Response,
    bodies: &mut Bodies,
    secrets: impl Iterator<Item = &'a Secret> + Clone,
) -> Result<Response<Body>, String> {
    let status =
        StatusCode::from_u16(response.status).ok().filter(|status| (200..600).contains(&status.as_u16()));
    let Some(status) = status else { return Err(format!("bad status {}", response.status)) };
    let mut headers = set(response.headers, secrets)?;
    let (mut body, length) = body(response.body, bodies)?;
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        // RFC 9110 sections 15.3.5 and 15.3.6: no content, and no length either.
        body = empty();
    } else {
        headers.extend(length.map(|length| (header::CONTENT_LENGTH, length)));
    }
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests;
