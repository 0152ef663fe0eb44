//! What is odd in a document that is no mistake: entries that do nothing, or not what they seem to.
//!
//! Receives a document, hands on warnings. Each says something that holds for every request; where that is not certain, nothing is
//! said. The time grows with the number of entries and not with its square.

mod secrets;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use super::{Policy, list::List};
use crate::{
    CanonicalHost, Compat, Condition, Document, Enforcement, Entry, HandlerSource, Origin, Overrides,
    Pattern, Scheme, host::Kind, pattern::Target,
};

/// Rules with one pattern that are compared with each other.
const MAX_COMPARED: usize = 64;

/// Something that its author may not have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where; `None` is for what has no place of its own.
    pub origin: Option<Origin>,
    /// What is odd.
    pub message: String,
    /// How to write it.
    pub suggestion: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.suggestion.as_ref().map_or(Ok(()), |suggestion| write!(f, "; {suggestion}"))
    }
}

impl Document {
    /// What is odd in it, list by list.
    pub fn warnings(&self) -> Vec<Warning> {
        let policy = Policy::compile(self, &Overrides::default());
        let mut odd = Odd { document: self, policy: &policy, found: Vec::new() };
        odd.denied();
        odd.allowed();
        odd.outbound();
        odd.unseen();
        odd.resolve();
        odd.upstream_tls();
        odd.handlers();
        odd.secrets();
        odd.stores();
        odd.found
    }
}

struct Odd<'a> {
    document: &'a Document,
    policy: &'a Policy,
    found: Vec<Warning>,
}

impl<'a> Odd<'a> {
    fn say(&mut self, entry: &Entry, message: String, suggestion: Option<&str>) {
        let origin = Some(entry.origin.clone());
        self.found.push(Warning { origin, message, suggestion: suggestion.map(str::to_owned) });
    }

    fn denied(&mut self) {
        let document = self.document;
        let enforced: Vec<&Entry> =
            document.denied_hosts.iter().filter(|entry| entry.enforcement == Enforcement::Enforce).collect();
        self.duplicates(&document.denied_hosts);
        for entry in &document.denied_hosts {
            // What it says for itself, a more specific entry says.
            if entry.answer.is_some() || entry.name.is_some() {
                continue;
            }
            let list = &self.policy.denied;
            let network = matches!(entry.pattern.target, Target::Network(_));
            let wider = |other: &Entry| {
                // Names that lead to an address are refused by networks only.
                let same_kind = !network || matches!(other.pattern.target, Target::Network(_));
                let wider = other.pattern != entry.pattern
                    || !entry.condition.is_empty()
                    || entry.enforcement != Enforcement::Enforce;
                other.condition.is_empty() && other.answer.is_none() && same_kind && wider
            };
            if let Some(label) = covering(list, &enforced, &entry.pattern, wider) {
                self.say(entry, format!("`{}` adds nothing: {label} refuses all of it", entry.pattern), None);
            }
        }
    }

    fn allowed(&mut self) {
        let document = self.document;
        let Some(entries) = &document.allowed_hosts else { return };
        let all: Vec<&Entry> = entries.iter().collect();
        self.duplicates(entries);
        self.pairs(entries);
        for entry in entries {
            if self.contradicted(entry) {
                continue;
            }
            let Some(list) = &self.policy.allowed else { return };
            let wider = |other: &Entry| {
                other.condition.is_empty()
                    && (!entry.condition.is_empty() || adds_nothing(&entry.pattern, &other.pattern))
            };
            let Some(label) = covering(list, &all, &entry.pattern, wider) else { continue };
            if entry.condition.is_empty() {
                self.say(entry, format!("`{}` adds nothing: {label} allows all of it", entry.pattern), None);
            } else {
                let message = format!(
                    "`methods` and `paths` of `{}` keep nothing out: {label} allows every request",
                    entry.pattern
                );
                self.say(entry, message, Some("leave the wider entry out, or these keys"));
            }
        }
        if document.enable_internet && document.compat == Compat::Strict {
            let message =
                "`enableInternet` adds nothing: what `allowedHosts` does not name is refused all the same";
            self.found.push(Warning { origin: None, message: message.to_owned(), suggestion: None });
        }
    }

