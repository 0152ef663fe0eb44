//! The bodies that an origin sends.
//!
//! A streamed body is a fixed pattern of any length, made while it is sent, so that gigabytes cost no memory and both
//! ends can say what its hash must be.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};

/// Any body that an origin sends.
pub(super) type Reply = UnsyncBoxBody<Bytes, Infallible>;

/// A prime, so that no block of the usual sizes repeats at its own length.
const PERIOD: usize = 1_048_573;
const CHUNK: usize = 64 * 1024;
const EVENT: Duration = Duration::from_millis(20);

/// `hello in gzip` and the end of the line, as `gzip -n` writes it.
pub(super) const GZIP: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcbH\xcd\xc9\xc9W\xc8\xccSH\xaf\xca,\xe0\x02\0A{\x95\x1c\x0e\0\0\0";

static PATTERN: LazyLock<Bytes> = LazyLock::new(|| {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..PERIOD).map(|_| next()).collect()
});

/// A short body.
pub(super) fn text(text: impl Into<Bytes>) -> Reply {
    Full::new(text.into()).boxed_unsync()
}

/// A body of `length` bytes of the pattern.
pub(super) fn pattern(length: u64) -> Reply {
    Pattern { at: 0, left: length }.boxed_unsync()
}

/// An event every few milliseconds, and never an end.
pub(super) fn events() -> Reply {
    Events(tokio::time::interval(EVENT)).boxed_unsync()
}

/// A line, and another one once `name` is among the names.
pub(super) fn parts(mut names: watch::Receiver<BTreeSet<String>>, name: String) -> Reply {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        sender.send(Bytes::from_static(b"one\n")).await?;
        let _ = names.wait_for(|names| names.contains(&name)).await;
        sender.send(Bytes::from_static(b"two\n")).await
    });
    Parts(receiver).boxed_unsync()
}

/// The hash, in hex, of the first `length` bytes of the pattern.
pub fn pattern_sha256(length: u64) -> String {
    let mut hash = Sha256::new();
    let mut body = Pattern { at: 0, left: length };
    while let Some(chunk) = body.next() {
        hash.update(&chunk);
    }
    format!("{:x}", hash.finalize())
}

struct Pattern {
    at: usize,
    left: u64,
}

impl Pattern {
    fn next(&mut self) -> Option<Bytes> {
        let length = CHUNK.min(PERIOD - self.at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if length == 0 {
            return None;
        }
        let chunk = PATTERN.slice(self.at..self.at + length);
        self.at = (self.at + length) % PERIOD;
        self.left -= length as u64;
        Some(chunk)
    }
}

struct Events(tokio::time::Interval);

struct Parts(mpsc::Receiver<Bytes>);

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.0.poll_tick(context));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data: tick\n\n")))))
    }
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
