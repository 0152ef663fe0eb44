//! A handler that is a WebAssembly component: which one, and everything that it is granted, each thing under a name of its own.
//!
//! Receives words, hands on checked values. What is not granted here a component does not have: no secret, no store, no other host.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{
    Entry, Rules, Secrets,
    read::{duplicate, is_name, known, not_a_name, text},
    rule::matching_only,
    source::{Entries, HandlerWords, RuleWords, Word},
    store::{StoreKind, Stores},
};
use crate::{
    Document, Fault, Overrides, Policy,
    fault::{Position, clip, did_you_mean},
};

/// What begins the name of a component that is known by its content.
const HASH: &str = "sha256:";
/// Longest version, in characters.
const MAX_VERSION: usize = 64;
/// Most names that are bound in one handler.
const MAX_BINDINGS: usize = 100;
/// Most entries of `fetch` in one handler.
const MAX_FETCH: usize = 256;
/// Most calls of one instance.
const MAX_CALLS: u32 = 10_000;

/// A WebAssembly component, and what it is granted.
#[derive(Clone, Debug, PartialEq)]
pub struct WasmSource {
    /// Which one.
    pub component: ComponentSource,
    /// What its author calls this version of it: 1 to 64 printable ASCII characters.
    pub version: Option<String>,
    /// The secrets that it may ask for by name.
    pub secrets: Vec<String>,
    /// What it is handed as its parameters.
    pub params: Value,
    /// Strings by name.
    pub config: BTreeMap<String, String>,
    /// Stores of keys and values, under the names that it has for them.
    pub keyvalue: BTreeMap<String, String>,
    /// The same, but each instance of the proxy sees only what is its own.
    pub state: BTreeMap<String, String>,
    /// Stores of objects, under the names that it has for them.
    pub blobstore: BTreeMap<String, String>,
    /// Limits that it may ask, by name.
    pub rate_limits: BTreeMap<String, RateLimit>,
    /// The other hosts that it may fetch from.
    pub fetch: Vec<Entry>,
    /// How many calls an instance serves before it is dropped, 1 to 10,000; `None` leaves it to the kind of component.
    pub calls: Option<u32>,
    /// What becomes of a request on which it fails.
    pub on_error: OnError,
}

/// Where a component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentSource {
    /// In a file.
    Path {
        /// Its name.
        path: PathBuf,
        /// What its content must be.
        sha256: Option<ContentHash>,
    },
    /// Among those that were loaded before.
    Hash(ContentHash),
}

/// SHA-256 of a component's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 32]);

/// A bound on how often something may happen for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RateLimit {
    /// How often, at least 1.
    pub limit: u32,
    /// In which time, at least 1; any such time, not only whole ones.
    pub period_ms: u32,
}

/// What becomes of a request on which a handler fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// It is refused.
    #[default]
    Deny,
    /// It has been answered already: only for handlers that hear of what is over.
    Pass,
}

impl WasmSource {
    /// `wasm`, and what stands with it.
    pub(super) fn read(
        wasm: Word,
        words: HandlerWords,
        names: Names<'_>,
        rules: &mut Rules,
    ) -> Result<Self, Fault> {
        let mut bound = Bound::default();
        let store = |binding, kind| move |word| store(binding, kind, word, names.stores);
        Ok(Self {
            component: ComponentSource::read(wasm, words.sha256.as_ref(), names.base)?,
            version: words.version.map(version).transpose()?,
            secrets: bound.secrets(words.secrets, names.secrets)?,
            params: words.params.map(|value| value.value).unwrap_or_default(),
            config: bound.each(words.config, |word| Ok(word.value))?,
            keyvalue: bound.each(words.keyvalue, store("keyvalue", StoreKind::KeyValue))?,
            state: bound.each(words.state, store("state", StoreKind::KeyValue))?,
            blobstore: bound.each(words.blobstore, store("blobstore", StoreKind::Objects))?,
            rate_limits: bound.each(words.rate_limits, rate_limit)?,
            fetch: fetch(words.fetch, rules)?,
            calls: words.calls.map(|number| within("calls", &number, MAX_CALLS)).transpose()?,
            on_error: words.on_error.map(on_error).transpose()?.unwrap_or_default(),
        })
    }

    /// What it may fetch beside the request's own authority: the hosts of `fetch` and nothing else. Networks permit their addresses,
    /// also private ones, as in `allowedHosts`.
    pub fn fetch_policy(&self) -> Policy {
        let allowed = Document { allowed_hosts: Some(self.fetch.clone()), ..Document::default() };
        Policy::compile(&allowed, &Overrides::default())
    }
}

impl ContentHash {
    fn read(text: &str, at: Position) -> Result<Self, Fault> {
        let digits = text.bytes().filter_map(|byte| char::from(byte).to_digit(16)).collect::<Vec<_>>();
        let mut hash = Self([0; 32]);
        if digits.len() != text.len() || digits.len() != 2 * hash.0.len() {
            let message = format!("`{}` is no SHA-256: it has 64 hexadecimal digits", clip(text));
            return Err(Fault::new(at, message));
        }
        for (byte, pair) in hash.0.iter_mut().zip(digits.chunks(2)) {
            *byte = pair.iter().fold(0, |sum, digit| (sum << 4) | u8::try_from(*digit).unwrap_or_default());
        }
        Ok(hash)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ComponentSource {
    /// `wasm` is a file below `base`, or a hash.
    pub(crate) fn read(wasm: Word, sha256: Option<&Word>, base: &Path) -> Result<Self, Fault> {
        if let Some(digits) = wasm.value.strip_prefix(HASH) {
            if let Some(twice) = sha256 {
                return Err(Fault::new(
                    twice.referenced.into(),
                    "`wasm` says already what the content must be",
                ));
            }
            return ContentHash::read(digits, wasm.referenced.into()).map(Self::Hash);
        }
        let sha256 = sha256.map(|word| ContentHash::read(&word.value, word.referenced.into())).transpose()?;
        Ok(Self::Path { path: base.join(text("file name", wasm)?), sha256 })
    }

    /// What a document spells as `wasm`.
    pub(crate) fn wasm(&self) -> String {
        match self {
            Self::Path { path, .. } => path.to_string_lossy().into_owned(),
            Self::Hash(hash) => format!("{HASH}{hash}"),
        }
    }
}

/// The keys of a rate limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RateLimitWords {
    limit: Spanned<u32>,
    period_ms: Spanned<u32>,
}

/// What handlers may name.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) secrets: &'a Secrets,
    pub(super) stores: &'a Stores,
    /// Where relative paths begin.
    pub(super) base: &'a Path,
}

