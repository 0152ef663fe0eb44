//! Until when a guest may take its time.
//!
//! Receives the signs of progress of a call that goes on after its answer; says when to stop it. Until the answer the
//! time runs from the beginning of the call; afterwards anew with every piece of a body that is taken.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// A deadline that moves. A clone is another handle on the same.
#[derive(Clone)]
pub(super) struct Pace {
    time: Duration,
    deadline: Arc<Mutex<Instant>>,
}

impl Pace {
    /// From now on.
    pub(super) fn begin(time: Duration) -> Self {
        Self { time, deadline: Arc::new(Mutex::new(Instant::now() + time)) }
    }

    /// There was progress: the time begins anew.
    pub(super) fn renew(&self) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + self.time;
    }

    pub(super) fn deadline(&self) -> Instant {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `work` comes to, unless time is up before.
    pub(super) async fn keep<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let over = async {
            while self.deadline() > Instant::now() {
                sleep_until(self.deadline()).await;
            }
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = over => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn progress_gives_more_time() {
        let second = Duration::from_secs(1);
        let pace = Pace::begin(second * 3);
        let slow = async { tokio::time::advance(second * 2).await };
        assert!(pace.keep(slow).await.is_some());
        assert!(pace.keep(std::future::pending::<()>()).await.is_none());
        pace.renew();
        let renewed = pace.clone();
        let long = async {
            for _ in 0..5 {
                tokio::time::advance(second * 2).await;
                renewed.renew();
            }
        };
        assert!(pace.keep(long).await.is_some());
    }
}
