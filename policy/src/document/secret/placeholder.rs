//! Placeholders: what a workload holds in a secret's place.
//!
//! Receives words and hands on how the made-up text looks and where it is looked for. The text itself is made by whoever starts an
//! instance: nothing here is random.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::{
    Fault,
    document::{
        read::text,
        rule::listed,
        source::{Word, WordOr, Words, some},
    },
    fault::{Position, clip, did_you_mean},
};

/// What stands for a secret in a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// How it looks.
    pub look: PlaceholderLook,
    /// The variable of the workload's environment that it is in.
    pub env: Option<String>,
    /// Where it is looked for; never empty.
    pub places: BTreeSet<Place>,
}

/// The text of a placeholder: 16 to 512 visible ASCII characters without quotes, `%` and `\`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceholderLook {
    /// Another one for each instance.
    Random {
        /// Before the random characters.
        before: String,
        /// How many letters and digits, 16 to 128.
        length: usize,
        /// Behind them.
        after: String,
    },
    /// The same one everywhere.
    Fixed(String),
}

/// Where in a request a placeholder is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The values of headers.
    Headers,
    /// The user and the password of `Authorization: Basic`.
    Basic,
    /// The query.
    Query,
    /// The path.
    Path,
    /// The body.
    Body,
    /// The text messages of a WebSocket.
    Websocket,
}

/// Characters of a whole placeholder. A shorter one could be met by chance.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=512;
/// Random characters of one, each with about 6 bits.
const RANDOM: std::ops::RangeInclusive<usize> = 16..=128;

impl Default for Placeholder {
    fn default() -> Self {
        Self { look: PlaceholderLook::default(), env: None, places: Place::ALL.into() }
    }
}

impl Default for PlaceholderLook {
    fn default() -> Self {
        Self::Random { before: "pe_".to_owned(), length: 40, after: String::new() }
    }
}

impl PlaceholderLook {
    /// A format as a document spells it; `None` for a fixed text.
    pub fn format(&self) -> Option<String> {
        match self {
            Self::Random { before, length, after } => Some(format!("{before}{{{length}}}{after}")),
            Self::Fixed(_) => None,
        }
    }
}

impl Place {
    /// All that there are.
    pub const ALL: [Self; 6] =
        [Self::Headers, Self::Basic, Self::Query, Self::Path, Self::Body, Self::Websocket];

    /// As a document spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Basic => "basic",
            Self::Query => "query",
            Self::Path => "path",
            Self::Body => "body",
            Self::Websocket => "websocket",
        }
    }
}

/// `true`, or keys.
pub(super) type PlaceholderWords = Spanned<WordOr<PlaceholderKeys>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceholderKeys {
    env: Option<Word>,
    format: Option<Word>,
    value: Option<Word>,
    #[serde(rename = "in", default, deserialize_with = "some")]
    places: Option<Words>,
}

impl Placeholder {
    pub(super) fn read(words: PlaceholderWords) -> Result<Self, Fault> {
        let at = Position::from(words.referenced);
        let keys = match words.value {
            WordOr::Word(word) if word == "true" => return Ok(Self::default()),
            WordOr::Word(_) => {
                let cure = Some("write `true`, keys with values, or leave it out".to_owned());
                return Err(
                    Fault::new(at, "`placeholder` is `true`, or says what it looks like").suggesting(cure)
                );
            }
            WordOr::Keys(keys) => keys,
        };
        let look = match (keys.format, keys.value) {
            (None, None) => PlaceholderLook::default(),
            (Some(format), None) => look(&format)?,
            (None, Some(value)) => fixed(value)?,
            (Some(_), Some(value)) => {
                let message = "a placeholder has a `format` or a `value`, and not both";
                return Err(Fault::new(value.referenced.into(), message));
            }
        };
        let places = match keys.places {
            None => Place::ALL.into(),
            places => listed("place", places.as_ref())?.iter().map(place).collect::<Result<_, _>>()?,
        };
        Ok(Self { look, env: keys.env.map(variable).transpose()?, places })
    }
}

/// The name of an environment variable.
pub(super) fn variable(word: Word) -> Result<String, Fault> {
    if word.value.contains('=') {
        let message = "the name of an environment variable has no `=`";
        return Err(Fault::new(word.referenced.into(), message));
    }
    text("variable name", word)
}

fn look(word: &Word) -> Result<PlaceholderLook, Fault> {
    let parsed = || {
        let (before, rest) = word.value.split_once('{')?;
        let (number, after) = rest.split_once('}')?;
        let length = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
        let plain = !before.contains('}') && !after.contains(['{', '}']);
        plain.then(|| (before.to_owned(), length, after.to_owned()))
    };
    let fault = |message| Err(Fault::new(word.referenced.into(), message));
    let Some((before, length, after)) = parsed() else {
        let message = format!("`{}` is no format for a placeholder", clip(&word.value));
        let cure = "write text with one `{N}`, for N random letters and digits, as in `pe_{40}`".to_owned();
        return Err(Fault::new(word.referenced.into(), message).suggesting(Some(cure)));
    };
    if !RANDOM.contains(&length) {
        let message = format!(
            "a placeholder has {} to {} random characters, and not {length}",
            RANDOM.start(),
            RANDOM.end()
        );
        return fault(message);
    }
    let whole = before.len() + length + after.len();
    if !LENGTH.contains(&whole) || !is_safe(&before) || !is_safe(&after) {
        return fault(unsafe_text());
    }
    Ok(PlaceholderLook::Random { before, length, after })
}

fn fixed(word: Word) -> Result<PlaceholderLook, Fault> {
    if !LENGTH.contains(&word.value.len()) || !is_safe(&word.value) {
        return Err(Fault::new(word.referenced.into(), unsafe_text()));
    }
    Ok(PlaceholderLook::Fixed(word.value))
}

fn unsafe_text() -> String {
    let (least, most) = (LENGTH.start(), LENGTH.end());
    format!("a placeholder has {least} to {most} visible ASCII characters, and no quotes, `%` or `\\`")
}

/// Spelled alike in a header, in JSON and in a shell's quotes.
fn is_safe(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'`%\\".contains(&byte))
}

fn place(word: &Word) -> Result<Place, Fault> {
    let found = Place::ALL.into_iter().find(|place| place.as_str() == word.value);
    found.ok_or_else(|| {
        let cure = did_you_mean(&word.value, Place::ALL.map(Place::as_str))
            .unwrap_or_else(|| format!("write some of {}", Place::ALL.map(Place::as_str).join(", ")));
        let message = format!("`{}` is no place in a request", clip(&word.value));
        Fault::new(word.referenced.into(), message).suggesting(Some(cure))
    })
}
