//! The one answer of a call.
//!
//! Receives the answer from whichever side has it first: the guest while it goes on, its return, or its failure; hands it
//! to the exchange that waits. Later ones are dropped.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::{HandlerError, Outcome};

type Waiting = oneshot::Sender<Result<Outcome, HandlerError>>;

/// Takes what a call comes to, once. A clone is another handle on the same.
#[derive(Clone, Default)]
pub(super) struct Answer(Arc<Mutex<Option<Waiting>>>);

impl Answer {
    /// For whoever waits at the other end. The default one is given already.
    pub(super) fn to(waiting: Waiting) -> Self {
        Self(Arc::new(Mutex::new(Some(waiting))))
    }

    /// Gives it, unless it was given before; says whether it arrived.
    pub(super) fn give(&self, outcome: Result<Outcome, HandlerError>) -> bool {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        waiting.is_some_and(|waiting| waiting.send(outcome).is_ok())
    }

    /// Whether it was given.
    pub(super) fn is_given(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}
