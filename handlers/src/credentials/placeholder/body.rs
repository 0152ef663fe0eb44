//! Placeholders in the body of a request.
//!
//! Receives the head and the body; hands on a body with the values in it. Most servers want to know how long a body is: a short one is
//! read first and has its right length, a longer one keeps its length if the values are as long as their placeholders, and has none if not.

use bytes::BytesMut;
use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
    request::Parts,
};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};

use super::{Arc, Bound, MAX_IN_BODY, Place, Spelling, Swap, SwapError};
use crate::{
    Body,
    credentials::rewrite::{Rewritten, Work},
};

/// A body that says it has up to this many bytes is read before anything is sent.
const SHORT: u64 = 64 * 1024;

impl Bound {
    /// Swaps the placeholders in a body. One with a content coding is not looked into. If the body is a short one, a stray is found before anything was
    /// sent; if not, the body ends with the [`SwapError`], and nothing of the placeholder was handed on.
    pub async fn body(self: &Arc<Self>, head: &mut Parts, body: Body) -> Result<Body, SwapError> {
        if self.placeholders.is_empty() || body.is_end_stream() || head.headers.contains_key(CONTENT_ENCODING)
        {
            return Ok(body);
        }
        let mut swap = Swap::new(self, Place::Body, spelling(&head.headers), MAX_IN_BODY);
        swap.keeps_length = swap.is_as_long();
        if length(&head.headers, &body).is_some_and(|length| length <= SHORT) {
            return short(swap, head, body).await;
        }
        if !swap.keeps_length {
            head.headers.remove(CONTENT_LENGTH);
        }
        Ok(Rewritten::new(body, None, Work::Swap(swap)).boxed_unsync())
    }
}

async fn short(mut swap: Swap, head: &mut Parts, mut body: Body) -> Result<Body, SwapError> {
    let (mut text, mut trailers) = (BytesMut::new(), None);
    while let Some(frame) = body.frame().await.transpose().map_err(SwapError::Body)? {
        match frame.into_data() {
            Ok(data) => text.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        if text.len() as u64 > SHORT {
            return Err(SwapError::Body("it is longer than it says".into()));
        }
    }
    let patterns = swap.patterns();
    let text = patterns.replaced(&text, |number, text, out| swap.put(number, text, out))?.unwrap_or(text);
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    let whole = Full::new(text.freeze()).map_err(|error| match error {});
    Ok(match trailers {
        Some(trailers) => whole.with_trailers(std::future::ready(Some(Ok(trailers)))).boxed_unsync(),
        None => whole.boxed_unsync(),
    })
}

/// What the head or the body says.
fn length(headers: &HeaderMap, body: &Body) -> Option<u64> {
    let said = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    body.size_hint().exact().or(said)
}

fn spelling(headers: &HeaderMap) -> Spelling {
    let full = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = full.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/x-www-form-urlencoded" => Spelling::Percent,
        "application/json" | "text/json" | "application/x-ndjson" | "application/jsonl" => Spelling::Json,
        kind if kind.ends_with("+json") => Spelling::Json,
        _ => Spelling::Plain,
    }
}
