//! A task that ends with whoever waits for it.
//!
//! Receives a future and the runtime to run it on; hands on its output. Dropping the [`Task`] cancels the future, so
//! that a workload that hangs up stops its handler, and a handler that is stopped stops its fetches.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{runtime::Handle, task::JoinHandle};

/// A future that runs on some runtime. Its output is none if it panicked or the runtime has ended.
pub(super) struct Task<T>(Option<JoinHandle<T>>);

impl<T: Send + 'static> Task<T> {
    pub(super) fn spawn(runtime: &Handle, future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(runtime.spawn(future)))
    }

    /// Lets it go on by itself.
    pub(super) fn detach(mut self) {
        self.0 = None;
    }
}

impl<T> Future for Task<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        match &mut self.0 {
            Some(task) => Pin::new(task).poll(context).map(Result::ok),
            None => Poll::Ready(None),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
