//! A secret that can be recognised wherever it turns up.
//!
//! Each canary is unique. What a workload or a log received is searched for it raw and in the forms in which secrets
//! travel: base64 at the three alignments (both alphabets), hex, percent-encoded, as numbers in JSON and in HTML, in UTF-16, in the other
//! case, with other bytes between its own, and reversed.

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
        let found = self.found(bytes);
        assert!(found.is_none(), "{place} holds the secret, {}", found.unwrap_or_default());
    }

    /// The form in which `bytes` hold the canary, if they do.
    pub fn found(&self, bytes: &[u8]) -> Option<&'static str> {
        // Whatever holds it in another case, or in digits of either, holds it in lower case then.
        let lower = bytes.to_ascii_lowercase();
        let dense: Vec<u8> = lower.iter().copied().filter(|byte| !b"\0\r\n".contains(byte)).collect();
        let in_any_case = self.forms().into_iter().find(|(_, needle)| contains(&lower, needle));
        let exact = || self.exact_forms().into_iter().find(|(_, needle)| contains(bytes, needle));
        let spread =
            || contains(&dense, self.0.to_lowercase().as_bytes()).then_some("in pieces, or in UTF-16");
        in_any_case.or_else(exact).map(|(form, _)| form).or_else(spread)
    }

    /// In lower case.
    fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let each = |form: fn(u8) -> String| self.0.bytes().map(form).collect::<String>().to_lowercase();
        let forms = [
            ("raw", self.0.clone()),
            ("reversed", self.0.chars().rev().collect()),
            ("in hex", hex(self.0.as_bytes())),
            ("percent-encoded", each(|byte| format!("%{byte:02x}"))),
            ("with its one special character percent-encoded", self.0.replace('-', "%2d")),
            ("in numbers of JSON", each(|byte| format!("\\u{byte:04x}"))),
            ("in decimal numbers of HTML", each(|byte| format!("&#{byte};"))),
            ("in numbers of HTML", each(|byte| format!("&#x{byte:x};"))),
            ("with spaces", each(|byte| format!("{} ", char::from(byte)))),
        ];
        forms.into_iter().map(|(form, needle)| (form, needle.to_lowercase().into_bytes())).collect()
    }

    /// In which case matters.
    fn exact_forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut forms = Vec::new();
        for before in 0..3 {
            forms.push(("in base64", self.base64(before, |bytes| STANDARD_NO_PAD.encode(bytes)).into()));
            forms.push(("in base64url", self.base64(before, |bytes| URL_SAFE_NO_PAD.encode(bytes)).into()));
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
        let value = canary.value();
        let each = |form: fn(char) -> String| value.chars().map(form).collect::<String>();
        let others = [
            value.to_lowercase(),
            hex(value.as_bytes()).to_uppercase(),
            each(|char| format!("%{:02X}", u32::from(char))),
            value.replace('-', "%2D"),
            each(|char| format!("\\u{:04X}", u32::from(char))),
            each(|char| format!("&#{};", u32::from(char))),
            each(|char| format!("&#X{:X};", u32::from(char))),
            each(|char| format!("\0{char}")),
            each(|char| format!("{char}\r\n")),
        ];
        for text in others {
            assert!(canary.found(format!("x{text}x").as_bytes()).is_some(), "{text}");
        }
        canary.assert_absent("elsewhere", Canary::new().value().as_bytes());
    }
}
