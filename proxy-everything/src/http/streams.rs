//! The streams of an HTTP/2 connection: receives each as a task from the HTTP library, and runs it. The library waits for ever for a client
//! that opens no window for a response, and meanwhile asks for no more of it, so that its body cannot notice. Here it is noticed, and
//! that stream is reset, which no other one feels.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use hyper::rt::Executor;
use tokio::sync::Notify;

tokio::task_local! {
    static TURN: Arc<Turn>;
}

/// Whose turn it is on one stream: the client's, once it was given a piece of the response, until it is asked for the next.
#[derive(Debug, Default)]
pub struct Turn {
    asked: AtomicU64,
    is_clients: AtomicBool,
    stalled: AtomicBool,
    over: Notify,
}

impl Turn {
    /// That of the stream whose task this is; none for HTTP/1.
    pub fn current() -> Option<Arc<Self>> {
        TURN.try_with(Arc::clone).ok()
    }

    /// The next piece is asked for.
    pub fn asked(&self) {
        self.asked.fetch_add(1, Relaxed);
        self.is_clients.store(false, Release);
    }

    /// There is one.
    pub fn given(&self) {
        self.is_clients.store(true, Release);
    }

    /// Whether the client has taken too long.
    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Acquire)
    }

    /// Ends it, if it is where it was when `seen` was returned.
    fn check(&self, seen: Option<u64>) -> Option<u64> {
        let now = self.is_clients.load(Acquire).then(|| self.asked.load(Relaxed));
        if now.is_some() && now == seen && !self.stalled.swap(true, AcqRel) {
            self.over.notify_one();
        }
        now
    }
}

/// Those of one connection that are open.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<Vec<Open>>>);

/// A stream, and where it was when it was looked at last.
type Open = (Weak<Turn>, Option<u64>);

impl Streams {
    /// Resets, again and again, what the client has taken nothing of for `limit`, or up to twice as long.
    pub(super) async fn watch(&self, limit: Duration) {
        loop {
            tokio::time::sleep(limit).await;
            self.sweep();
        }
    }

    fn sweep(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain_mut(|(turn, seen)| match turn.upgrade() {
            Some(turn) => {
                *seen = turn.check(*seen);
                true
            }
            None => false,
        });
    }

    fn open(&self) -> Arc<Turn> {
        let turn = Arc::<Turn>::default();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == all.capacity() {
            all.retain(|(turn, _)| turn.strong_count() > 0);
        }
        all.push((Arc::downgrade(&turn), None));
        turn
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let turn = self.open();
        tokio::spawn(TURN.scope(Arc::clone(&turn), async move {
            tokio::select! {
                _ = stream => {}
                // The library resets a stream that is let go.
                () = turn.over.notified() => {}
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_takes_nothing_is_stalled() {
        let streams = Streams::default();
        let [silent, slow, waiting] = [(); 3].map(|()| streams.open());
        silent.given();
        waiting.asked();
        for _ in 0..3 {
            slow.asked();
            slow.given();
            streams.sweep();
        }
        assert!(silent.is_stalled() && !slow.is_stalled() && !waiting.is_stalled());
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let streams = Streams::default();
        for _ in 0..1_000 {
            streams.open();
        }
        assert!(streams.0.lock().unwrap().len() < 10);
        streams.sweep();
        assert!(streams.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn it_is_ended() {
        let streams = Streams::default();
        let (tell, told) = tokio::sync::oneshot::channel();
        streams.execute(async move {
            let turn = Turn::current().unwrap();
            turn.given();
            let _ = tell.send(turn);
            std::future::pending::<()>().await;
        });
        let turn = told.await.unwrap();
        streams.sweep();
        assert!(!turn.is_stalled());
        streams.sweep();
        assert!(turn.is_stalled());
        while Arc::strong_count(&turn) > 1 {
            tokio::task::yield_now().await;
        }
        assert!(Turn::current().is_none());
    }
}
