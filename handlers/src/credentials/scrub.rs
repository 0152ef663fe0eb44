//! The values of secrets, and what else software makes of them, taken out of responses.
//!
//! Receives the secrets that are in play in an exchange, its request and its response; hands on a request whose response can be read, and
//! the response with `*` for each byte of a secret, in header values, body and trailers, so that no length changes. A body with a content coding is
//! handed on without it. One that cannot be read is an error.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::BytesMut;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, TRANSFER_ENCODING},
};
use http_body::Body as _;
use http_body_util::BodyExt;
use zeroize::Zeroizing;

use super::{
    coding::{CodingError, Decoder},
    forms::forms,
    replace::{Patterns, sure},
    rewrite::{Rewritten, Work},
};
use crate::{Body, Secret};

/// In bytes. Less than that is found by chance.
const MIN_VALUE: usize = 8;

/// What servers may be asked for. They may send `zstd` as well, but our decoder gives away its content late.
const ASKED_FOR: [&str; 5] = ["gzip", "x-gzip", "deflate", "br", "identity"];

/// What asks for a part of the content, for what changed of it (RFC 3229), or for compressed messages in it (gRPC): none of that can be read.
const PARTS: [&str; 4] = ["range", "if-range", "a-im", "grpc-accept-encoding"];

/// Checks of the body as it was on the wire.
const DIGESTS: [&str; 4] = ["content-digest", "content-md5", "digest", "repr-digest"];

/// Takes the values of some secrets out of responses. Making one costs some 50 microseconds for each secret: keep it while their values are the
/// same.
pub struct Scrubber {
    patterns: Arc<Patterns>,
    /// Whose each of them is, as a place in `secrets`.
    owners: Vec<usize>,
    /// Those that fit into a header's name, in lower case as HTTP has those.
    names: Patterns,
    secrets: Vec<Arc<str>>,
    mask: u8,
}

/// How often a secret was in a response: among its extensions, counted up while the body passes.
#[derive(Clone)]
pub struct Found(Arc<Counts>);

struct Counts {
    scrubber: Arc<Scrubber>,
    each: Vec<AtomicU64>,
}

impl Found {
    /// The names of the secrets that were found so far, each with how often.
    pub fn counts(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        let each = self.0.each.iter().map(|count| count.load(Relaxed));
        self.0.scrubber.secrets.iter().zip(each).filter(|(_, count)| *count > 0)
    }
}

impl Scrubber {
    /// For these secrets, each with its name. One whose value is shorter than 8 bytes is not looked for.
    pub fn new(secrets: &[(Arc<str>, &Secret)]) -> Self {
        let looked_for =
            secrets.iter().enumerate().filter(|(_, (_, secret))| secret.expose().len() >= MIN_VALUE);
        let all: Vec<_> = looked_for
            .flat_map(|(owner, (_, secret))| {
                forms(secret.expose()).into_iter().map(move |form| (form, owner))
            })
            .collect();
        let names = all.iter().filter(|(form, _)| HeaderName::from_bytes(form).is_ok());
        let names = Patterns::new(names.map(|(form, _)| Zeroizing::new(form.to_ascii_lowercase())));
        let (patterns, owners): (Vec<_>, _) = all.into_iter().unzip();
        let patterns = Arc::new(Patterns::new(patterns));
        // What is put must not become part of another match.
        let mask = b"*._-~!|:".iter().copied().find(|byte| patterns.lacks(*byte)).unwrap_or(b'*');
        let secrets = secrets.iter().map(|(name, _)| Arc::clone(name)).collect();
        Self { patterns, owners, names, secrets, mask }
    }

