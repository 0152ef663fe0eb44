//! The gate between a workload's HTTP/1 connection and the HTTP library: receives the bytes of the stream, hands on those that `strict`
//! let pass, in the buffer that they were read into. Only a head that comes in pieces is held back until it is whole, and what follows
//! a request that may switch protocols until it is known whether it does. A bad head is replaced by a request that no client can send,
//! so that the library asks for its answer in its turn; nothing behind it is read.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::sleep,
};

use super::strict::{Fault, Then, Walked, Walker};

/// Stands for a bad head: `*` belongs to OPTIONS alone, so no head that passed looks like it.
const BAD: &[u8] = b"GET * HTTP/1.1\r\nconnection: close\r\n\r\n";
/// What is still read behind a bad head, in bytes, and thrown away: a client that sends on would fail before it sees its answer.
const THROWN_AWAY: usize = 256 * 1024;

/// What the two sides of the HTTP library tell each other about one connection, by the number of a request on it.
#[derive(Debug, Default)]
pub struct Gate {
    /// The request that one of them waits for the other with; 0 is none.
    about: AtomicU64,
    state: Mutex<State>,
    writing: Writing,
    /// The connection ends in order, though the HTTP library takes it for an error.
    in_order: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    switched: Option<bool>,
    reader: Option<Waker>,
}

impl Gate {
    /// What is wrong with the head of request `number`, if anything is.
    pub fn fault(&self, number: u64) -> Option<Fault> {
        if self.about.load(SeqCst) == number { self.lock().fault } else { None }
    }

