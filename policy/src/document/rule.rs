//! The entries of lists and the rules that name handlers, as typed values: what they match, on what condition, and what they
//! are called.
//!
//! Receives words and hands on checked values, each with its origin, which is how a person finds the rule again.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;
use serde_saphyr::Spanned;

use super::{
    Compat, HandlerSource,
    handler::{read_headers, read_status},
    source::{AnswerWords, RouteKeys, RouteWords, RuleKeys, RuleWords, Word, WordOr, Words},
    whole::{chain, is_program, params_for_none},
};
use crate::{
    Condition, Fault, PathPattern, Pattern, PatternError, Scheme,
    condition::check_method,
    fault::{Position, clip},
    pattern::{Globs, error},
};

/// Patterns with a `*` behind another label, and paths with a `*` in the middle: each is compiled to a matcher of its own, of some
/// kilobytes.
const MAX_COSTLY: usize = 1_000;
/// Longest name of a rule, in characters.
const MAX_NAME: usize = 100;

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it matches.
    pub pattern: Pattern,
    /// For which requests.
    pub condition: Condition,
    /// What its author calls it.
    pub name: Option<Arc<str>>,
    /// What a request is answered with that it refuses.
    pub answer: Option<Arc<Answer>>,
    /// Whether it does what it says.
    pub enforcement: Enforcement,
    /// Where it stands.
    pub origin: Origin,
}

/// A rule that names handlers.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The requests.
    pub entry: Entry,
    /// The names of the handlers, first to last; never empty.
    pub handlers: Vec<String>,
    /// What programs among them are handed as their parameters instead of their own.
    pub params: Option<Value>,
    /// What becomes of requests without TLS.
    pub upgrade: Upgrade,
}

/// What becomes of requests without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Upgrade {
    /// They stay what they are.
    #[default]
    Keep,
    /// They go to the upstream over TLS, and are decided as such.
    Https,
}

/// Whether a rule that refuses does so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Enforcement {
    /// It does.
    #[default]
    Enforce,
    /// It only leaves a note in the record.
    Monitor,
}

/// What a refused request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 400 to 599.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: String,
}

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a document.
    Document {
        /// Its name, when there are several.
        source: Option<Arc<str>>,
        /// 1-based.
        line: u64,
    },
    /// It was added while the instance ran.
    RunTime,
}

impl Origin {
    /// The same document, another line.
    pub(crate) fn at(&self, line: u64) -> Self {
        match self {
            Self::Document { source, .. } => Self::Document { source: source.clone(), line },
            Self::RunTime => Self::RunTime,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document { source: None, line } => write!(f, "line {line}"),
            Self::Document { source: Some(source), line } => write!(f, "{source}, line {line}"),
            Self::RunTime => f.write_str("at run time"),
        }
    }
}

impl Entry {
    /// All requests that `pattern` matches.
    pub fn new(pattern: Pattern, origin: Origin) -> Self {
        Self {
            pattern,
            condition: Condition::default(),
            name: None,
            answer: None,
            enforcement: Enforcement::Enforce,
            origin,
        }
    }
}

/// Reads entries; counts those that are costly.
pub(crate) struct Rules {
    globs: Globs,
    /// On whichever line.
    origin: Origin,
    costly: usize,
}

impl Rules {
    pub(crate) fn new(compat: Compat, origin: Origin) -> Self {
        let globs = match compat {
            Compat::Strict => Globs::WholeLabels,
            Compat::Cloudflare => Globs::Anywhere,
        };
        Self { globs, origin, costly: 0 }
    }

    /// The same places, and no loose globs.
    pub(super) fn strict(&self) -> Self {
        Self::new(Compat::Strict, self.origin.clone())
    }

    /// A list; `check` says what its entries have to obey beside.
    pub(crate) fn list(
        &mut self,
        words: Vec<RuleWords>,
        check: impl Fn(&Entry) -> Result<(), PatternError>,
    ) -> Result<Vec<Entry>, Fault> {
        let mut entries = Vec::with_capacity(words.len());
        for word in words {
            let at = Position::from(word.referenced);
            let (entry, at) = match word.value {
                WordOr::Word(text) => (self.pattern(&text, at)?, at),
                WordOr::Keys(keys) => (self.keys(&keys)?, keys.host.referenced.into()),
            };
            check(&entry).map_err(|error| {
                let message = format!("`{}`: {}", entry.pattern, error.message);
                Fault::new(at, message).suggesting(error.suggestion)
            })?;
            entries.push(entry);
        }
        Ok(entries)
    }

    fn keys(&mut self, keys: &RuleKeys) -> Result<Entry, Fault> {
        let entry = self.pattern(&keys.host.value, keys.host.referenced.into())?;
        let monitored = keys.monitor.as_ref().is_some_and(|word| word.value);
        Ok(Entry {
            condition: self.condition(keys.methods.as_ref(), keys.paths.as_ref())?,
            name: keys.name.as_ref().map(name).transpose()?,
            answer: keys.answer.as_ref().map(Answer::read).transpose()?.map(Arc::new),
            enforcement: if monitored { Enforcement::Monitor } else { Enforcement::Enforce },
            ..entry
        })
    }

    pub(crate) fn pattern(&mut self, text: &str, at: Position) -> Result<Entry, Fault> {
        let pattern = Pattern::parse_with(text, self.globs).map_err(|error| fault(at, error))?;
        self.count(pattern.has_inner_star(), at)?;
        Ok(Entry::new(pattern, self.origin.at(at.line)))
    }

