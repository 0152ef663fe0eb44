//! The document as it is spelled: the keys, each value with its place in the text, and no meaning yet.
//!
//! Receives text, hands on a [`Source`] whose shape is right: known keys only, each once, values of the right type.
//! The size of the text and what aliases may make of it are bounded, for whoever writes it may not mean well.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, Error as DeError, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::Value;
use serde_saphyr::{Error, Spanned};

use super::{
    inject::BasicWords, secret::SecretWords, sign::SignWords, store::StoreWords,
    upstream_tls::UpstreamTlsWords, wasm::RateLimitWords,
};
use crate::{
    Fault,
    fault::{Position, clip, did_you_mean},
};

/// Largest text of a document, in octets.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// A scalar and its place.
pub(crate) type Word = Spanned<String>;

/// The keys of a document.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Source {
    pub(crate) compat: Option<Word>,
    pub(crate) presets: Vec<Word>,
    pub(crate) denied_hosts: Vec<RuleWords>,
    #[serde(deserialize_with = "some")]
    pub(crate) allowed_hosts: Option<Vec<RuleWords>>,
    pub(crate) outbound_by_host: Entries<RouteWords>,
    #[serde(deserialize_with = "some")]
    pub(crate) outbound: Option<RouteWords>,
    #[serde(deserialize_with = "some")]
    pub(crate) enable_internet: Option<bool>,
    #[serde(deserialize_with = "some")]
    pub(crate) monitor: Option<bool>,
    pub(crate) answer: Option<AnswerWords>,
    pub(crate) raw: Vec<RuleWords>,
    pub(crate) passthrough: Vec<RuleWords>,
    pub(crate) handlers: Entries<HandlerWords>,
    pub(crate) tail: Vec<Word>,
    pub(crate) secrets: Entries<SecretWords>,
    pub(crate) stores: Entries<StoreWords>,
    pub(crate) resolve: Entries<Words>,
    pub(crate) dns: DnsWords,
    pub(crate) upstream_roots: Vec<Word>,
    pub(crate) upstream_tls: Vec<UpstreamTlsWords>,
    pub(crate) limits: Entries<Spanned<u32>>,
}

/// The keys of what was changed at run time.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct OverrideSource {
    #[serde(deserialize_with = "some")]
    pub(crate) denied_hosts: Option<Vec<RuleWords>>,
    #[serde(deserialize_with = "some")]
    pub(crate) allowed_hosts: Option<Vec<RuleWords>>,
    pub(crate) outbound_by_host: Entries<RouteWords>,
    #[serde(deserialize_with = "some")]
    pub(crate) outbound: Option<RouteWords>,
    pub(crate) handlers: Entries<ComponentWords>,
}

/// The keys of a component.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentWords {
    pub(crate) wasm: Word,
    pub(crate) sha256: Option<Word>,
}

/// An entry of a list: a pattern, or keys.
pub(crate) type RuleWords = Spanned<WordOr<RuleKeys>>;

/// A scalar, or a mapping.
#[derive(Debug)]
pub(crate) enum WordOr<K> {
    Word(String),
    Keys(K),
}

/// The keys of an entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleKeys {
    pub(crate) host: Word,
    pub(crate) name: Option<Word>,
    #[serde(default, deserialize_with = "some")]
    pub(crate) methods: Option<Words>,
    #[serde(default, deserialize_with = "some")]
    pub(crate) paths: Option<Words>,
    pub(crate) answer: Option<AnswerWords>,
    pub(crate) monitor: Option<Spanned<bool>>,
}

/// What serves a host: handlers, or rules that name them.
#[derive(Debug)]
pub(crate) struct RouteWords {
    pub(crate) at: Position,
    pub(crate) list: Vec<Spanned<WordOr<RouteKeys>>>,
}

/// The keys of a rule that names handlers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteKeys {
    pub(crate) handlers: Words,
    pub(crate) params: Option<Value>,
    pub(crate) name: Option<Word>,
    pub(crate) upgrade: Option<Word>,
    #[serde(default, deserialize_with = "some")]
    pub(crate) methods: Option<Words>,
    #[serde(default, deserialize_with = "some")]
    pub(crate) paths: Option<Words>,
}

/// The keys of `answer`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerWords {
    pub(crate) status: Option<Spanned<u16>>,
    #[serde(default)]
    pub(crate) headers: Entries<Word>,
    #[serde(default)]
    pub(crate) body: String,
}

