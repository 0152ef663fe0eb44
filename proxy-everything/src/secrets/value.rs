//! What a source gave, judged. Receives the text, hands on a value that is known to fit where it is used: one line for headers, more
//! for keys. What is wrong with a text is said without any of it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use handlers::Secret;
use serde_json::Value as Json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

/// Largest value, in bytes; a header of this size is beyond what servers take.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// The name of the only value of a source that gives one.
pub(super) const ONLY: &str = "value";
/// Nothing that a server says of the time of a value's end is believed beyond this.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How much of a text may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lines {
    /// One line, which can stand in a header.
    One,
    /// Several, as in a PEM file.
    Many,
}

/// A text that is a secret.
#[derive(Clone, Debug)]
pub(super) struct Good {
    secret: Arc<Secret>,
    lines: Lines,
}

/// A text, or why it is none.
pub(super) type Value = Result<Good, &'static str>;

/// The values of one reading, by the names that the source has for them, and for how long they are good.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) values: Vec<(String, Value)>,
    /// From when it was asked for.
    pub(super) lasts: Duration,
}

impl Reading {
    pub(super) fn of(text: String, lasts: Duration) -> Self {
        Self { values: vec![(ONLY.to_owned(), good(text))], lasts: lasts.min(LONGEST) }
    }
}

impl Good {
    /// The secret, if it has no more lines than `most`.
    pub(super) fn within(&self, most: Lines) -> Result<Arc<Secret>, &'static str> {
        if self.lines > most {
            return Err("its value has more than one line");
        }
        Ok(Arc::clone(&self.secret))
    }
}

/// Lines without control characters: anything else would not survive. Editors and `echo` end files with a line feed, which is
/// not part of the secret.
pub(super) fn good(text: String) -> Value {
    let text = Zeroizing::new(text);
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err("its value is empty");
    }
    if value.len() > MAX_BYTES {
        return Err("its value has more than 64 KiB");
    }
    let lines = if value.contains(['\n', '\r']) { Lines::Many } else { Lines::One };
    if value.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r')) {
        return Err("its value has control characters");
    }
    Ok(Good { secret: Arc::new(Secret::new(value.to_owned())), lines })
}

/// Text, or a JSON object with a `value` and until when it is good: `ttlSeconds`, or `expiresAt` as in RFC 3339. Without
/// that, it is good for `lasts`, and never for longer.
pub(super) fn text_or_object(text: Zeroizing<String>, lasts: Duration) -> Result<Reading, &'static str> {
    let object = text.trim_start().starts_with('{').then(|| serde_json::from_str(&text).ok()).flatten();
    let Some(Json::Object(mut object)) = object else {
        return Ok(Reading::of(text.to_string(), lasts));
    };
    let Some(Json::String(value)) = object.remove("value") else {
        return Ok(Reading::of(text.to_string(), lasts));
    };
    let value = Zeroizing::new(value);
    let told = match (object.get("ttlSeconds"), object.get("expiresAt")) {
        (None, None) => lasts,
        (Some(seconds), None) => {
            Duration::from_secs(seconds.as_u64().ok_or("its `ttlSeconds` is no whole number")?)
        }
        (None, Some(at)) => until(at.as_str().unwrap_or_default()).ok_or("its `expiresAt` is no time")?,
        (Some(_), Some(_)) => return Err("it has both `ttlSeconds` and `expiresAt`"),
    };
    if told.is_zero() {
        return Err("its value is good no more");
    }
    Ok(Reading::of(value.to_string(), told.min(lasts)))
}

/// How long it is until a time of RFC 3339; nothing if that has passed.
pub(super) fn until(at: &str) -> Option<Duration> {
    let at = SystemTime::from(OffsetDateTime::parse(at, &Rfc3339).ok()?);
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(value: &Value) -> Option<&str> {
        value.as_ref().ok().map(|good| good.secret.expose())
    }

    #[test]
    fn values_that_can_stand_in_a_header() {
        for (text, expected) in [
            ("token", Some("token")),
            ("token\n", Some("token")),
            ("token\r\n", Some("token")),
            ("two words", Some("two words")),
            ("", None),
            ("\n", None),
            ("two\nlines\n", None),
            ("two\rlines", None),
            ("nul\0", None),
            ("tab\there", None),
        ] {
            let value = good(text.to_owned()).and_then(|good| good.within(Lines::One));
            assert_eq!(value.as_ref().ok().map(|secret| secret.expose()), expected, "{text:?}");
        }
    }

    #[test]
    fn keys_have_lines_and_nothing_is_too_long() {
        let key = good("first\nsecond\n".to_owned()).unwrap();
        assert_eq!(key.within(Lines::Many).unwrap().expose(), "first\nsecond");
        assert!(good("first\0\nsecond".to_owned()).is_err());
        assert!(good("a".repeat(MAX_BYTES)).is_ok());
        assert!(good("a".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn text_or_an_object() {
        let hour = Duration::from_secs(3600);
        for (text, value, seconds) in [
            ("token\n", "token", 3600),
            (r#"{"value":"token","ttlSeconds":60}"#, "token", 60),
            (r#" {"value":"token"}"#, "token", 3600),
            (r#"{"value":"token","ttlSeconds":7200,"more":1}"#, "token", 3600),
            (r#"{"value":"token","expiresAt":"2999-01-01T00:00:00Z"}"#, "token", 3600),
            (r#"{"other":"token"}"#, r#"{"other":"token"}"#, 3600),
            (r#"{"value":7}"#, r#"{"value":7}"#, 3600),
            ("{token", "{token", 3600),
        ] {
            let reading = text_or_object(Zeroizing::new(text.to_owned()), hour).unwrap();
            assert_eq!(exposed(&reading.values[0].1), Some(value), "{text}");
            assert_eq!(reading.lasts.as_secs(), seconds, "{text}");
        }
        for text in [
            r#"{"value":"canary","ttlSeconds":-1}"#,
            r#"{"value":"canary","ttlSeconds":"60"}"#,
            r#"{"value":"canary","ttlSeconds":0}"#,
            r#"{"value":"canary","expiresAt":"soon"}"#,
            r#"{"value":"canary","expiresAt":"1999-01-01T00:00:00Z"}"#,
            r#"{"value":"canary","ttlSeconds":60,"expiresAt":"2999-01-01T00:00:00Z"}"#,
        ] {
            let error = text_or_object(Zeroizing::new(text.to_owned()), hour).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn times_are_read() {
        assert!(until("2999-01-01T00:00:00Z").unwrap() > Duration::from_secs(1_000_000));
        assert!(until("2999-01-01T00:00:00+02:00").is_some());
        assert_eq!(until("1999-01-01T00:00:00Z"), Some(Duration::ZERO));
        assert_eq!(until("tomorrow"), None);
        assert!(Reading::of("token".into(), Duration::MAX).lasts <= LONGEST);
    }
}