    fn count(&mut self, costly: bool, at: Position) -> Result<(), Fault> {
        self.costly += usize::from(costly);
        if self.costly <= MAX_COSTLY {
            return Ok(());
        }
        let message =
            format!("more than {MAX_COSTLY} patterns have a `*` behind another label or amid a path");
        Err(Fault::new(at, message))
    }

    fn condition(&mut self, methods: Option<&Words>, paths: Option<&Words>) -> Result<Condition, Fault> {
        let mut condition = Condition::default();
        for word in listed("method", methods)? {
            check_method(&word.value).map_err(|error| fault(word.referenced.into(), error))?;
            condition.methods.push(word.value.clone());
        }
        for word in listed("path", paths)? {
            let at = word.referenced.into();
            let path = PathPattern::parse(&word.value).map_err(|error| fault(at, error))?;
            self.count(path.is_costly(), at)?;
            condition.paths.push(path);
        }
        Ok(condition)
    }

    /// The rules behind one pattern: in the order in which they are asked.
    pub(crate) fn routes(
        &mut self,
        entry: &Entry,
        words: RouteWords,
        handlers: &BTreeMap<String, HandlerSource>,
    ) -> Result<Vec<Route>, Fault> {
        let RouteWords { at, list } = words;
        if list.iter().all(|item| matches!(item.value, WordOr::Word(_))) {
            let plain = |Spanned { value, referenced, defined }| match value {
                WordOr::Word(value) => Some(Spanned { value, referenced, defined }),
                WordOr::Keys(_) => None,
            };
            let words = Words { at, list: list.into_iter().filter_map(plain).collect() };
            return Ok(vec![Route {
                entry: entry.clone(),
                handlers: chain(words, handlers)?,
                params: None,
                upgrade: Upgrade::Keep,
            }]);
        }
        let mut routes: Vec<Route> = Vec::with_capacity(list.len());
        for item in list {
            let at = Position::from(item.referenced);
            let WordOr::Keys(keys) = item.value else {
                let cure = Some("write `{ handlers: NAME }` for each, or names alone".to_owned());
                return Err(Fault::new(at, "names and rules are mixed").suggesting(cure));
            };
            if routes.last().is_some_and(|earlier| earlier.entry.condition.is_empty()) {
                let cure = Some("name the rule without `methods` and `paths` last".to_owned());
                return Err(Fault::new(at, "the rule before it takes every request").suggesting(cure));
            }
            routes.push(self.route(entry, keys, handlers)?);
        }
        Ok(routes)
    }

    fn route(
        &mut self,
        entry: &Entry,
        keys: RouteKeys,
        handlers: &BTreeMap<String, HandlerSource>,
    ) -> Result<Route, Fault> {
        let entry = Entry {
            condition: self.condition(keys.methods.as_ref(), keys.paths.as_ref())?,
            name: keys.name.as_ref().map(name).transpose()?,
            ..entry.clone()
        };
        let at = keys.handlers.at;
        let names = chain(keys.handlers, handlers)?;
        if keys.params.is_some() && !names.iter().any(|name| is_program(name, handlers)) {
            return Err(params_for_none(at));
        }
        let upgrade = keys.upgrade.map(|word| upgrade(&word, &entry)).transpose()?.unwrap_or_default();
        Ok(Route { entry, handlers: names, params: keys.params, upgrade })
    }
}

impl Answer {
    pub(super) fn read(words: &AnswerWords) -> Result<Self, Fault> {
        Ok(Self {
            status: read_status(words.status.as_ref(), 403, 400)?,
            headers: read_headers(&words.headers, |value| Ok(value.value.clone()))?,
            body: words.body.clone(),
        })
    }
}

/// An entry that only says which requests it is for; `whose` is whose.
pub(super) fn matching_only(entry: &Entry, whose: &str) -> Result<(), PatternError> {
    if entry.name.is_none() && entry.answer.is_none() && entry.enforcement == Enforcement::Enforce {
        return Ok(());
    }
    let message = format!("only `host`, `methods` and `paths` can be said of {whose}");
    Err(error(message, "leave the other keys out"))
}

/// A list that is there says something.
pub(super) fn listed<'a>(what: &str, words: Option<&'a Words>) -> Result<&'a [Word], Fault> {
    match words {
        Some(words) if words.list.is_empty() => Err(Fault::new(words.at, format!("no {what} is named"))),
        Some(words) => Ok(&words.list),
        None => Ok(&[]),
    }
}

fn upgrade(word: &Word, entry: &Entry) -> Result<Upgrade, Fault> {
    let fault = |message: String, cure: &str| {
        Err(Fault::new(word.referenced.into(), message).suggesting(Some(cure.to_owned())))
    };
    if word.value != "https" {
        return fault(format!("`upgrade` is `https`, and not `{}`", clip(&word.value)), "write `https`");
    }
    if entry.pattern.target.to_string() == "*" {
        let message = "`upgrade` is for hosts that are known to have TLS, and not for all".to_owned();
        return fault(message, "write it under `outboundByHost`, for these hosts");
    }
    if entry.pattern.scheme == Some(Scheme::Https) {
        let message = format!("`{}` is for requests that have TLS already", entry.pattern);
        return fault(message, "leave `upgrade` or the scheme out");
    }
    Ok(Upgrade::Https)
}

fn name(word: &Word) -> Result<Arc<str>, Fault> {
    let good = |c: char| !c.is_control();
    if word.value.is_empty() || word.value.chars().count() > MAX_NAME || !word.value.chars().all(good) {
        let message = format!("the name of a rule has 1 to {MAX_NAME} characters, on one line");
        return Err(Fault::new(word.referenced.into(), message));
    }
    Ok(word.value.as_str().into())
}

fn fault(at: Position, error: PatternError) -> Fault {
    Fault::new(at, error.message).suggesting(error.suggestion)
}
