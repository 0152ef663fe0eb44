//! Stores: where handlers keep things.
//!
//! Each file implements what handlers ask of a store, [`handlers::KeyValue`] or [`handlers::Blobs`], over one thing: memory, a
//! file, a Redis server, a folder, an S3 bucket. What a handler hands in is checked here, in the same way for all of them, before
//! it gets there. Every wait has a deadline. One that ran out says nothing about whether the thing was done.

pub mod file;
pub mod folder;
pub mod memory;
pub mod redis;
pub mod s3;

mod keys;
mod objects;

use std::time::Duration;

use handlers::StoreError;
use tokio::{task::spawn_blocking, time::timeout};

#[cfg(test)]
pub(crate) mod tests;

/// How long the disk may take for one step.
const DISK_DEADLINE: Duration = Duration::from_secs(10);

/// Runs what waits for the disk, or computes for long, on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    in_time(DISK_DEADLINE, async {
        spawn_blocking(work).await.unwrap_or_else(|error| Err(unavailable(error)))
    })
    .await
}

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(unavailable(format!("no answer for {limit:?}"))))
}

/// The text must hold no secret.
fn unavailable(reason: impl ToString) -> StoreError {
    StoreError::Unavailable(reason.to_string())
}

fn refused(reason: impl Into<String>) -> StoreError {
    StoreError::Refused(reason.into())
}
