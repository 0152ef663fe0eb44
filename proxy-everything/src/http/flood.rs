//! A gate for floods, on a workload's connection that speaks HTTP/2: receives its bytes, hands them on as they are, and looks at the
//! heads of frames as they pass. Frames that ask for nothing are cheap to send and cost us work, and the HTTP library answers
//! them for ever. So there is a budget for them: so many in a second, and some for each frame with a piece of a response, because
//! who receives much has much to acknowledge. Beyond it, the connection ends (RFC 9113, 10.5).

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Frames that may come in a second without a reason, and at once at the most.
const BUDGET: u32 = 1_000;
/// Of what a frame with a piece of a response is a reason for: the window of its stream, that of the connection, and a PING to measure.
const EARNED: u32 = 3;
/// A request that is taken back costs more than a frame, here and at the upstream: 200 of them in a second, and one more for every
/// two frames of responses.
const RESET_COST: u32 = 5;

/// What the client says before its first frame (RFC 9113, 3.4).
const PREFACE: usize = 24;
/// Kinds of frames (RFC 9113, 6), and a flag of two of them.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
/// RFC 9113, 7.
const ENHANCE_YOUR_CALM: u32 = 11;

/// A connection of the workload.
pub(super) struct Guarded<S> {
    stream: S,
    from_workload: Frames,
    to_workload: Frames,
    budget: Budget,
    /// The last stream that the workload has opened.
    last: u32,
    flooded: Arc<AtomicBool>,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            from_workload: Frames { payload: PREFACE, ..Frames::default() },
            to_workload: Frames::default(),
            budget: Budget { left: BUDGET, since: Instant::now() },
            last: 0,
            flooded: Arc::default(),
        }
    }

    /// True once the connection has ended for a flood.
    pub(super) fn flooded(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flooded)
    }

    /// Whether all that came may pass.
    fn admit(&mut self, mut bytes: &[u8]) -> bool {
        while let Some(frame) = self.from_workload.next(&mut bytes) {
            if frame.kind == HEADERS {
                self.last = self.last.max(frame.stream);
            }
            let cost = frame.cost();
            if cost > 0 && !self.budget.spend(cost, Instant::now()) {
                return false;
            }
        }
        true
    }

    fn written(&mut self, mut bytes: &[u8]) {
        while let Some(frame) = self.to_workload.next(&mut bytes) {
            if matches!(frame.kind, DATA | HEADERS) {
                self.budget.earn();
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    /// Says why, if that is possible between two frames and at once: who floods may not be listening.
    fn end(&mut self, cx: &mut Context<'_>) -> io::Error {
        self.flooded.store(true, Relaxed);
        if self.to_workload.between() {
            let mut goaway = [0; 17];
            let [_, _, length, kind, _, _, _, _, _, payload @ ..] = &mut goaway;
            (*length, *kind) = (8, GOAWAY);
            let (last, code) = payload.split_at_mut(4);
            last.copy_from_slice(&self.last.to_be_bytes());
            code.copy_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
            let mut stream = Pin::new(&mut self.stream);
            if let Poll::Ready(Ok(_)) = stream.as_mut().poll_write(cx, &goaway) {
                let _ = stream.poll_flush(cx);
            }
        }
        io::Error::other("a flood of frames")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(if self.admit(new) { Ok(()) } else { Err(self.end(cx)) })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.stream).poll_write(cx, data))?;
        self.written(data.get(..length).unwrap_or_default());
        Poll::Ready(Ok(length))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, data))?;
        let mut left = length;
        for part in data {
            let part = part.get(..left.min(part.len())).unwrap_or_default();
            self.written(part);
            left -= part.len();
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The head of a frame (RFC 9113, 4.1).
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Frame {
    /// What it takes of the budget. What opens a stream or moves data has limits of its own.
    fn cost(&self) -> u32 {
        match self.kind {
            HEADERS => 0,
            DATA if self.length > 0 || self.flags & END_STREAM != 0 => 0,
            RST_STREAM => RESET_COST,
            _ => 1,
        }
    }
}

/// Finds the heads of frames in bytes that pass, however they are cut.
#[derive(Default)]
struct Frames {
    /// What has come of a head: so many bytes, the last of them at the end.
    head: u128,
    come: u32,
    /// Bytes to pass until the next head.
    payload: usize,
}

impl Frames {
    const HEAD: u32 = 9;

    /// The next frame whose head ends in `bytes`, which begin behind it then.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let passing = self.payload.min(bytes.len());
        bytes.advance(passing);
        self.payload -= passing;
        while self.payload == 0 && bytes.has_remaining() {
            self.head = self.head << 8 | u128::from(bytes.get_u8());
            self.come += 1;
            if self.come == Self::HEAD {
                self.come = 0;
                let [.., a, b, c, kind, flags, s, t, u, v] = std::mem::take(&mut self.head).to_be_bytes();
                self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
                // The first bit of the stream is reserved, and ignored.
                let stream = u32::from_be_bytes([s & 0x7f, t, u, v]);
                return Some(Frame { length: self.payload, kind, flags, stream });
            }
        }
        None
    }

    /// Whether the next byte begins a frame.
    fn between(&self) -> bool {
        self.payload == 0 && self.come == 0
    }
}

