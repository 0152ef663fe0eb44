//! A token bucket: so many at once, and as many again in each period. Receives the moments at which something is asked for,
//! hands on whether it may be.

use std::time::{Duration, Instant};

/// Full at first.
#[derive(Debug)]
pub(super) struct Bucket {
    period: Duration,
    /// What was taken and has not come back yet, in units of one.
    taken: f64,
    last: Instant,
}

impl Bucket {
    pub(super) fn per(period: Duration) -> Self {
        Self { period, taken: 0.0, last: Instant::now() }
    }

    /// Takes one if there is one. The size may change between two calls: it is the policy's.
    pub(super) fn take(&mut self, size: u32, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.last).as_secs_f64() / self.period.as_secs_f64();
        self.last = now;
        self.taken = (self.taken - passed * f64::from(size)).max(0.0);
        if self.taken + 1.0 > f64::from(size) {
            return false;
        }
        self.taken += 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_again_in_each_period() {
        let (mut bucket, start) = (Bucket::per(Duration::from_secs(60)), Instant::now());
        let mut taken = |after: f64, tries: u32| {
            let now = start + Duration::from_secs_f64(after);
            (0..tries).filter(|_| bucket.take(10, now)).count()
        };
        assert_eq!(taken(0.0, 100), 10);
        assert_eq!(taken(5.9, 100), 0);
        assert_eq!(taken(6.1, 100), 1);
        assert_eq!(taken(36.2, 3), 3);
        assert_eq!(taken(36.2, 100), 2);
        assert_eq!(taken(10_000.0, 100), 10);
    }

    #[test]
    fn a_smaller_size_holds_at_once() {
        let (mut bucket, now) = (Bucket::per(Duration::from_secs(60)), Instant::now());
        assert!((0..5).all(|_| bucket.take(10, now)));
        assert!(!bucket.take(5, now));
        assert!(bucket.take(6, now));
    }
}
