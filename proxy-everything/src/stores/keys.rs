//! What all key-value stores have in common: the limits of keys and values, numbers, and pages of keys.
//!
//! Receives what a handler asks for and refuses what no store takes, so that a handler which works with one kind of store works
//! with the others.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use bytes::Bytes;
use handlers::{KeyPage, StoreError};

use super::refused;

/// Longest key or prefix, in bytes.
pub(super) const MAX_KEY_BYTES: usize = 1024;
/// Longest value.
pub(super) const MAX_VALUE_BYTES: usize = 2 * 1024 * 1024;
/// Most keys of one call.
pub(super) const MAX_KEYS: usize = 128;
/// Most bytes of all values of one call.
pub(super) const MAX_CALL_BYTES: usize = 16 * 1024 * 1024;
/// Most keys of one page.
pub(super) const MAX_PAGE: usize = 1000;

pub(super) fn check_key(key: &str) -> Result<(), StoreError> {
    match key.len() {
        0 => Err(refused("a key is empty")),
        1..=MAX_KEY_BYTES => Ok(()),
        bytes => Err(refused(format!("a key has {bytes} bytes; the limit is {MAX_KEY_BYTES}"))),
    }
}

pub(super) fn check_keys(keys: &[String]) -> Result<(), StoreError> {
    check_count(keys.len())?;
    keys.iter().try_for_each(|key| check_key(key))
}

pub(super) fn check_entries(entries: &[(String, Bytes)]) -> Result<(), StoreError> {
    check_count(entries.len())?;
    for (key, value) in entries {
        check_key(key)?;
        if value.len() > MAX_VALUE_BYTES {
            let bytes = value.len();
            return Err(refused(format!("a value has {bytes} bytes; the limit is {MAX_VALUE_BYTES}")));
        }
    }
    check_total(entries.iter().map(|(_, value)| value.len()).sum())
}

pub(super) fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    match prefix.len() {
        0..=MAX_KEY_BYTES => Ok(()),
        bytes => Err(refused(format!("a prefix has {bytes} bytes; the limit is {MAX_KEY_BYTES}"))),
    }
}

/// Collects the values that are read, up to the limit of one call.
pub(super) fn collect<E: Into<StoreError>>(
    values: impl Iterator<Item = Result<Option<Bytes>, E>>,
) -> Result<Vec<Option<Bytes>>, StoreError> {
    let mut total = 0;
    values
        .map(|value| {
            let value = value.map_err(Into::into)?;
            total += value.as_ref().map_or(0, Bytes::len);
            check_total(total)?;
            Ok(value)
        })
        .collect()
}

/// The number that is stored there, plus `by`. Numbers are what Redis takes for one, and not negative.
pub(super) fn add(stored: Option<&[u8]>, by: u64) -> Result<u64, StoreError> {
    let number = match stored {
        None => Some(0),
        Some(bytes) => str::from_utf8(bytes).ok().and_then(number),
    };
    let number = number.ok_or_else(|| refused("the value is no number"))?;
    number.checked_add(check_step(by)?).map(i64::unsigned_abs).ok_or_else(overflow)
}

pub(super) fn check_step(by: u64) -> Result<i64, StoreError> {
    i64::try_from(by).map_err(|_| overflow())
}

pub(super) fn overflow() -> StoreError {
    refused(format!("the number would be above {}", i64::MAX))
}

fn number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number >= 0 && number.to_string() == text).then_some(number)
}

/// A page in the making, of all keys that it is shown. They come in the order of their hashes: a cursor then stays right whatever
/// is set and deleted between two pages, and nothing has to be remembered for it.
pub(super) struct Page {
    after: Option<u64>,
    /// One more than fits, to know whether there is a next page.
    first: BTreeSet<(u64, String)>,
}

impl Page {
    pub(super) fn new(after: Option<u64>) -> Self {
        Self { after, first: BTreeSet::new() }
    }

    pub(super) fn add(&mut self, key: &str) {
        let hash = hash(key);
        if self.after.is_some_and(|after| hash <= after) {
            return;
        }
        if self.first.len() > MAX_PAGE {
            if self.first.last().is_some_and(|(last, _)| hash > *last) {
                return;
            }
            self.first.pop_last();
        }
        self.first.insert((hash, key.to_owned()));
    }

    pub(super) fn end(mut self) -> KeyPage {
        let next = if self.first.len() > MAX_PAGE { self.first.pop_last() } else { None };
        // Should two keys have one hash, the next page begins with both.
        let cursor = next.map(|(hash, _)| hash.saturating_sub(1));
        KeyPage { keys: self.first.into_iter().map(|(_, key)| key).collect(), cursor }
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

fn check_count(count: usize) -> Result<(), StoreError> {
    if count > MAX_KEYS {
        return Err(refused(format!("{count} keys at once; the limit is {MAX_KEYS}")));
    }
    Ok(())
}

fn check_total(bytes: usize) -> Result<(), StoreError> {
    if bytes > MAX_CALL_BYTES {
        return Err(refused(format!("values of more than {MAX_CALL_BYTES} bytes at once")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_redis_takes_for_a_number_is_one() {
        for (stored, expected) in [
            (None, Some(2)),
            (Some("0"), Some(2)),
            (Some("40"), Some(42)),
            (Some("9223372036854775805"), Some(9_223_372_036_854_775_807)),
            (Some("9223372036854775806"), None),
            (Some(""), None),
            (Some("+1"), None),
            (Some("01"), None),
            (Some(" 1"), None),
            (Some("1.0"), None),
            (Some("-0"), None),
            (Some("-5"), None),
        ] {
            assert_eq!(add(stored.map(str::as_bytes), 2).ok(), expected, "{stored:?}");
        }
        assert!(add(None, u64::MAX).is_err());
        assert!(add(Some(b"\xff"), 1).is_err());
    }

    #[test]
    fn pages_hold_every_key_once_though_keys_go_and_come() {
        let stay: Vec<String> = (0..2500).map(|number| format!("stay-{number}")).collect();
        let mut all = stay.clone();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let mut page = Page::new(after);
            all.iter().for_each(|key| page.add(key));
            let page = page.end();
            assert!(page.keys.len() <= MAX_PAGE);
            // What was on the page goes, and something else comes.
            all.retain(|key| !page.keys.contains(key));
            all.extend((0..10).map(|number| format!("{after:?}-{number}")));
            seen.extend(page.keys);
            after = page.cursor;
            if after.is_none() {
                break;
            }
        }
        seen.retain(|key| key.starts_with("stay-"));
        assert_eq!(seen.len(), stay.len());
        assert_eq!(seen.iter().collect::<BTreeSet<_>>(), stay.iter().collect());
    }
}
