//! The verbs of a change, each with the keys of its body.
//!
//! Receives a verb and its body as text, JSON or YAML, and hands on everything that is changed then; the first mistake in the body
//! is told with its place. What is not there cannot be removed, which changes nothing and is no mistake.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::{Overrides, component, without};
use crate::{
    ComponentSource, Document, Entry, Fault, Origin, Pattern, PatternError,
    document::{
        ComponentWords, Entries, RouteKeys, RouteWords, RuleWords, Rules, Word, WordOr, Words, allowed_entry,
        catch_all, denied_entry, one_or_many, parse, parse_body, program, routes, some, unknown_key,
    },
    fault::Position,
};

/// What can be asked for, as far as it goes by Cloudflare's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Handlers for every host that has none of its own.
    SetOutboundHandler,
    /// The document's again.
    RemoveOutboundHandler,
    /// Handlers for one pattern.
    SetOutboundByHost,
    /// These and no others.
    SetOutboundByHosts,
    /// The document's again, for one pattern.
    RemoveOutboundByHost,
    /// These and no others.
    SetAllowedHosts,
    /// These and no others.
    SetDeniedHosts,
    /// One more.
    AllowHost,
    /// One more.
    DenyHost,
    /// One less.
    RemoveAllowedHost,
    /// One less.
    RemoveDeniedHost,
    /// Another component for a handler of the document.
    SetHandler,
    /// The document's again.
    ResetHandler,
    /// The document alone.
    Clear,
}

impl Verb {
    /// All that there are.
    pub const ALL: [Self; 14] = [
        Self::SetOutboundHandler,
        Self::RemoveOutboundHandler,
        Self::SetOutboundByHost,
        Self::SetOutboundByHosts,
        Self::RemoveOutboundByHost,
        Self::SetAllowedHosts,
        Self::SetDeniedHosts,
        Self::AllowHost,
        Self::DenyHost,
        Self::RemoveAllowedHost,
        Self::RemoveDeniedHost,
        Self::SetHandler,
        Self::ResetHandler,
        Self::Clear,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SetOutboundHandler => "setOutboundHandler",
            Self::RemoveOutboundHandler => "removeOutboundHandler",
            Self::SetOutboundByHost => "setOutboundByHost",
            Self::SetOutboundByHosts => "setOutboundByHosts",
            Self::RemoveOutboundByHost => "removeOutboundByHost",
            Self::SetAllowedHosts => "setAllowedHosts",
            Self::SetDeniedHosts => "setDeniedHosts",
            Self::AllowHost => "allowHost",
            Self::DenyHost => "denyHost",
            Self::RemoveAllowedHost => "removeAllowedHost",
            Self::RemoveDeniedHost => "removeDeniedHost",
            Self::SetHandler => "setHandler",
            Self::ResetHandler => "resetHandler",
            Self::Clear => "clear",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == name)
    }
}

impl Overrides {
    /// What was changed, and this change.
    pub fn change(&self, verb: Verb, body: &str, document: &Document) -> Result<Self, Fault> {
        let mut rules = Rules::new(document.compat, Origin::RunTime);
        let handlers = &document.handlers;
        let mut next = self.clone();
        match verb {
            Verb::SetOutboundHandler => {
                let (None, words) = served(body)? else { return Err(no_key("host")) };
                next.outbound = catch_all(words, &mut rules, handlers)?;
            }
            Verb::RemoveOutboundHandler => {
                let Nothing {} = parse(body)?;
                next.outbound.clear();
            }
            Verb::SetOutboundByHost => {
                let (Some(host), words) = served(body)? else { return Err(missing("host")) };
                let entry = rules.pattern(&host.value, host.referenced.into())?;
                next.set_outbound_by_host(&entry.pattern, rules.routes(&entry, words, handlers)?);
            }
            Verb::SetOutboundByHosts => {
                next.outbound_by_host = routes(Vec::new(), served_hosts(body)?, &mut rules, handlers)?;
            }
            Verb::RemoveOutboundByHost => next.remove_outbound_by_host(&pattern(body, &mut rules)?),
            Verb::SetAllowedHosts => {
                let Hosts { hosts } = parse_body(body)?;
                next.allowed_hosts = Some(rules.list(hosts, allowed_entry)?);
            }
            Verb::SetDeniedHosts => {
                let Hosts { hosts } = parse_body(body)?;
                next.denied_hosts = Some(rules.list(hosts, denied_entry)?);
            }
            Verb::AllowHost => {
                let now = self.allowed_now(document, &mut rules)?;
                next.allowed_hosts = Some(with(now, entry(body, &mut rules, allowed_entry)?));
            }
            Verb::DenyHost => {
                let now = self.denied_now(document, &mut rules)?;
                next.denied_hosts = Some(with(now, entry(body, &mut rules, denied_entry)?));
            }
            Verb::RemoveAllowedHost => {
                let now = self.allowed_now(document, &mut rules)?;
                next.allowed_hosts = without(now, &pattern(body, &mut rules)?).or(next.allowed_hosts);
            }
            Verb::RemoveDeniedHost => {
                let now = self.denied_now(document, &mut rules)?;
                next.denied_hosts = without(now, &pattern(body, &mut rules)?).or(next.denied_hosts);
            }
            Verb::SetHandler => next.handlers.extend([set_handler(body, document)?]),
            Verb::ResetHandler => {
                let Name { name } = parse_body(body)?;
                next.handlers.remove(&program(name, handlers)?);
            }
            Verb::Clear => {
                let Nothing {} = parse(body)?;
                next = Self::default();
            }
        }
        Ok(next)
    }
}

