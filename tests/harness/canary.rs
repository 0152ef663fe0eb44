//! A secret that can be recognised wherever it turns up.
//!
//! Each canary is unique. What a workload or a log received is searched for it raw and in the forms in which secrets
//! travel: base64 at the three alignments (both alphabets), hex, percent-encoded and reversed.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A unique secret value.
#[derive(Clone)]
pub struct Canary(String);

impl Canary {
    /// A new one, `SEKRIT-` and 128 random bits.
    #[allow(clippy::new_without_default, reason = "no canary is the default one")]
    pub fn new() -> Self {
        let mut random = [0; 16];
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).expect("random bytes");
        Self(format!("SEKRIT-{}", hex(&random)))
    }

    /// One that a server made.
    pub fn of(value: &str) -> Self {
        Self(value.to_owned())
    }

    /// The value itself, to be given to the proxy.
    pub fn value(&self) -> &str {
        &self.0
    }

    /// Panics if `bytes` hold the canary in any known form.
    pub fn assert_absent(&self, place: &str, bytes: &[u8]) {
        for (form, needle) in self.forms() {
            assert!(!contains(bytes, needle.as_bytes()), "{place} holds the secret, {form}");
        }
    }

    fn forms(&self) -> Vec<(&'static str, String)> {
        let hex = hex(self.0.as_bytes());
        let percent = self.0.bytes().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "%{byte:02X}");
            text
        });
        let mut forms = vec![
            ("raw", self.0.clone()),
            ("reversed", self.0.chars().rev().collect()),
            ("in upper-case hex", hex.to_uppercase()),
            ("in hex", hex),
            ("percent-encoded", percent),
        ];
        for before in 0..3 {
            forms.push(("in base64", self.base64(before, |bytes| STANDARD_NO_PAD.encode(bytes))));
            forms.push(("in base64url", self.base64(before, |bytes| URL_SAFE_NO_PAD.encode(bytes))));
        }
        forms
    }

    /// The characters that depend on the canary alone when it follows `before` unknown bytes and more bytes follow it.
    fn base64(&self, before: usize, encode: impl Fn(&[u8]) -> String) -> String {
        let text = encode(&[&vec![0; before], self.0.as_bytes()].concat());
        let first = (before * 8).div_ceil(6);
        let end = (before + self.0.len()) * 8 / 6;
        text[first..end].to_owned()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_at_every_alignment() {
        let canary = Canary::new();
        for before in 0..3 {
            for after in 0..3 {
                let secret = [&b"xyz"[..before], canary.value().as_bytes(), &b"xyz"[..after]].concat();
                for text in [STANDARD_NO_PAD.encode(&secret), URL_SAFE_NO_PAD.encode(&secret), hex(&secret)] {
                    let found = std::panic::catch_unwind(|| canary.assert_absent("here", text.as_bytes()));
                    assert!(found.is_err(), "{before} bytes before, {after} after: {text}");
                }
            }
        }
        canary.assert_absent("elsewhere", Canary::new().value().as_bytes());
    }
}
