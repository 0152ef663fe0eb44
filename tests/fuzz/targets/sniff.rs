//! Any first bytes of a connection: once it is known what they are, more bytes do not change it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy_everything::sniff::classify;

fuzz_target!(|bytes: &[u8]| {
    let mut known = None;
    for end in 0..=bytes.len().min(64) {
        let now = classify(&bytes[..end]);
        if known.is_some() {
            assert_eq!(now, known, "changed its mind at byte {end}");
        }
        known = now;
    }
});
