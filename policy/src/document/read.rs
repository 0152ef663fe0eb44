//! From spelling to meaning.
//!
//! Receives a [`Source`] and hands on the [`Document`]: every pattern is parsed, every name that is used is one that
//! is declared. The first mistake ends the reading, with the place of the word that is wrong.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Compat, Dns, Document, Enforcement, Entry, HandlerSource, Origin, Part, ResolveEntry, ResolveTarget,
    Route, Secret, Secrets,
    preset::preset,
    rule::{Answer, Rules},
    secret::{self, Declared, SecretWords, StoreSort},
    source::{Entries, RouteWords, Source, Word, Words},
    store::{StoreWords, Stores, stores},
    unseen, upstream_tls,
    wasm::Names,
    whole::{self, Places, tail},
};
use crate::{
    CanonicalHost, Fault, PatternError,
    authority::split_port,
    fault::{Position, clip, did_you_mean},
    pattern::{Target, error},
};

/// Longest name of a handler, a secret, a store or a binding, in octets.
const MAX_NAME: usize = 64;

/// What `source` says, after `earlier`.
pub(super) fn document(earlier: Document, source: Source, part: &Part<'_>) -> Result<Document, Fault> {
    let compat = compat(source.compat.as_ref(), &earlier)?;
    let origin = Origin::Document { source: part.source.map(Into::into), line: 1 };
    let mut rules = Rules::new(compat, origin);
    let (handlers_at, stores_at) = (Places::of(&source.handlers), Places::of(&source.stores));
    let secrets_at = Places::of(&source.secrets);
    let Document { mut handlers, mut secrets, stores: mut kept, .. } = earlier;
    secrets.extend(self::secrets(&secrets, source.secrets, &kept, &source.stores, &rules, part.base)?);
    kept.extend(stores(source.stores, &secrets, part.base)?);
    let names = Names { secrets: &secrets, stores: &kept, base: part.base };
    let read = |name: &Word, words| HandlerSource::read(name, words, names, &mut rules);
    handlers.extend(declared("handler", source.handlers, read)?);

    let mut allowed = earlier.allowed_hosts;
    for word in &source.presets {
        allowed.get_or_insert_default().extend(preset(word)?.entries()?);
    }
    if let Some(words) = source.allowed_hosts {
        allowed.get_or_insert_default().extend(rules.list(words, allowed_entry)?);
    }
    let enforcement = match source.monitor {
        Some(true) => Enforcement::Monitor,
        Some(false) => Enforcement::Enforce,
        None => earlier.enforcement,
    };
    let answer = source.answer.as_ref().map(Answer::read).transpose()?.map(Arc::new);
    let outbound = source.outbound.map(|words| catch_all(words, &mut rules, &handlers)).transpose()?;
    let roots = source.upstream_roots.into_iter().map(|word| file(word, part.base));
    let roots = roots.collect::<Result<_, _>>()?;
    let over_tls = upstream_tls::read(earlier.upstream_tls, source.upstream_tls, rules.strict(), part.base)?;
    let document = Document {
        compat,
        denied_hosts: join(earlier.denied_hosts, rules.list(source.denied_hosts, denied_entry)?),
        allowed_hosts: allowed,
        outbound_by_host: routes(earlier.outbound_by_host, source.outbound_by_host, &mut rules, &handlers)?,
        outbound: outbound.unwrap_or(earlier.outbound),
        enable_internet: match source.enable_internet {
            Some(enabled) => enabled,
            None => earlier.enable_internet || (compat != earlier.compat),
        },
        enforcement,
        answer: answer.or(earlier.answer),
        raw: join(earlier.raw, rules.list(source.raw, unseen::raw)?),
        passthrough: join(earlier.passthrough, rules.list(source.passthrough, unseen::passthrough)?),
        resolve: resolve(earlier.resolve, source.resolve)?,
        dns: Dns::read(source.dns, earlier.dns)?,
        upstream_roots: join(earlier.upstream_roots, roots),
        upstream_tls: over_tls,
        limits: earlier.limits.read(source.limits)?,
        tail: tail(earlier.tail, source.tail, &handlers)?,
        handlers,
        secrets,
        stores: kept,
    };
    whole::check(&document, &handlers_at, &stores_at)?;
    secret::check(&document, &secrets_at, &stores_at)?;
    Ok(document)
}

/// What this part declares. Secrets may be made of others, in whichever order they stand, and be read from stores, which in turn are
/// opened with secrets: so the names of both are known first.
fn secrets(
    earlier: &Secrets,
    entries: Entries<SecretWords>,
    kept: &Stores,
    stores: &Entries<StoreWords>,
    rules: &Rules,
    base: &Path,
) -> Result<Secrets, Fault> {
    let here = entries.0.iter().map(|(name, _)| &name.value);
    let secrets = earlier.keys().chain(here).map(|name| (name.clone(), ())).collect();
    let kept = kept.iter().map(|(name, store)| (name.clone(), StoreSort::from(store)));
    let here = stores.0.iter().map(|(name, words)| (name.value.clone(), StoreSort::from(words)));
    let stores = kept.chain(here).collect();
    let names = Declared { secrets: &secrets, stores: &stores, base };
    let mut rules = rules.strict();
    declared("secret", entries, |name, words| Secret::read(name, words, names, &mut rules))
}

