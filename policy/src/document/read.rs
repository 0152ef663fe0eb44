//! From spelling to meaning.
//!
//! Receives a [`Source`] and hands on the [`Document`]: every pattern is parsed, every name that is used is one that
//! is declared. The first mistake ends the reading, with the place of the word that is wrong.

use std::collections::{BTreeMap, HashSet};

use super::{
    Dns, Document, Entry, HandlerSource, Limits, ResolveEntry, ResolveTarget, Route, SecretSource,
    source::{Entries, SecretWords, Source, Word, Words},
    unseen,
};
use crate::{
    CanonicalHost, Fault, Pattern, PatternError,
    authority::split_port,
    fault::{Position, clip, did_you_mean},
};

/// Patterns with a `*` behind another label: each is compiled to a matcher of its own, of some kilobytes.
const MAX_INNER_STARS: usize = 1_000;
/// Longest name of a handler or a secret, in octets.
const MAX_NAME: usize = 64;

pub(super) fn document(source: Source) -> Result<Document, Fault> {
    let mut patterns = Patterns { inner_stars: 0 };
    let secrets = declared("secret", source.secrets, secret)?;
    let handlers =
        declared("handler", source.handlers, |name, words| HandlerSource::read(name, words, &secrets))?;
    Ok(Document {
        denied_hosts: patterns.list(&source.denied_hosts)?,
        allowed_hosts: source.allowed_hosts.map(|words| patterns.list(&words)).transpose()?,
        outbound_by_host: routes(source.outbound_by_host, &mut patterns, &handlers)?,
        outbound: source
            .outbound
            .map(|words| handler_names(words, &handlers))
            .transpose()?
            .unwrap_or_default(),
        enable_internet: source.enable_internet,
        raw: patterns.each(&source.raw, unseen::raw)?,
        passthrough: patterns.each(&source.passthrough, unseen::passthrough)?,
        resolve: resolve(source.resolve)?,
        dns: Dns::read(source.dns)?,
        upstream_roots: source
            .upstream_roots
            .into_iter()
            .map(|word| text("file name", word))
            .collect::<Result<_, _>>()?,
        limits: Limits::read(source.limits)?,
        handlers,
        secrets,
    })
}

/// Reads patterns and counts the costly ones.
struct Patterns {
    inner_stars: usize,
}

impl Patterns {
    fn entry(&mut self, word: &Word) -> Result<Entry, Fault> {
        let at = Position::from(word.referenced);
        let pattern = Pattern::parse(&word.value)
            .map_err(|error| Fault::new(at, error.message).suggesting(error.suggestion))?;
        self.inner_stars += usize::from(pattern.has_inner_star());
        if self.inner_stars > MAX_INNER_STARS {
            let message = format!("more than {MAX_INNER_STARS} patterns have a `*` behind another label");
            return Err(Fault::new(at, message));
        }
        Ok(Entry { pattern, line: at.line })
    }

    fn list(&mut self, words: &[Word]) -> Result<Vec<Entry>, Fault> {
        words.iter().map(|word| self.entry(word)).collect()
    }

    /// A list whose patterns have more to obey.
    fn each(
        &mut self,
        words: &[Word],
        check: impl Fn(&Pattern) -> Result<(), PatternError>,
    ) -> Result<Vec<Entry>, Fault> {
        let checked = |word: &Word| {
            let entry = self.entry(word)?;
            check(&entry.pattern).map_err(|error| {
                let message = format!("`{}`: {}", clip(&word.value), error.message);
                Fault::new(word.referenced.into(), message).suggesting(error.suggestion)
            })?;
            Ok(entry)
        };
        words.iter().map(checked).collect()
    }
}

fn routes(
    entries: Entries<Words>,
    patterns: &mut Patterns,
    handlers: &BTreeMap<String, HandlerSource>,
) -> Result<Vec<Route>, Fault> {
    let mut seen = HashSet::new();
    let mut routes = Vec::with_capacity(entries.0.len());
    for (key, words) in entries.0 {
        let entry = patterns.entry(&key)?;
        if !seen.insert(entry.pattern.clone()) {
            return Err(duplicate(&key));
        }
        routes.push(Route { entry, handlers: handler_names(words, handlers)? });
    }
    Ok(routes)
}

/// In their order. A program behind `inject` is refused: it would be handed secrets that nobody granted to it.
fn handler_names(words: Words, handlers: &BTreeMap<String, HandlerSource>) -> Result<Vec<String>, Fault> {
    if words.list.is_empty() {
        return Err(Fault::new(words.at, "no handler is named"));
    }
    let mut injected = false;
    let checked = |word: Word| {
        let at = Position::from(word.referenced);
        let name = known("handler", word, handlers)?;
        match handlers.get(&name) {
            Some(HandlerSource::Wasm { .. }) if injected => {
                let message = format!("`{}` would see the secrets that are injected before it", clip(&name));
                return Err(Fault::new(at, message).suggesting(Some("name it before them".to_owned())));
            }
            Some(handler) => injected |= handler.injects_secrets(),
            None => {}
        }
        Ok(name)
    };
    words.list.into_iter().map(checked).collect()
}

