//! The document as it is spelled: the keys, each value with its place in the text, and no meaning yet.
//!
//! Receives text, hands on a [`Source`] whose shape is right: known keys only, each once, values of the right type.
//! The size of the text and what aliases may make of it are bounded, for whoever writes it may not mean well.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use serde_json::Value;
use serde_saphyr::{Error, Spanned};

use crate::{
    Fault,
    fault::{Position, clip, did_you_mean},
};

/// Largest text of a document, in octets.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// A scalar and its place.
pub(super) type Word = Spanned<String>;

/// The keys of a document.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct Source {
    pub(super) denied_hosts: Vec<Word>,
    #[serde(deserialize_with = "some")]
    pub(super) allowed_hosts: Option<Vec<Word>>,
    pub(super) outbound_by_host: Entries<Words>,
    #[serde(deserialize_with = "some")]
    pub(super) outbound: Option<Words>,
    pub(super) enable_internet: bool,
    pub(super) raw: Vec<Word>,
    pub(super) passthrough: Vec<Word>,
    pub(super) handlers: Entries<HandlerWords>,
    pub(super) secrets: Entries<SecretWords>,
    pub(super) resolve: Entries<Words>,
    pub(super) dns: DnsWords,
    pub(super) upstream_roots: Vec<Word>,
    pub(super) limits: Entries<Spanned<u32>>,
}

/// The keys of a handler; which of them go together is judged later.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HandlerWords {
    #[serde(default, deserialize_with = "some")]
    pub(super) inject: Option<Entries<Word>>,
    #[serde(default, deserialize_with = "some")]
    pub(super) deny: Option<DenyWords>,
    #[serde(default, deserialize_with = "some")]
    pub(super) respond: Option<RespondWords>,
    pub(super) wasm: Option<Word>,
    pub(super) secrets: Option<Spanned<Vec<Word>>>,
    pub(super) params: Option<Spanned<Value>>,
}

/// The keys of `deny`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DenyWords {
    pub(super) status: Option<Spanned<u16>>,
    pub(super) reason: Option<Word>,
}

/// The keys of `respond`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RespondWords {
    pub(super) status: Option<Spanned<u16>>,
    #[serde(default)]
    pub(super) headers: Entries<Word>,
    #[serde(default)]
    pub(super) body: String,
}

/// The keys of a secret.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretWords {
    pub(super) env: Option<Word>,
    pub(super) file: Option<Word>,
}

/// The keys of `dns`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DnsWords {
    pub(super) servers: Vec<Word>,
    pub(super) types: Vec<Word>,
}

/// A mapping in the order of the text, with the places of its keys.
#[derive(Debug)]
pub(super) struct Entries<V>(pub(super) Vec<(Word, V)>);

/// One scalar, or a list of them; a key without a value is an empty list.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) at: Position,
    pub(super) list: Vec<Word>,
}

/// Reads the shape of a document. No text at all is an empty document.
pub(super) fn parse(text: &str) -> Result<Source, Fault> {
    if text.len() > MAX_TEXT {
        return Err(Fault::new(Position::START, "the document is larger than 4 MiB"));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 2,
            max_depth: 32,
            max_nodes: 1_000_000,
            max_events: 2_000_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_total_scalar_bytes: MAX_TEXT,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 8,
        },
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let source: Option<Source> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| fault(&error))?;
    Ok(source.unwrap_or_default())
}

fn fault(error: &Error) -> Fault {
    let at = error.location().map_or(Position::START, Position::from);
    let error = match error {
        Error::AliasError { error, .. } => error,
        other => other,
    };
    if let Error::SerdeUnknownField { field, expected, .. } = error {
        return unknown_key(at, field, expected.iter().copied());
    }
    Fault::new(at, message(error))
}

/// A key that is not one of these.
pub(super) fn unknown_key<'a>(at: Position, key: &str, known: impl IntoIterator<Item = &'a str>) -> Fault {
    Fault::new(at, format!("unknown key `{}`", clip(key))).suggesting(did_you_mean(key, known))
}

/// In words that need no knowledge of the parser; the place is told apart from them.
fn message(error: &Error) -> String {
    match error {
        Error::DuplicateMappingKey { key, .. } => {
            format!("duplicate key `{}`", clip(key.as_deref().unwrap_or_default()))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("expected {expected}, found {}", clip(unexpected))
        }
        Error::Unexpected { expected: "sequence start", .. } => "expected a list".to_owned(),
        Error::Unexpected { expected: "mapping start", .. } => "expected keys with values".to_owned(),
        Error::Unexpected { expected: "string scalar", .. } => "expected a word".to_owned(),
        Error::NullIntoString { .. } => "expected a word, found nothing".to_owned(),
        Error::InvalidBooleanStrict { .. } => "expected `true` or `false`".to_owned(),
        Error::InvalidScalar { ty: "u16" | "u32", .. } => {
            "expected a whole number that is not too large".to_owned()
        }
        Error::MergeKeyNotAllowed { .. } => "merge keys (`<<`) are not supported".to_owned(),
        Error::MultipleDocuments { .. } => "more than one document".to_owned(),
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } => {
            "the document has too many or too deeply nested parts".to_owned()
        }
        other => {
            let text = other.to_string();
            text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned()
        }
    }
}

/// Serde takes a key without a value for "not set". For a list of allowed hosts that would allow more than an empty
/// list does, so such a key is an empty value here.
fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl<V> Default for Entries<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
    type Value = Entries<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, defined } = Spanned::<OneOrMany>::deserialize(deserializer)?;
        let list = match value {
            OneOrMany::One(text) => vec![Spanned { value: text, referenced, defined }],
            OneOrMany::Many(words) => words,
        };
        Ok(Self { at: referenced.into(), list })
    }
}

enum OneOrMany {
    One(String),
    Many(Vec<Word>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word or a list of words")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(text.to_owned()))
    }

    // A number or a truth value is a word like any other here; whoever looks the word up can tell its place.
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(OneOrMany::One(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(OneOrMany::Many(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany::Many)
    }
}
