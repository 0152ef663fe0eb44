//! Any first bytes of a connection: once it is known what they are, more bytes do not change it.

use proxy_everything::sniff::classify;

/// The first bytes.
pub(crate) fn run(bytes: &[u8]) {
    let mut known = None;
    for end in 0..=bytes.len().min(64) {
        let now = classify(&bytes[..end]);
        if known.is_some() {
            assert_eq!(now, known, "changed its mind at byte {end}");
        }
        known = now;
    }
}