fn join<T>(mut earlier: Vec<T>, later: Vec<T>) -> Vec<T> {
    earlier.extend(later);
    earlier
}

/// Whoever said something before, about the Internet too, meant it as it was then.
fn compat(word: Option<&Word>, earlier: &Document) -> Result<Compat, Fault> {
    let Some(word) = word else { return Ok(earlier.compat) };
    let fault =
        |message, cure: &str| Fault::new(word.referenced.into(), message).suggesting(Some(cure.to_owned()));
    match word.value.as_str() {
        "cloudflare" if earlier.compat == Compat::Cloudflare || *earlier == Document::default() => {
            Ok(Compat::Cloudflare)
        }
        "cloudflare" => {
            let message = "`compat` would change what an earlier document means".to_owned();
            Err(fault(message, "write it in the first document"))
        }
        other => {
            let message = format!("unknown compat `{}`", clip(other));
            Err(fault(message, "write `cloudflare`, or leave `compat` out"))
        }
    }
}

/// Names lead to addresses, and which requests those will get is not known when they are judged.
pub(crate) fn denied_entry(entry: &Entry) -> Result<(), PatternError> {
    let plain = entry.condition.is_empty() && entry.enforcement == Enforcement::Enforce;
    if matches!(entry.pattern.target, Target::Network(_)) && !plain {
        return Err(error(
            "an address or network is denied for every request, also for names that lead there",
            "leave `methods`, `paths` and `monitor` out",
        ));
    }
    Ok(())
}

pub(crate) fn allowed_entry(entry: &Entry) -> Result<(), PatternError> {
    if entry.answer.is_some() || entry.enforcement == Enforcement::Monitor {
        let message = "`answer` and `monitor` are for entries that refuse, and this one lets pass";
        return Err(error(message, "write them under `deniedHosts`, or at the top for all that is refused"));
    }
    Ok(())
}

pub(crate) fn routes(
    earlier: Vec<Route>,
    entries: Entries<RouteWords>,
    rules: &mut Rules,
    handlers: &BTreeMap<String, HandlerSource>,
) -> Result<Vec<Route>, Fault> {
    let mut seen = HashSet::new();
    let mut read = Vec::with_capacity(entries.0.len());
    for (key, words) in entries.0 {
        let entry = rules.pattern(&key.value, key.referenced.into())?;
        if !seen.insert(entry.pattern.clone()) {
            return Err(duplicate(&key));
        }
        read.extend(rules.routes(&entry, words, handlers)?);
    }
    let kept = earlier.into_iter().filter(|route| !seen.contains(&route.entry.pattern));
    Ok(kept.chain(read).collect())
}

pub(crate) fn catch_all(
    words: RouteWords,
    rules: &mut Rules,
    handlers: &BTreeMap<String, HandlerSource>,
) -> Result<Vec<Route>, Fault> {
    let entry = rules.pattern("*", words.at)?;
    rules.routes(&entry, words, handlers)
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

/// Handlers, secrets or stores, each under a well-formed name.
pub(super) fn declared<V, T>(
    kind: &str,
    entries: Entries<V>,
    mut read: impl FnMut(&Word, V) -> Result<T, Fault>,
) -> Result<BTreeMap<String, T>, Fault> {
    let mut map = BTreeMap::new();
    for (name, value) in entries.0 {
        if !is_name(&name.value) {
            return Err(not_a_name(kind, &name));
        }
        let value = read(&name, value)?;
        map.insert(name.value, value);
    }
    Ok(map)
}

pub(super) fn not_a_name(kind: &str, name: &Word) -> Fault {
    let message = format!("`{}` is no name for a {kind}", clip(&name.value));
    let cure = format!("write at most {MAX_NAME} letters, digits, `_` and `-`, with a letter or `_` first");
    Fault::new(name.referenced.into(), message).suggesting(Some(cure))
}

/// Whether a text can name what a document declares.
pub(super) fn is_name(text: &str) -> bool {
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    starts_well && text.len() <= MAX_NAME && text.bytes().all(rest)
}

/// A word that the operating system will be given: not empty, and without the octet that would end it early.
pub(super) fn text(kind: &str, word: Word) -> Result<String, Fault> {
    if word.value.is_empty() || word.value.contains('\0') {
        return Err(Fault::new(word.referenced.into(), format!("the {kind} is empty or holds a NUL")));
    }
    Ok(word.value)
}

/// A file that a document names, from the folder where its relative paths start.
pub(super) fn file(word: Word, base: &Path) -> Result<PathBuf, Fault> {
    text("file name", word).map(|name| base.join(name))
}

fn resolve(earlier: Vec<ResolveEntry>, entries: Entries<Words>) -> Result<Vec<ResolveEntry>, Fault> {
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
    let kept = earlier.into_iter().filter(|entry| !seen.contains(&(entry.host.clone(), entry.port)));
    Ok(kept.chain(list).collect())
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