    /// Request `number` has its answer, after which the connection has `switched` or not.
    pub fn answered(&self, number: u64, switched: bool) {
        if self.about.load(SeqCst) != number {
            return;
        }
        let mut state = self.lock();
        state.switched = Some(switched);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// Returns once nothing of what is to be sent has gone for `limit`, or up to twice as long.
    pub async fn stuck(&self, limit: Duration) {
        loop {
            self.writing.blocked.notified().await;
            let mut seen = self.writing.steps.load(Relaxed);
            // Odd while it waits.
            while seen % 2 == 1 {
                sleep(limit).await;
                let now = self.writing.steps.load(Relaxed);
                if now == seen {
                    return;
                }
                seen = now;
            }
        }
    }

    /// The connection is about to be dropped, and nothing is wrong with that.
    pub fn ends_in_order(&self) {
        self.in_order.store(true, SeqCst);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How sending goes on.
#[derive(Debug, Default)]
struct Writing {
    /// Grows when it begins to wait, and when it has done so.
    steps: AtomicU64,
    blocked: Notify,
}

impl Writing {
    fn tried<T>(&self, result: Poll<T>) -> Poll<T> {
        let waited = self.steps.load(Relaxed) % 2 == 1;
        if waited != result.is_pending() {
            self.steps.fetch_add(1, Relaxed);
            if !waited {
                self.blocked.notify_one();
            }
        }
        result
    }
}

/// A workload's stream, as far as it is HTTP/1.1.
pub struct Gated<S: AsyncWrite + Unpin> {
    stream: S,
    gate: Arc<Gate>,
    walker: Walker,
    way: Way,
    /// What was read and not handed on.
    held: BytesMut,
    /// So much of it may be.
    clear: usize,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Requests come.
    Requests,
    /// What comes may be no request.
    Undecided,
    /// No longer HTTP.
    Switched,
    /// The body of a request is broken.
    Broken(Fault),
    /// A bad head has come; so much is still read.
    Over(usize),
}

impl<S: AsyncWrite + Unpin> Gated<S> {
    /// Whoever answers its requests has the other end of `gate`.
    pub fn new(stream: S, gate: Arc<Gate>) -> Self {
        Self { stream, gate, walker: Walker::default(), way: Way::Requests, held: BytesMut::new(), clear: 0 }
    }

    /// The stream itself.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// What is handed on of what was judged last, which ends with the held bytes from `clear` on.
    fn judged(&mut self, walked: Walked) {
        match walked.then {
            Then::More => {}
            Then::Switch => {
                self.way = Way::Undecided;
                *self.gate.lock() = State::default();
                self.gate.about.store(self.walker.requests(), SeqCst);
            }
            Then::NoBody(fault) => {
                self.held.truncate(self.clear);
                self.way = Way::Broken(fault);
            }
            Then::NoHead(fault) => {
                self.held.truncate(self.clear);
                self.held.extend_from_slice(BAD);
                self.clear = self.held.len();
                self.way = Way::Over(THROWN_AWAY);
                *self.gate.lock() = State { fault: Some(fault), ..State::default() };
                self.gate.about.store(self.walker.requests() + 1, SeqCst);
            }
        }
    }

    fn judge_held(&mut self) {
        let walked = self.walker.walk(self.held.get(self.clear..).unwrap_or_default());
        self.clear += walked.passed;
        self.judged(walked);
    }

    /// Hands on what may be of what is held.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.clear.min(buffer.remaining());
        buffer.put_slice(&self.held.split_to(length));
        self.clear -= length;
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gated<S> {
    /// Reads once, and says whether there is something for the caller, the end of the stream included.
    fn poll_requests(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        if new.is_empty() {
            // An unfinished head says by itself that it is none.
            self.clear = self.held.len();
            return Poll::Ready(Ok(self.held.is_empty()));
        }
        if !self.held.is_empty() {
            self.held.extend_from_slice(new);
            buffer.set_filled(before);
            self.judge_held();
            return Poll::Ready(Ok(false));
        }
        let walked = self.walker.walk(new);
        if let Some(rest @ [_, ..]) = new.get(walked.passed..) {
            self.held.extend_from_slice(rest);
            buffer.set_filled(before + walked.passed);
        }
        self.judged(walked);
        Poll::Ready(Ok(walked.passed > 0))
    }

    /// The same while it is not known whether requests follow. What has come is held, and nothing more is read.
    fn poll_undecided(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let mut state = self.gate.lock();
        if let Some(switched) = state.switched {
            drop(state);
            self.way = if switched { Way::Switched } else { Way::Requests };
            if switched {
                self.clear = self.held.len();
            } else {
                self.judge_held();
            }
            return Poll::Ready(Ok(false));
        }
        // Also when nothing is held: reading may be asked for again before more comes.
        state.reader = Some(cx.waker().clone());
        drop(state);
        if !self.held.is_empty() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        self.held.extend_from_slice(new);
        let is_end = new.is_empty();
        buffer.set_filled(before);
        Poll::Ready(Ok(is_end))
    }

    /// Reads and throws away, and hands on nothing any more.
    fn poll_over(&mut self, cx: &mut Context<'_>, mut left: usize, buffer: &mut ReadBuf<'_>) {
        let before = buffer.filled().len();
        while left > 0 {
            let Poll::Ready(Ok(())) = Pin::new(&mut self.stream).poll_read(cx, buffer) else { break };
            let length = buffer.filled().len() - before;
            buffer.set_filled(before);
            left = if length == 0 { 0 } else { left.saturating_sub(length) };
            self.way = Way::Over(left);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.clear > 0 {
                this.hand_on(buffer);
                return Poll::Ready(Ok(()));
            }
            let done = match this.way {
                Way::Requests => ready!(this.poll_requests(cx, buffer))?,
                Way::Undecided => ready!(this.poll_undecided(cx, buffer))?,
                Way::Switched => return Pin::new(&mut this.stream).poll_read(cx, buffer),
                Way::Broken(fault) => {
                    return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, fault)));
                }
                Way::Over(left) => {
                    this.poll_over(cx, left, buffer);
                    return Poll::Pending;
                }
            };
            if done {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Gated<S> {
    /// A connection that has switched has limits of its own.
    fn tried<T>(&self, result: Poll<T>) -> Poll<T> {
        if matches!(self.way, Way::Switched) { result } else { self.gate.writing.tried(result) }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.tried(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.tried(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.tried(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// TLS has a goodbye; on an idle connection there is room for it.
impl<S: AsyncWrite + Unpin> Drop for Gated<S> {
    fn drop(&mut self) {
        if self.gate.in_order.load(SeqCst) {
            let _ = Pin::new(&mut self.stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
}

#[cfg(test)]
mod tests;
