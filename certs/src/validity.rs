//! How long certificates live, and the arithmetic on it.
//!
//! Receives the present time, hands on the two ends of a certificate's life. Clients' clocks are often
//! wrong, so every certificate starts a day early; clients also cap the life they accept, so none is long.

use std::time::Duration;

use rustls::pki_types::UnixTime;
use time::OffsetDateTime;

use crate::CertError;

const HOUR_SECS: u64 = 3600;

/// How far in the past every certificate starts: tolerates a workload clock that is up to a day slow.
pub(crate) const BACKDATE_SECS: u64 = 24 * HOUR_SECS;

/// Life of the CA after its making. It must outlive the sandbox, whose trust store cannot be changed
/// under a running program; past 30 days an instance should have been replaced.
pub(crate) const CA_LIFE_SECS: u64 = 30 * 24 * HOUR_SECS;

/// Life of a leaf after its minting. Renewal costs microseconds, so it is far below the strictest limit
/// of any client, and a leaf that leaks with its key soon dies.
pub(crate) const LEAF_LIFE_SECS: u64 = 48 * HOUR_SECS;

/// The two ends of a certificate's life, both inclusive (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
}

impl Validity {
    pub(crate) fn starting(now: UnixTime, life_secs: u64) -> Self {
        let secs = now.as_secs();
        Self {
            not_before: at(secs.saturating_sub(BACKDATE_SECS)),
            not_after: at(secs.saturating_add(life_secs)),
        }
    }

    /// Cuts this life down to what lies inside `outer`: a leaf is never valid when its CA is not.
    pub(crate) fn within(self, outer: Self) -> Self {
        Self {
            not_before: self.not_before.max(outer.not_before),
            not_after: self.not_after.min(outer.not_after),
        }
    }

    pub(crate) fn contains(self, now: UnixTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// The moment at which three quarters of what is left at `now` have passed.
    pub(crate) fn renew_at(self, now: UnixTime) -> UnixTime {
        let left = self.not_after.as_secs().saturating_sub(now.as_secs());
        at(now.as_secs().saturating_add(left - left / 4))
    }
}

pub(crate) fn to_date(moment: UnixTime) -> Result<OffsetDateTime, CertError> {
    let secs = i64::try_from(moment.as_secs()).map_err(|_| CertError::Clock)?;
    OffsetDateTime::from_unix_timestamp(secs).map_err(|_| CertError::Clock)
}

pub(crate) fn at(secs: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(secs))
}
