//! What folders and buckets have in common: the limits of keys and objects, spans, and bodies that do not stand still. Receives what a
//! handler asks for, hands on what may be asked of a disk or a server.

use std::{io, ops::Range, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, stream};
use handlers::{Body, Span, StoreError};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::timeout;

use super::{refused, unavailable};

/// Longest key or prefix, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// Most keys that one call may delete.
const MAX_KEYS: usize = 1000;
/// Most objects of one page.
pub(super) const MAX_PAGE: usize = 1000;
/// Longest content type.
const MAX_TYPE_BYTES: usize = 255;
/// Largest object.
const MAX_OBJECT_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// How long a body may stand still.
const IDLE: Duration = Duration::from_secs(60);

/// Keys are paths without empty, `.` or `..` parts, so that they can be files and are the same everywhere.
pub(super) fn check_key(key: &str) -> Result<(), StoreError> {
    if key.len() > MAX_KEY_BYTES {
        return Err(refused(format!("a key has {} bytes; the limit is {MAX_KEY_BYTES}", key.len())));
    }
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(refused("a key is empty, or has a part that is empty, . or .."));
    }
    if key.chars().any(char::is_control) {
        return Err(refused("a key has control characters"));
    }
    Ok(())
}

pub(super) fn check_keys(keys: &[String]) -> Result<(), StoreError> {
    if keys.len() > MAX_KEYS {
        return Err(refused(format!("{} keys at once; the limit is {MAX_KEYS}", keys.len())));
    }
    keys.iter().try_for_each(|key| check_key(key))
}

pub(super) fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    if prefix.len() > MAX_KEY_BYTES || prefix.chars().any(char::is_control) {
        return Err(refused("a prefix is too long, or has control characters"));
    }
    Ok(())
}

/// It becomes a header.
pub(super) fn check_type(content_type: Option<&str>) -> Result<(), StoreError> {
    let plain =
        |text: &str| text.len() <= MAX_TYPE_BYTES && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if content_type.is_some_and(|text| text.is_empty() || !plain(text)) {
        return Err(refused("the content type is empty, too long, or not plain text"));
    }
    Ok(())
}

/// The bytes of an object of `size` bytes that a span means; what is behind the end is left out.
pub(super) fn range(span: Option<Span>, size: u64) -> Result<Range<u64>, StoreError> {
    let Some(Span { offset, length }) = span else { return Ok(0..size) };
    if offset > size {
        return Err(refused(format!("the span begins at {offset}; the object has {size} bytes")));
    }
    let end = length.map_or(size, |length| offset.saturating_add(length).min(size));
    Ok(offset..end)
}

/// A body that is being stored.
pub(super) struct Incoming {
    body: Body,
    bytes: u64,
}

impl Incoming {
    pub(super) fn new(body: Body) -> Self {
        Self { body, bytes: 0 }
    }

    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            let frame = timeout(IDLE, self.body.frame()).await;
            let frame = frame.map_err(|_| refused("the body stood still for too long"))?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| refused(format!("the body broke off: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            self.bytes += data.len() as u64;
            if self.bytes > MAX_OBJECT_BYTES {
                return Err(refused(format!("the object has more than {MAX_OBJECT_BYTES} bytes")));
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}

/// The body of an object, from the pieces in which it is read. An object that ends early is an error.
pub(super) fn outgoing<S>(pieces: S, length: u64) -> Body
where
    S: Stream<Item = Result<Bytes, StoreError>> + Send + Unpin + 'static,
{
    let next = |(mut pieces, left): (S, u64)| async move {
        let Some(piece) = timeout(IDLE, stream::StreamExt::next(&mut pieces))
            .await
            .unwrap_or_else(|_| Some(Err(unavailable("the object stood still for too long"))))
        else {
            return if left == 0 {
                Ok(None)
            } else {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
            };
        };
        let piece = piece?;
        let left = left.saturating_sub(piece.len() as u64);
        Ok(Some((Frame::data(piece), (pieces, left))))
    };
    StreamBody::new(stream::try_unfold((pieces, length), next)).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_no_store_takes() {
        for key in ["a", "a/b", "a b", "%2e%2e", "...", ".a/b..", "ä/ö", "a:b", "a\\b", "-", "~"] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        let long = "a".repeat(MAX_KEY_BYTES + 1);
        for key in
            ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\n", "\0", "a\u{85}", &long]
        {
            assert!(check_key(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn spans_end_where_the_object_ends() {
        let span = |offset, length| Some(Span { offset, length });
        for (span, size, expected) in [
            (None, 10, Some(0..10)),
            (span(3, None), 10, Some(3..10)),
            (span(3, Some(2)), 10, Some(3..5)),
            (span(3, Some(0)), 10, Some(3..3)),
            (span(3, Some(u64::MAX)), 10, Some(3..10)),
            (span(10, None), 10, Some(10..10)),
            (span(11, None), 10, None),
            (span(0, Some(5)), 0, Some(0..0)),
        ] {
            assert_eq!(range(span, size).ok(), expected, "{span:?} of {size}");
        }
    }

    #[test]
    fn content_types_are_plain_text() {
        for (text, right) in
            [("text/plain; charset=utf-8", true), ("", false), ("a\r\nb: c", false), ("ä", false)]
        {
            assert_eq!(check_type(Some(text)).is_ok(), right, "{text:?}");
        }
    }

    #[tokio::test]
    async fn an_object_that_ends_early_is_an_error() {
        let pieces = || stream::iter([Ok(Bytes::from_static(b"abc"))]);
        assert_eq!(outgoing(pieces(), 3).collect().await.unwrap().to_bytes(), "abc");
        assert!(outgoing(pieces(), 4).collect().await.is_err());
    }
}
