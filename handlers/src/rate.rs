//! Counters for rate limits.
//!
//! Receives keys; says whether one more is within the limit. A sliding window: what was counted in the window before
//! weighs as much as of it is still within the last period. Bounded, and closed when full: whoever can make up keys
//! must not be able to make others forgotten.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Keys of one limit that are counted at once.
const MAX_KEYS: usize = 100_000;

/// Bytes of one key.
const MAX_KEY: usize = 512;

/// A limit and its counters.
#[derive(Debug)]
pub struct RateLimit {
    limit: u32,
    period: Duration,
    began: Instant,
    counters: Mutex<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    by_key: HashMap<Box<str>, Counter>,
    /// The window in which the table was last cleaned.
    cleaned: u128,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    window: u128,
    before: u32,
    now: u32,
}

impl RateLimit {
    /// At most `limit` in any `period`, for each key.
    pub fn new(limit: u32, period: Duration) -> Self {
        let period = period.max(Duration::from_millis(1));
        Self { limit, period, began: Instant::now(), counters: Mutex::default() }
    }

    /// Counts one more of `key` if it is within the limit, and says whether it was.
    pub fn allow(&self, key: &str) -> bool {
        self.allow_at(key, self.began.elapsed())
    }

    fn allow_at(&self, key: &str, at: Duration) -> bool {
        if key.len() > MAX_KEY {
            return false;
        }
        let period = self.period.as_nanos();
        let (window, into) = (at.as_nanos() / period, at.as_nanos() % period);
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.by_key.len() >= MAX_KEYS && !counters.by_key.contains_key(key) {
            if counters.cleaned != window {
                counters.cleaned = window;
                counters.by_key.retain(|_, counter| counter.window + 1 >= window);
            }
            if counters.by_key.len() >= MAX_KEYS {
                return false;
            }
        }
        let fresh = Counter { window, before: 0, now: 0 };
        let counter = match counters.by_key.get_mut(key) {
            Some(counter) => counter,
            None => counters.by_key.entry(key.into()).or_insert(fresh),
        };
        *counter = match window - counter.window.min(window) {
            0 => *counter,
            1 => Counter { window, before: counter.now, now: 0 },
            _ => fresh,
        };
        let earlier = u128::from(counter.before) * (period - into) / period;
        let within = earlier + u128::from(counter.now) < u128::from(self.limit);
        if within {
            counter.now += 1;
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_key_has_its_own_window() {
        let limit = RateLimit::new(2, Duration::from_secs(10));
        let at = Duration::from_secs;
        let told: Vec<_> = [("a", 0), ("a", 1), ("a", 2), ("b", 2), ("a", 11), ("a", 15), ("a", 40)]
            .map(|(key, second)| limit.allow_at(key, at(second)))
            .into();
        // At second 11 nine tenths of the two before still count, which is one; at 15 it is one too.
        assert_eq!(told, [true, true, false, true, true, false, true]);
    }

    #[test]
    fn a_full_table_is_closed_until_keys_are_old() {
        let limit = RateLimit::new(1, Duration::from_secs(1));
        for number in 0..MAX_KEYS {
            assert!(limit.allow_at(&number.to_string(), Duration::ZERO));
        }
        assert!(!limit.allow_at("one more", Duration::ZERO));
        assert!(limit.allow_at("one more", Duration::from_secs(5)));
        assert!(!limit.allow_at(&"k".repeat(MAX_KEY + 1), Duration::from_secs(9)));
    }

    proptest! {
        /// However requests are spread, no window of the clock lets more than the limit through.
        #[test]
        fn never_more_than_the_limit_in_a_window(mut times in proptest::collection::vec(0..10_000_u64, 0..200), limit in 1..20_u32) {
            times.sort_unstable();
            let counters = RateLimit::new(limit, Duration::from_millis(1000));
            let allowed: Vec<u64> = times.into_iter().filter(|time| counters.allow_at("k", Duration::from_millis(*time))).collect();
            for window in 0..10 {
                let inside = allowed.iter().filter(|time| **time / 1000 == window).count();
                prop_assert!(inside <= limit as usize);
            }
        }
    }
}