/// A name that must be a key of `names`.
pub(super) fn known<V>(kind: &str, word: Word, names: &BTreeMap<String, V>) -> Result<String, Fault> {
    if names.contains_key(&word.value) {
        return Ok(word.value);
    }
    Err(unknown(kind, word.referenced.into(), &word.value, names))
}

pub(super) fn unknown<V>(kind: &str, at: Position, name: &str, names: &BTreeMap<String, V>) -> Fault {
    let declare = || Some(format!("declare it under `{kind}s`"));
    let suggestion = did_you_mean(name, names.keys().map(String::as_str)).or_else(declare);
    Fault::new(at, format!("unknown {kind} `{}`", clip(name))).suggesting(suggestion)
}

/// The handlers or the secrets, each under a well-formed name.
fn declared<V, T>(
    kind: &str,
    entries: Entries<V>,
    read: impl Fn(&Word, V) -> Result<T, Fault>,
) -> Result<BTreeMap<String, T>, Fault> {
    let mut map = BTreeMap::new();
    for (name, value) in entries.0 {
        if !is_name(&name.value) {
            let message = format!("`{}` is no name for a {kind}", clip(&name.value));
            let cure =
                format!("write at most {MAX_NAME} letters, digits, `_` and `-`, with a letter or `_` first");
            return Err(Fault::new(name.referenced.into(), message).suggesting(Some(cure)));
        }
        let value = read(&name, value)?;
        map.insert(name.value, value);
    }
    Ok(map)
}

/// Whether a text can name a handler or a secret.
pub(super) fn is_name(text: &str) -> bool {
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    starts_well && text.len() <= MAX_NAME && text.bytes().all(rest)
}

fn secret(name: &Word, words: SecretWords) -> Result<SecretSource, Fault> {
    match (words.env, words.file) {
        (Some(variable), None) if variable.value.contains('=') => {
            Err(Fault::new(variable.referenced.into(), "the name of an environment variable has no `=`"))
        }
        (Some(variable), None) => text("variable name", variable).map(SecretSource::Env),
        (None, Some(file)) => text("file name", file).map(SecretSource::File),
        _ => {
            let message = format!("secret `{}` needs exactly one of `env` and `file`", name.value);
            Err(Fault::new(name.referenced.into(), message))
        }
    }
}

/// A word that the operating system will be given: not empty, and without the octet that would end it early.
pub(super) fn text(kind: &str, word: Word) -> Result<String, Fault> {
    if word.value.is_empty() || word.value.contains('\0') {
        return Err(Fault::new(word.referenced.into(), format!("the {kind} is empty or holds a NUL")));
    }
    Ok(word.value)
}

fn resolve(entries: Entries<Words>) -> Result<Vec<ResolveEntry>, Fault> {
    let mut seen = HashSet::new();
    let mut list = Vec::with_capacity(entries.0.len());
    for (key, words) in entries.0 {
        let parsed = split_port(&key.value).and_then(|(host, port)| Ok((CanonicalHost::parse(host)?, port)));
        let (host, port) = parsed.map_err(|cause| {
            Fault::new(key.referenced.into(), format!("`{}` is no host: {cause}", clip(&key.value)))
        })?;
        if !seen.insert((host.clone(), port)) {
            return Err(duplicate(&key));
        }
        if words.list.is_empty() {
            return Err(Fault::new(words.at, "no address is named"));
        }
        let to = words.list.iter().map(target).collect::<Result<_, _>>()?;
        list.push(ResolveEntry { host, port, to });
    }
    Ok(list)
}

pub(super) fn target(word: &Word) -> Result<ResolveTarget, Fault> {
    if let Ok(address) = word.value.parse() {
        return Ok(ResolveTarget { address, port: None });
    }
    let parsed = split_port(&word.value).and_then(|(host, port)| Ok((CanonicalHost::parse(host)?, port)));
    if let Ok((host, port)) = parsed
        && let Some(address) = host.address()
    {
        return Ok(ResolveTarget { address, port });
    }
    let message = format!("`{}` is no address", clip(&word.value));
    let cure = "write an IP address, or an IP address and a port as in `127.0.0.1:8443` or `[::1]:8443`";
    Err(Fault::new(word.referenced.into(), message).suggesting(Some(cure.to_owned())))
}

pub(super) fn duplicate(key: &Word) -> Fault {
    Fault::new(key.referenced.into(), format!("`{}` is here a second time", clip(&key.value)))
}