struct Budget {
    left: u32,
    since: Instant,
}

impl Budget {
    /// False if there is not enough.
    fn spend(&mut self, cost: u32, now: Instant) -> bool {
        if self.left < cost {
            let earned = now.duration_since(self.since).as_millis() * u128::from(BUDGET) / 1_000;
            self.left = self.left.saturating_add(u32::try_from(earned).unwrap_or(BUDGET)).min(BUDGET);
            self.since = now;
        }
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    fn earn(&mut self) {
        self.left = (self.left + EARNED).min(BUDGET);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut frame = u32::try_from(length).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags, 0x80, 0, 0, 5]);
        frame.extend(vec![0xff; length]);
        frame
    }

    fn guarded() -> Guarded<tokio::io::Empty> {
        let mut guarded = Guarded::new(tokio::io::empty());
        assert!(guarded.admit(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        guarded
    }

    #[test]
    fn a_second_has_a_budget() {
        for (kind, flags, length, may_pass) in [
            (6, 0, 8, 1_000),
            (4, 0, 0, 1_000),
            (2, 0, 5, 1_000),
            (8, 0, 4, 1_000),
            (9, 0, 100, 1_000),
            (99, 7, 100, 1_000),
            (DATA, 0, 0, 1_000),
            (RST_STREAM, 0, 4, 200),
            (HEADERS, 0, 9, usize::MAX),
            (DATA, 0, 1, usize::MAX),
            (DATA, END_STREAM, 0, usize::MAX),
        ] {
            let mut guarded = guarded();
            let bytes = frame(kind, flags, length);
            let passed = (0..2_000).take_while(|_| guarded.admit(&bytes)).count();
            // The clock goes on meanwhile.
            let expected = may_pass.min(2_000);
            assert!(passed >= expected && passed < expected + 500, "{kind} {flags} {length}: {passed}");
        }
    }

    #[test]
    fn the_next_second_has_its_own() {
        let now = Instant::now();
        let mut budget = Budget { left: BUDGET, since: now };
        let mut spent = |at| (0..5_000).take_while(|_| budget.spend(1, at)).count();
        assert_eq!(spent(now), 1_000);
        assert_eq!(spent(now + Duration::from_millis(500)), 500);
        assert_eq!(spent(now + Duration::from_secs(60)), 1_000, "it is not saved up");
    }

    #[test]
    fn who_is_given_much_may_acknowledge_much() {
        let mut guarded = guarded();
        let piece = frame(DATA, 0, 12);
        for _ in 0..10_000 {
            guarded.written(&piece);
            for kind in [8, 8, 6] {
                assert!(guarded.admit(&frame(kind, 0, 4)));
            }
        }
        guarded.written(&frame(6, 1, 8).repeat(10_000));
        assert!((0..2_000).any(|_| !guarded.admit(&frame(6, 0, 8))), "our own PINGs are no reason");
    }

    proptest! {
        #[test]
        fn however_they_are_cut(
            frames in proptest::collection::vec((any::<u8>(), any::<u8>(), 0..600_usize), 0..20),
            cut in 1..40_usize,
        ) {
            let bytes: Vec<u8> =
                frames.iter().flat_map(|(kind, flags, length)| frame(*kind, *flags, *length)).collect();
            let mut walked = Frames::default();
            let mut seen = Vec::new();
            for mut part in bytes.chunks(cut) {
                while let Some(frame) = walked.next(&mut part) {
                    prop_assert_eq!(frame.stream, 5);
                    seen.push((frame.kind, frame.flags, frame.length));
                }
            }
            prop_assert_eq!(seen, frames);
            prop_assert!(walked.between());
        }
    }
}
