//! Waiting for a fact, with a deadline.
//!
//! Receives a question and asks it again and again until it has an answer. This is the only place of the tests that
//! sleeps: nothing is ever assumed to have happened because time went by.

use std::time::{Duration, Instant};

/// Far longer than anything takes, so that a slow machine does not fail a right program.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Short enough not to slow a test down, long enough not to burn a core.
const PAUSE: Duration = Duration::from_millis(5);

/// The first `Some` that `probe` gives; panics with `what` after [`DEADLINE`].
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, probe).unwrap_or_else(|| panic!("waited {DEADLINE:?} for {what}"))
}

/// The first `Some` that `probe` gives, or `None` after `deadline`.
pub fn within<T>(deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}
