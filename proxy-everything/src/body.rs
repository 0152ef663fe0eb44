//! Bodies on their way through: counted for the record, never gathered, and never silent for longer than the limit. The
//! response's body carries the exchange's trail, so that the record is written when its last byte has gone, or never will. Both
//! end, in the middle, when a new policy denies the exchange.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use handlers::{Body, BodyError};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::{Sleep, sleep};

use crate::{
    audit::{ExchangeTrail, Notes, Sent},
    error::UpstreamError,
    http::Turn,
    in_force::Permit,
};

/// Nothing came for too long.
#[derive(Debug, thiserror::Error)]
#[error("the body stood still for too long")]
pub struct Stalled;

/// Wraps the body of a request: counts what the workload sends.
pub fn request<B>(body: B, notes: Arc<Notes>, idle: Duration, permit: &Permit) -> Body
where
    B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + Unpin + 'static,
{
    if http_body::Body::is_end_stream(&body) {
        let _ = notes.sent.set(Sent::Over);
        return handlers::empty();
    }
    let count = Count::FromWorkload(Sending(notes));
    let lease = Lease::new(Some(permit.apart()));
    Passing { body, count, idle: Idle::new(idle), lease, turn: None }.boxed_unsync()
}

/// Wraps the body of a response: counts what the workload is given, and ends the trail. What the proxy says by itself needs no
/// permit. `turn` hears of its going on.
pub fn response(
    body: Body,
    trail: ExchangeTrail,
    idle: Duration,
    permit: Option<Permit>,
    turn: Option<Arc<Turn>>,
) -> Body {
    let count = Count::ToWorkload(trail);
    let lease = Lease::new(permit.filter(|_| !http_body::Body::is_end_stream(&body)));
    Passing { body, count, idle: Idle::new(idle), lease, turn }.boxed_unsync()
}

/// Notes, when it is dropped with its body, that the request has been sent.
struct Sending(Arc<Notes>);

impl Drop for Sending {
    fn drop(&mut self) {
        let _ = self.0.sent.set(Sent::Over);
    }
}

enum Count {
    FromWorkload(Sending),
    ToWorkload(ExchangeTrail),
}

impl Count {
    fn counter(&self) -> &AtomicU64 {
        match self {
            Self::FromWorkload(sending) => &sending.0.from_workload,
            Self::ToWorkload(trail) => &trail.notes().to_workload,
        }
    }

    fn broke(&mut self, kind: &'static str) {
        match self {
            Self::FromWorkload(sending) => {
                let _ = sending.0.sent.set(Sent::Broken);
            }
            Self::ToWorkload(trail) => trail.broke(kind),
        }
    }
}

struct Passing<B> {
    body: B,
    count: Count,
    idle: Idle,
    lease: Lease,
    turn: Option<Arc<Turn>>,
}

impl<B> http_body::Body for Passing<B>
where
    B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(turn) = &this.turn {
            turn.asked();
        }
        if !this.lease.holds() {
            return this.revoked();
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            if this.lease.poll_revoked(cx).is_ready() {
                return this.revoked();
            }
            ready!(this.idle.poll_elapsed(cx));
            this.count.broke("body_stalled");
            return Poll::Ready(Some(Err(Stalled.into())));
        };
        this.idle.moved();
        match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Buf::remaining);
                this.count.counter().fetch_add(length as u64, Relaxed);
                if this.body.is_end_stream() {
                    this.lease.end();
                }
                if let Some(turn) = &this.turn {
                    turn.given();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // One direction may have ended because of it, and taken the other one along.
            Some(Err(_)) if !this.lease.holds() => this.revoked(),
            Some(Err(error)) => {
                this.count.broke("body_broke");
                Poll::Ready(Some(Err(error.into())))
            }
            None => {
                this.lease.end();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Passing<B> {
    fn revoked<T>(&mut self) -> Poll<Option<Result<T, BodyError>>> {
        let error = UpstreamError::Revoked;
        self.count.broke(error.kind());
        Poll::Ready(Some(Err(error.into())))
    }
}

/// A body that is dropped because of one of these was not asked for more in time.
impl<B> Drop for Passing<B> {
    fn drop(&mut self) {
        if self.turn.as_ref().is_some_and(|turn| turn.is_stalled()) {
            self.count.broke("body_stalled");
        }
        if !self.lease.holds() {
            self.count.broke(UpstreamError::Revoked.kind());
        }
    }
}

/// A permit that is watched only once a body has had to wait.
struct Lease {
    permit: Option<Permit>,
    revoked: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Lease {
    fn new(permit: Option<Permit>) -> Self {
        Self { permit, revoked: None }
    }

    /// Nothing is left that could be revoked.
    fn end(&mut self) {
        self.permit = None;
    }

    fn holds(&self) -> bool {
        self.permit.as_ref().is_none_or(Permit::holds)
    }

    fn poll_revoked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(permit) = &self.permit else { return Poll::Pending };
        self.revoked.get_or_insert_with(|| Box::pin(permit.revoked())).as_mut().poll(cx)
    }
}

/// A timer that exists only once a body has had to wait, and is set anew only when it goes off: most bodies come at once.
struct Idle {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    moved: bool,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None, moved: false }
    }

    fn moved(&mut self) {
        self.moved = true;
    }

    /// Ready when nothing has moved for the limit, or up to twice as long.
    fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if !std::mem::take(&mut self.moved) {
                return Poll::Ready(());
            }
            timer.set(sleep(limit));
        }
    }
}