    /// Whether there is nothing to look for: requests and responses are left as they are.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Makes a request ask for what can be read: the whole body, in codings that are known here.
    pub fn request(&self, headers: &mut HeaderMap) {
        if self.is_empty() {
            return;
        }
        for part in PARTS {
            headers.remove(part);
        }
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let known: Vec<&str> = values
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|one| is_asked_for(one))
            .collect();
        let narrowed = HeaderValue::from_str(&known.join(", ")).ok().filter(|value| !value.is_empty());
        headers.insert(ACCEPT_ENCODING, narrowed.unwrap_or(HeaderValue::from_static("identity")));
    }

    /// Takes the secrets out of a response. What was found is counted in its extension [`Found`].
    pub fn response(self: &Arc<Self>, response: Response<Body>) -> Result<Response<Body>, CodingError> {
        if self.is_empty() {
            return Ok(response);
        }
        let found = self.found();
        let (mut head, body) = response.into_parts();
        let has_none = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let has_content = !(has_none || head.status.is_informational() || body.is_end_stream());
        let decoder = if has_content { Decoder::new(&head.headers)? } else { None };
        if decoder.is_some() {
            if head.headers.contains_key(CONTENT_RANGE) {
                return Err(CodingError::Part);
            }
            without_coding(&mut head.headers);
        }
        found.headers(&mut head.headers);
        head.extensions.insert(found.clone());
        let body = match has_content {
            true => Rewritten::new(body, decoder, Work::Scrub(found)).boxed_unsync(),
            false => body,
        };
        Ok(Response::from_parts(head, body))
    }

    /// Nothing found yet.
    pub(super) fn found(self: &Arc<Self>) -> Found {
        Found(Arc::new(Counts {
            scrubber: Arc::clone(self),
            each: self.secrets.iter().map(|_| AtomicU64::new(0)).collect(),
        }))
    }
}

impl Found {
    pub(super) fn patterns(&self) -> Arc<Patterns> {
        Arc::clone(&self.0.scrubber.patterns)
    }

    /// Puts the mask in the place of a match.
    pub(super) fn mask(&self, number: usize, text: &[u8], out: &mut BytesMut) -> Result<(), Infallible> {
        let owner = self.0.scrubber.owners.get(number);
        if let Some(count) = owner.and_then(|owner| self.0.each.get(*owner)) {
            count.fetch_add(1, Relaxed);
        }
        out.resize(out.len() + text.len(), self.0.scrubber.mask);
        Ok(())
    }

    /// Takes the secrets out of headers.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        let scrubber = &self.0.scrubber;
        let tells = |name: &HeaderName| scrubber.names.matches(name.as_str().as_bytes()).next().is_some();
        let named: Vec<HeaderName> = headers.keys().filter(|name| tells(name)).cloned().collect();
        for name in named {
            headers.remove(name);
        }
        // A message's own framing is not text of the server.
        let is_framing = |name: &HeaderName| *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING;
        for (_, value) in headers.iter_mut().filter(|(name, _)| !is_framing(name)) {
            let masked = scrubber
                .patterns
                .replaced(value.as_bytes(), |number, text, out| self.mask(number, text, out));
            if let Some(clean) = sure(masked) {
                *value =
                    HeaderValue::from_maybe_shared(clean.freeze()).unwrap_or(HeaderValue::from_static(""));
            }
        }
    }
}

/// Whether a member of `Accept-Encoding` names something that is known here and does not refuse it.
fn is_asked_for(member: &str) -> bool {
    let (coding, weight) = member.split_once(';').unwrap_or((member, ""));
    let refused =
        weight.trim().strip_prefix("q=").is_some_and(|weight| weight.trim_matches(['0', '.']).is_empty());
    !refused && ASKED_FOR.iter().any(|one| coding.trim().eq_ignore_ascii_case(one))
}

/// The head of a body whose coding was undone.
fn without_coding(headers: &mut HeaderMap) {
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    for digest in DIGESTS {
        headers.remove(digest);
    }
    // It is the same content, but other bytes (RFC 9110, 8.8.1).
    let strong = headers.get(ETAG).filter(|etag| !etag.as_bytes().starts_with(b"W/"));
    let weak = strong.and_then(|etag| HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat()).ok());
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests;