/// The keys of a handler; which of them go together is judged later.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct HandlerWords {
    #[serde(default, deserialize_with = "some")]
    pub(crate) inject: Option<Entries<Word>>,
    pub(crate) bearer: Option<Word>,
    pub(crate) basic: Option<BasicWords>,
    #[serde(default, deserialize_with = "some")]
    pub(crate) query: Option<Entries<Word>>,
    pub(crate) sign: Option<SignWords>,
    #[serde(default, deserialize_with = "some")]
    pub(crate) deny: Option<DenyWords>,
    #[serde(default, deserialize_with = "some")]
    pub(crate) respond: Option<RespondWords>,
    pub(crate) wasm: Option<Word>,
    pub(crate) sha256: Option<Word>,
    pub(crate) version: Option<Word>,
    pub(crate) secrets: Option<Spanned<Vec<Word>>>,
    pub(crate) params: Option<Spanned<Value>>,
    pub(crate) config: Option<Spanned<Entries<Word>>>,
    pub(crate) keyvalue: Option<Spanned<Entries<Word>>>,
    pub(crate) state: Option<Spanned<Entries<Word>>>,
    pub(crate) blobstore: Option<Spanned<Entries<Word>>>,
    pub(crate) rate_limits: Option<Spanned<Entries<RateLimitWords>>>,
    pub(crate) fetch: Option<Spanned<Vec<RuleWords>>>,
    pub(crate) calls: Option<Spanned<u32>>,
    pub(crate) on_error: Option<Word>,
}

/// The keys of `deny`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DenyWords {
    pub(crate) status: Option<Spanned<u16>>,
    pub(crate) reason: Option<Word>,
}

/// The keys of `respond`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RespondWords {
    pub(crate) status: Option<Spanned<u16>>,
    #[serde(default)]
    pub(crate) headers: Entries<Word>,
    #[serde(default)]
    pub(crate) body: String,
}

/// The keys of `dns`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DnsWords {
    pub(crate) servers: Vec<Word>,
    pub(crate) types: Vec<Word>,
}

/// A mapping in the order of the text, with the places of its keys.
#[derive(Debug)]
pub(crate) struct Entries<V>(pub(crate) Vec<(Word, V)>);

/// One scalar, or a list of them; a key without a value is an empty list.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) at: Position,
    pub(crate) list: Vec<Word>,
}

/// Reads the shape of a document, or of another text with such words in it. No text at all is nothing said.
pub(crate) fn parse<T: DeserializeOwned + Default>(text: &str) -> Result<T, Fault> {
    read(text).map(Option::unwrap_or_default)
}

/// The same for what has to say something.
pub(crate) fn parse_body<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    read(text)?.ok_or_else(|| Fault::new(Position::START, "there is nothing in it"))
}

/// `None`: there is no text.
fn read<T: DeserializeOwned>(text: &str) -> Result<Option<T>, Fault> {
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
    serde_saphyr::from_str_with_options(text, options).map_err(|error| fault(&error))
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
pub(crate) fn unknown_key<'a>(at: Position, key: &str, known: impl IntoIterator<Item = &'a str>) -> Fault {
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
pub(crate) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
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
        let (at, list) = one_or_many(deserializer)?;
        Ok(Self { at, list })
    }
}

impl<'de> Deserialize<'de> for RouteWords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (at, list) = one_or_many(deserializer)?;
        Ok(Self { at, list })
    }
}

pub(crate) fn one_or_many<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(Position, Vec<Spanned<T>>), D::Error> {
    let Spanned { value, referenced, defined } = Spanned::<OneOrMany<T>>::deserialize(deserializer)?;
    let list = match value {
        OneOrMany::One(value) => vec![Spanned { value, referenced, defined }],
        OneOrMany::Many(list) => list,
    };
    Ok((referenced.into(), list))
}

enum OneOrMany<T> {
    One(T),
    Many(Vec<Spanned<T>>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

/// A number or a truth value is a word like any other here; whoever looks the word up can tell its place.
macro_rules! scalars_are_words {
    () => {
        fn visit_bool<E: DeError>(self, value: bool) -> Result<Self::Value, E> {
            self.visit_str(&value.to_string())
        }

        fn visit_i64<E: DeError>(self, value: i64) -> Result<Self::Value, E> {
            self.visit_str(&value.to_string())
        }

        fn visit_u64<E: DeError>(self, value: u64) -> Result<Self::Value, E> {
            self.visit_str(&value.to_string())
        }

        fn visit_f64<E: DeError>(self, value: f64) -> Result<Self::Value, E> {
            self.visit_str(&value.to_string())
        }
    };
}

struct OneOrManyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word or a list of words")
    }

    fn visit_str<E: DeError>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(text.into_deserializer()).map(OneOrMany::One)
    }

    scalars_are_words!();

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(OneOrMany::Many(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany::Many)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(OneOrMany::One)
    }
}

impl<'de, K: Deserialize<'de>> Deserialize<'de> for WordOr<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrVisitor(PhantomData))
    }
}

struct WordOrVisitor<K>(PhantomData<K>);

impl<'de, K: Deserialize<'de>> Visitor<'de> for WordOrVisitor<K> {
    type Value = WordOr<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word or keys with values")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(WordOr::Word(text.to_owned()))
    }

    scalars_are_words!();

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        K::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Keys)
    }
}
