//! Text in the spelling of the place that it is put into: JSON strings, URLs, HTML.
//!
//! Receives text and what of it must be escaped; hands on text in which nothing can be taken for the syntax around it.

/// The letters among hexadecimal digits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Digits {
    Lower,
    Upper,
}

impl Digits {
    fn four(self, unit: u16) -> String {
        match self {
            Self::Lower => format!("\\u{unit:04x}"),
            Self::Upper => format!("\\u{unit:04X}"),
        }
    }

    fn two(self, byte: u8) -> String {
        match self {
            Self::Lower => format!("%{byte:02x}"),
            Self::Upper => format!("%{byte:02X}"),
        }
    }
}

/// The inside of a JSON string. `number` says what is written as `\u` and digits, `short` what gets a backslash though it need not.
pub(super) fn json(
    text: &str,
    digits: Digits,
    number: &dyn Fn(char) -> bool,
    short: &dyn Fn(char) -> bool,
) -> String {
    let mut written = String::with_capacity(text.len());
    for char in text.chars() {
        if number(char) || (char.is_control() && char.is_ascii()) {
            written.extend(char.encode_utf16(&mut [0; 2]).iter().map(|unit| digits.four(*unit)));
        } else {
            written.extend((matches!(char, '"' | '\\') || short(char)).then_some('\\'));
            written.push(char);
        }
    }
    written
}

/// Percent-encoded but for the bytes that may stay (ASCII only).
pub(super) fn percent(text: &str, digits: Digits, stays: impl Fn(u8) -> bool) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii() && stays(byte) {
            written.push(char::from(byte));
        } else {
            written.push_str(&digits.two(byte));
        }
    }
    written
}

/// With entities for what `entity` has one for.
pub(super) fn entities(text: &str, entity: impl Fn(char) -> Option<String>) -> String {
    text.chars().map(|char| entity(char).unwrap_or_else(|| char.to_string())).collect()
}

/// RFC 3986, 2.3: what means the same encoded or not.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