/// A handler of the document, with the component that it is to run.
fn set_handler(body: &str, document: &Document) -> Result<(String, ComponentSource), Fault> {
    let SetHandler { name, wasm, sha256 } = parse_body(body)?;
    component(name, ComponentWords { wasm, sha256 }, document)
}

/// No key at all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Host<T> {
    host: T,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hosts<T> {
    hosts: T,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: Word,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetHandler {
    name: Word,
    wasm: Word,
    sha256: Option<Word>,
}

/// A rule that names handlers, under any of the keys by which Cloudflare's API does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServedKeys {
    host: Option<Word>,
    handler: Option<Words>,
    handlers: Option<Words>,
    method: Option<Words>,
    params: Option<Value>,
    name: Option<Word>,
    upgrade: Option<Word>,
    #[serde(default, deserialize_with = "some")]
    methods: Option<Words>,
    #[serde(default, deserialize_with = "some")]
    paths: Option<Words>,
}

impl ServedKeys {
    fn route(self) -> Result<(Option<Word>, RouteKeys), Fault> {
        let Self { host, handler, handlers, method, params, name, upgrade, methods, paths } = self;
        let mut named = [handler, handlers, method].into_iter().flatten();
        let (Some(handlers), None) = (named.next(), named.next()) else {
            let message = "handlers are named under exactly one of `handler`, `handlers` and `method`";
            return Err(Fault::new(Position::START, message));
        };
        Ok((host, RouteKeys { handlers, params, name, upgrade, methods, paths }))
    }
}

/// What serves a host, as `outboundByHost` of a document has it, under those keys.
struct ServedWords {
    at: Position,
    list: Vec<Spanned<WordOr<ServedKeys>>>,
}

impl<'de> Deserialize<'de> for ServedWords {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (at, list) = one_or_many(deserializer)?;
        Ok(Self { at, list })
    }
}

impl ServedWords {
    fn routes(self) -> Result<RouteWords, Fault> {
        let read = |Spanned { value, referenced, defined }: Spanned<WordOr<ServedKeys>>| {
            let value = match value {
                WordOr::Word(name) => WordOr::Word(name),
                WordOr::Keys(keys) => match keys.route()? {
                    (None, keys) => WordOr::Keys(keys),
                    (Some(host), _) => {
                        return Err(unknown_key(host.referenced.into(), "host", SERVED));
                    }
                },
            };
            Ok(Spanned { value, referenced, defined })
        };
        Ok(RouteWords { at: self.at, list: self.list.into_iter().map(read).collect::<Result<_, _>>()? })
    }
}

const SERVED: [&str; 8] = ["handler", "handlers", "method", "params", "name", "upgrade", "methods", "paths"];

/// One rule that is the whole body.
fn served(body: &str) -> Result<(Option<Word>, RouteWords), Fault> {
    let Spanned { value, referenced, defined } = parse_body::<Spanned<ServedKeys>>(body)?;
    let (host, keys) = value.route()?;
    let list = vec![Spanned { value: WordOr::Keys(keys), referenced, defined }];
    Ok((host, RouteWords { at: referenced.into(), list }))
}

/// Rules by their patterns.
fn served_hosts(body: &str) -> Result<Entries<RouteWords>, Fault> {
    let Hosts { hosts } = parse_body::<Hosts<Entries<ServedWords>>>(body)?;
    let read = |(host, words): (Word, ServedWords)| Ok((host, words.routes()?));
    hosts.0.into_iter().map(read).collect::<Result<_, Fault>>().map(Entries)
}

/// The one entry that is the whole body.
fn entry(
    body: &str,
    rules: &mut Rules,
    check: impl Fn(&Entry) -> Result<(), PatternError>,
) -> Result<Vec<Entry>, Fault> {
    let Host { host } = parse_body::<Host<RuleWords>>(body)?;
    rules.list(vec![host], check)
}

/// Whatever is there already stays where it is.
fn with(mut list: Vec<Entry>, entries: Vec<Entry>) -> Vec<Entry> {
    for entry in entries {
        if !list.contains(&entry) {
            list.push(entry);
        }
    }
    list
}

fn pattern(body: &str, rules: &mut Rules) -> Result<Pattern, Fault> {
    let Host { host } = parse_body::<Host<Word>>(body)?;
    Ok(rules.pattern(&host.value, host.referenced.into())?.pattern)
}

fn no_key(key: &str) -> Fault {
    unknown_key(Position::START, key, SERVED)
}

fn missing(key: &str) -> Fault {
    Fault::new(Position::START, format!("the key `{key}` is missing"))
}
