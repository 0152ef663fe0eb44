//! When, where and with what a request is signed.
//!
//! Receives the clock, the region, the service and the secret access key; hands on the key for that day and place, which signs
//! the request and its chunks. The secret itself is in none of it, and what it is derived through is wiped.

use std::{fmt, time::SystemTime};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use data_encoding::HEXLOWER;
use time::{
    PrimitiveDateTime, UtcDateTime, format_description::StaticFormatDescription, macros::format_description,
};
use zeroize::Zeroizing;

use super::super::SignError;

/// The name of the way of signing.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

const FORMAT: StaticFormatDescription = format_description!("[year][month][day]T[hour][minute][second]Z");

/// A moment, as `20130524T000000Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(String);

impl Stamp {
    pub(super) fn at(now: SystemTime) -> Result<Self, SignError> {
        let moment = moment(now).ok_or(SignError::Clock)?;
        moment.format(FORMAT).map(Self).map_err(|_| SignError::Clock)
    }

    /// Whether a moment that was written like this is more than so many seconds ago.
    pub(super) fn is_past(text: &str, seconds: u32, now: SystemTime) -> Result<bool, SignError> {
        let began = PrimitiveDateTime::parse(text, FORMAT)
            .map_err(|_| SignError::Malformed("the date of its signature is none"))?;
        let now = moment(now).ok_or(SignError::Clock)?;
        Ok((now.unix_timestamp() - began.as_utc().unix_timestamp()) > i64::from(seconds))
    }

    fn day(&self) -> &str {
        self.0.split('T').next().unwrap_or_default()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn moment(now: SystemTime) -> Option<UtcDateTime> {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    UtcDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()
}

/// Where a signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) region: String,
    pub(super) service: String,
}

/// Signs for one day and place.
pub(super) struct Signer {
    key: hmac::Key,
    stamp: Stamp,
    scope: String,
}

impl Signer {
    pub(super) fn new(secret: &str, stamp: Stamp, place: &Place) -> Self {
        let mut first = Zeroizing::new(String::with_capacity(4 + secret.len()));
        first.push_str("AWS4");
        first.push_str(secret);
        let mut key = hmac::Key::new(HMAC_SHA256, first.as_bytes());
        for part in [stamp.day(), &place.region, &place.service, "aws4_request"] {
            let mut derived = Zeroizing::new([0; 32]);
            derived.copy_from_slice(hmac::sign(&key, part.as_bytes()).as_ref());
            key = hmac::Key::new(HMAC_SHA256, &*derived);
        }
        let scope = format!("{}/{}/{}/aws4_request", stamp.day(), place.region, place.service);
        Self { key, stamp, scope }
    }

    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Day, region and service, as the signature names them.
    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    /// The signature of a text of this kind, whose further lines are these.
    pub(super) fn sign(&self, kind: &str, lines: &[&str]) -> String {
        let text = format!("{kind}\n{}\n{}\n{}", self.stamp, self.scope, lines.join("\n"));
        HEXLOWER.encode(hmac::sign(&self.key, text.as_bytes()).as_ref())
    }
}