    fn outbound(&mut self) {
        let document = self.document;
        for rules in
            document.outbound_by_host.chunk_by(|left, right| left.entry.pattern == right.entry.pattern)
        {
            let Some(first) = rules.first() else { continue };
            let entry = &first.entry;
            if self.contradicted(entry) {
                continue;
            }
            let shut_out = |list: &List| !list.index.touches(&entry.pattern);
            if document.enforcement == Enforcement::Enforce
                && self.policy.allowed.as_ref().is_some_and(shut_out)
            {
                let message =
                    format!("`{}` is never reached: nothing in `allowedHosts` admits it", entry.pattern);
                self.say(entry, message, Some("add it to `allowedHosts`"));
            }
            self.rules(rules.iter().map(|route| &route.entry));
            self.misplaced(rules);
        }
        self.rules(document.outbound.iter().map(|route| &route.entry));
        self.everywhere();
    }

    /// Rules that are asked in their order, of which an earlier one takes all that a later one is for.
    fn rules(&mut self, rules: impl Iterator<Item = &'a Entry>) {
        let mut earlier: Vec<&Entry> = Vec::new();
        for entry in rules.take(MAX_COMPARED) {
            if let Some(taker) = earlier.iter().find(|taker| takes_all(&taker.condition, &entry.condition)) {
                let place = &taker.origin;
                let what = entry.name.as_deref().unwrap_or("a rule");
                let message = format!(
                    "{what} for `{}` is never used: an earlier one ({place}) takes all its requests",
                    entry.pattern
                );
                self.say(entry, message, None);
            }
            earlier.push(entry);
        }
    }

    fn unseen(&mut self) {
        let document = self.document;
        self.duplicates(&document.raw);
        self.duplicates(&document.passthrough);
        for entry in &document.raw {
            self.contradicted(entry);
        }
        for entry in &document.passthrough {
            let Target::Name(name) = &entry.pattern.target else { continue };
            let host = CanonicalHost(Kind::Name(name.clone()));
            let port = entry.pattern.port.unwrap_or_else(|| Scheme::Https.default_port());
            if self.policy.pass_through(&host, port).is_none() {
                let message = format!(
                    "TLS to `{}` is never passed through: the policy has to see its requests, or refuses them",
                    entry.pattern
                );
                let cure = "it needs an entry of `allowedHosts` without `methods` and `paths`, and no entry of `outboundByHost`";
                self.say(entry, message, Some(cure));
            }
        }
    }

    fn resolve(&mut self) {
        for entry in &self.document.resolve {
            let target = match &entry.host.0 {
                Kind::Name(name) => Target::Name(name.clone()),
                Kind::Address(address) => Target::Network((*address).into()),
            };
            let pattern = Pattern { scheme: None, target, port: entry.port };
            if let Some(label) = self.refused(&pattern) {
                let message = format!("`{pattern}` under `resolve` is never looked up: {label} refuses it");
                self.found.push(Warning { origin: None, message, suggestion: None });
            }
        }
    }

    fn upstream_tls(&mut self) {
        for host in self.document.upstream_tls.iter().flat_map(|entry| &entry.hosts) {
            if let Some(label) = self.refused(&host.pattern) {
                let message =
                    format!("`{}` under `upstreamTls` is never reached: {label} refuses it", host.pattern);
                self.say(host, message, None);
            }
        }
    }

    fn handlers(&mut self) {
        let document = self.document;
        let routes = document.outbound_by_host.iter().chain(&document.outbound);
        let used = routes.flat_map(|route| &route.handlers).chain(&document.tail).map(String::as_str);
        let told = |name: &str| format!("handler `{name}` serves nothing unless it is set at run time");
        self.unused(&document.handlers, &used.collect(), told);
    }

    fn stores(&mut self) {
        let document = self.document;
        let mut used: HashSet<&str> = HashSet::new();
        for handler in document.handlers.values() {
            let HandlerSource::Wasm(wasm) = handler else { continue };
            let maps = [&wasm.keyvalue, &wasm.state, &wasm.blobstore];
            used.extend(maps.into_iter().flat_map(|map| map.values()).map(String::as_str));
        }
        used.extend(self.stores_of_secrets());
        self.unused(&document.stores, &used, |name| format!("store `{name}` is given to no handler"));
    }