impl HandlerWords {
    /// The first key that only stands with `wasm`, and its place.
    pub(super) fn of_wasm(&self) -> Option<(&'static str, Position)> {
        fn at<T>(value: &Option<Spanned<T>>) -> Option<Position> {
            value.as_ref().map(|value| value.referenced.into())
        }
        let keys = [
            ("sha256", at(&self.sha256)),
            ("version", at(&self.version)),
            ("secrets", at(&self.secrets)),
            ("params", at(&self.params)),
            ("config", at(&self.config)),
            ("keyvalue", at(&self.keyvalue)),
            ("state", at(&self.state)),
            ("blobstore", at(&self.blobstore)),
            ("rateLimits", at(&self.rate_limits)),
            ("fetch", at(&self.fetch)),
            ("calls", at(&self.calls)),
            ("onError", at(&self.on_error)),
        ];
        keys.into_iter().find_map(|(key, at)| Some((key, at?)))
    }
}

/// The names by which a handler knows what it is granted: all of one kind to the handler, so that each is there once.
#[derive(Default)]
struct Bound(HashSet<String>);

impl Bound {
    fn bind(&mut self, name: &Word) -> Result<(), Fault> {
        if !is_name(&name.value) {
            return Err(not_a_name("binding", name));
        }
        if !self.0.insert(name.value.clone()) {
            let cure = "secrets, strings, stores and limits of one handler have different names".to_owned();
            return Err(duplicate(name).suggesting(Some(cure)));
        }
        if self.0.len() > MAX_BINDINGS {
            let message = format!("more than {MAX_BINDINGS} names in one handler");
            return Err(Fault::new(name.referenced.into(), message));
        }
        Ok(())
    }

    fn secrets(&mut self, list: Option<Spanned<Vec<Word>>>, secrets: &Secrets) -> Result<Vec<String>, Fault> {
        let granted = |word: Word| {
            // A name that is none is unknown as well, and so is better told.
            if secrets.contains_key(&word.value) {
                self.bind(&word)?;
            }
            known("secret", word, secrets)
        };
        list.map(|list| list.value).unwrap_or_default().into_iter().map(granted).collect()
    }

    fn each<V, T>(
        &mut self,
        entries: Option<Spanned<Entries<V>>>,
        read: impl Fn(V) -> Result<T, Fault>,
    ) -> Result<BTreeMap<String, T>, Fault> {
        let mut map = BTreeMap::new();
        for (name, value) in entries.map(|entries| entries.value).unwrap_or_default().0 {
            self.bind(&name)?;
            map.insert(name.value, read(value)?);
        }
        Ok(map)
    }
}

fn version(word: Word) -> Result<String, Fault> {
    let good = word.value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if good && (1..=MAX_VERSION).contains(&word.value.len()) {
        return Ok(word.value);
    }
    let message = format!("a version has 1 to {MAX_VERSION} printable ASCII characters");
    Err(Fault::new(word.referenced.into(), message))
}

fn store(binding: &str, kind: StoreKind, word: Word, stores: &Stores) -> Result<String, Fault> {
    let at = Position::from(word.referenced);
    let name = known("store", word, stores)?;
    match stores.get(&name) {
        Some(store) if store.kind() == kind => Ok(name),
        _ => {
            let (message, cure) = kind.refuse(&name, binding);
            Err(Fault::new(at, message).suggesting(Some(cure)))
        }
    }
}

fn rate_limit(words: RateLimitWords) -> Result<RateLimit, Fault> {
    Ok(RateLimit {
        limit: within("limit", &words.limit, u32::MAX)?,
        period_ms: within("periodMs", &words.period_ms, u32::MAX)?,
    })
}

/// From 1.
fn within(key: &str, number: &Spanned<u32>, most: u32) -> Result<u32, Fault> {
    if (1..=most).contains(&number.value) {
        return Ok(number.value);
    }
    Err(Fault::new(number.referenced.into(), format!("`{key}` must be from 1 to {most}")))
}

fn fetch(list: Option<Spanned<Vec<RuleWords>>>, rules: &mut Rules) -> Result<Vec<Entry>, Fault> {
    let list = list.map(|list| list.value).unwrap_or_default();
    if let Some(word) = list.get(MAX_FETCH) {
        return Err(Fault::new(word.referenced.into(), format!("more than {MAX_FETCH} entries of `fetch`")));
    }
    rules.list(list, |entry| matching_only(entry, "what a handler may fetch"))
}

fn on_error(word: Word) -> Result<OnError, Fault> {
    match word.value.as_str() {
        "deny" => Ok(OnError::Deny),
        "pass" => Ok(OnError::Pass),
        other => {
            let cure = did_you_mean(other, ["deny", "pass"]);
            let message = format!("`onError` is `deny` or `pass`, and not `{}`", clip(other));
            Err(Fault::new(word.referenced.into(), message).suggesting(cure))
        }
    }
}