    fn unused<V>(
        &mut self,
        declared: &BTreeMap<String, V>,
        used: &HashSet<&str>,
        told: impl Fn(&str) -> String,
    ) {
        for name in declared.keys().filter(|name| !used.contains(name.as_str())) {
            self.found.push(Warning { origin: None, message: told(name), suggestion: None });
        }
    }

    /// An entry that lets pass what `deniedHosts` always refuses.
    fn contradicted(&mut self, entry: &Entry) -> bool {
        let Some(label) = self.refused(&entry.pattern) else { return false };
        self.say(entry, format!("`{}` lets nothing pass: {label} refuses all of it", entry.pattern), None);
        true
    }

    /// The entry of `deniedHosts` that refuses every request that a pattern matches.
    fn refused(&self, pattern: &Pattern) -> Option<String> {
        if self.document.enforcement == Enforcement::Monitor {
            return None;
        }
        let list = &self.policy.denied;
        let place = list.index.covering(pattern, |place| list.is_for_all(place))?;
        list.label(place).map(ToString::to_string)
    }

    fn duplicates(&mut self, entries: &[Entry]) {
        type Key<'a> = (&'a Pattern, &'a [String], Vec<&'a str>, Enforcement);
        let mut seen: HashMap<Key<'_>, &Origin> = HashMap::new();
        for entry in entries {
            let Entry { pattern, condition: Condition { methods, paths }, enforcement, .. } = entry;
            let key =
                (pattern, methods.as_slice(), paths.iter().map(|path| path.as_str()).collect(), *enforcement);
            match seen.get(&key) {
                Some(origin) => {
                    self.say(entry, format!("`{pattern}` is here a second time ({origin})"), None)
                }
                None => drop(seen.insert(key, &entry.origin)),
            }
        }
    }

    /// `http://` and `https://` of one host are what no scheme says.
    fn pairs(&mut self, entries: &[Entry]) {
        let plain = |entry: &&Entry| entry.condition.is_empty() && entry.name.is_none();
        let secure: HashSet<&Pattern> = entries
            .iter()
            .filter(plain)
            .map(|entry| &entry.pattern)
            .filter(|pattern| pattern.scheme == Some(Scheme::Https) && pattern.port.is_none())
            .collect();
        for entry in entries.iter().filter(plain).filter(|entry| entry.pattern.scheme == Some(Scheme::Http)) {
            let other = Pattern { scheme: Some(Scheme::Https), ..entry.pattern.clone() };
            if secure.contains(&other) {
                let both = Pattern { scheme: None, ..other.clone() };
                let message = format!("`{}` and `{other}` are one entry", entry.pattern);
                self.say(entry, message, Some(&format!("write `{both}`")));
            }
        }
    }
}

/// The label of an entry that is for all that `pattern` matches.
fn covering(
    list: &List,
    entries: &[&Entry],
    pattern: &Pattern,
    wanted: impl Fn(&Entry) -> bool,
) -> Option<String> {
    let place =
        list.index.covering(pattern, |place| entries.get(place).is_some_and(|entry| wanted(entry)))?;
    list.label(place).map(ToString::to_string)
}

/// Whether an entry that lets pass has no use beside a wider one. A name that is spelled out is looked up without a limit, and a
/// network may name addresses that are not public: both are worth an entry.
fn adds_nothing(pattern: &Pattern, wider: &Pattern) -> bool {
    let narrower =
        matches!(pattern.target, Target::Glob(_)) && matches!(wider.target, Target::Glob(_) | Target::Any);
    pattern != wider && (pattern.target == wider.target || narrower)
}

/// Whether a rule takes every request that another is for.
fn takes_all(taker: &Condition, other: &Condition) -> bool {
    let all = |taken: &[String], others: &[String]| {
        taken.is_empty() || (!others.is_empty() && others.iter().all(|word| taken.contains(word)))
    };
    let paths = |condition: &Condition| {
        condition.paths.iter().map(|path| path.as_str().to_owned()).collect::<Vec<_>>()
    };
    all(&taker.methods, &other.methods) && all(&paths(taker), &paths(other))
}

#[cfg(test)]
mod tests;
