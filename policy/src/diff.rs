//! What a change of a policy changes: which requests pass that did not, which no longer do, and which go through other handlers.
//!
//! Receives two documents and hands on the differences. Both are asked about witnesses: requests that stand for all others that both
//! documents treat alike. What is no question of requests (raw bytes, limits, secrets) is compared as it is written.

mod witness;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    Denial, Document, HandlerSource, Overrides, Policy, Reason, Secret, StoreSource, Upgrade, UpstreamTls,
    Verdict,
};
use witness::{Witness, witnesses};

/// Lines about one host.
const MAX_LINES: usize = 8;

/// Stands for scheme, host and port until it is known in how many of them something differs; no name of a handler holds it.
const PLACE: &str = "\0";

/// In which way a policy differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// More passes.
    Wider,
    /// Less passes.
    Narrower,
    /// As much passes, in another way.
    Other,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In which way.
    pub change: Change,
    /// What, on one line.
    pub text: String,
}

/// All differences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Those that were found, the wider ones first.
    pub found: Vec<Difference>,
    /// Witnesses that were left out because there were too many.
    pub left_out: usize,
}

impl Change {
    /// As it is printed before a line.
    pub const fn sign(self) -> char {
        match self {
            Self::Wider => '+',
            Self::Narrower => '-',
            Self::Other => '~',
        }
    }
}

/// Compares two documents.
pub fn diff(old: &Document, new: &Document) -> Diff {
    let (mut found, left_out) = requests(old, new);
    found.extend(unseen("raw", &old.raw, &new.raw));
    found.extend(unseen("passthrough", &old.passthrough, &new.passthrough));
    found.extend(keys(old, new));
    found.sort_by_key(|difference| difference.change);
    Diff { found, left_out }
}

/// What becomes of a request, as far as it is compared.
#[derive(PartialEq)]
enum Outcome {
    Allow { handlers: Vec<String>, params: Option<Value>, monitored: bool, upgrade: Upgrade },
    Deny(Reason),
}

impl Outcome {
    fn of(policy: &Policy, witness: &Witness) -> Self {
        match policy.verdict(&witness.facts()) {
            Verdict::Deny(Denial { reason, .. }) => Self::Deny(reason),
            Verdict::Allow { handlers, params, monitored, upgrade, .. } => {
                Self::Allow { handlers, params, monitored: monitored.is_some(), upgrade }
            }
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Deny(reason) => format!("deny {reason}"),
            Self::Allow { handlers, params, monitored, upgrade } => {
                let through = if handlers.is_empty() {
                    String::new()
                } else {
                    format!(" through {}", handlers.join(", "))
                };
                let params = params.as_ref().map(|params| format!(" with {params}")).unwrap_or_default();
                let noted = if *monitored { ", noted" } else { "" };
                let over = if *upgrade == Upgrade::Https { " over TLS" } else { "" };
                format!("allow{over}{through}{params}{noted}")
            }
        }
    }
}

fn requests(old: &Document, new: &Document) -> (Vec<Difference>, usize) {
    let policies = [old, new].map(|document| Policy::compile(document, &Overrides::default()));
    let [before, after] = &policies;
    let (witnesses, left_out) = witnesses([old, new], &policies);
    // By host, and then by what is told of it, the places where that is so.
    let mut by_host: BTreeMap<(Change, &str), BTreeMap<String, Vec<String>>> = BTreeMap::new();
    let mut places: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for witness in &witnesses {
        places.entry(witness.host_label()).or_default().insert(witness.place());
        let (was, is) = (Outcome::of(before, witness), Outcome::of(after, witness));
        let change = match (&was, &is) {
            (Outcome::Deny(_), Outcome::Deny(_)) => continue,
            _ if was == is => continue,
            (Outcome::Deny(_), Outcome::Allow { .. }) => Change::Wider,
            (Outcome::Allow { .. }, Outcome::Deny(_)) => Change::Narrower,
            (Outcome::Allow { .. }, Outcome::Allow { .. }) => Change::Other,
        };
        let told = format!("{} {PLACE} {} (was: {})", is.told(), witness.request(), was.told());
        let of_host = by_host.entry((change, witness.host_label())).or_default();
        of_host.entry(told).or_default().push(witness.place());
    }
    let differences = by_host.into_iter().flat_map(|((change, host), told)| {
        let all = places.get(host).map_or(0, BTreeSet::len);
        let mut lines: Vec<String> =
            told.iter().flat_map(|(told, places)| folded(told, host, places, all)).collect();
        let more = lines.len().saturating_sub(MAX_LINES);
        lines.truncate(MAX_LINES);
        lines.extend((more > 0).then(|| format!("and {more} more for {host}")));
        lines.into_iter().map(move |text| Difference { change, text })
    });
    (differences.collect(), left_out)
}

/// One line for each place; one alone where it is so for both schemes and all ports.
fn folded(told: &str, host: &str, places: &[String], all: usize) -> Vec<String> {
    let mut places = places.to_vec();
    places.dedup();
    if places.len() == all {
        return vec![told.replacen(PLACE, host, 1)];
    }
    places.iter().map(|place| told.replacen(PLACE, place, 1)).collect()
}

/// Entries for bytes that nobody reads: one more is wider, one less narrower.
fn unseen(key: &str, old: &[crate::Entry], new: &[crate::Entry]) -> Vec<Difference> {
    let has =
        |list: &[crate::Entry], entry: &crate::Entry| list.iter().any(|other| other.pattern == entry.pattern);
    let line = |change, entry: &crate::Entry| Difference { change, text: format!("{key} {}", entry.pattern) };
    let more = new.iter().filter(|entry| !has(old, entry)).map(|entry| line(Change::Wider, entry));
    let less = old.iter().filter(|entry| !has(new, entry)).map(|entry| line(Change::Narrower, entry));
    more.chain(less).collect()
}

/// What is compared as it is written.
fn keys(old: &Document, new: &Document) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut say = |text: String| found.push(Difference { change: Change::Other, text });
    // As they are spelled: on which line an entry of `fetch` stands makes no difference.
    changed("handler", &old.handlers, &new.handlers, HandlerSource::to_json, &mut say);
    changed("secret", &old.secrets, &new.secrets, Secret::to_json, &mut say);
    changed("store", &old.stores, &new.stores, StoreSource::clone, &mut say);
    for ((name, was), (_, is)) in old.limits.all().into_iter().zip(new.limits.all()) {
        if was != is {
            say(format!("limits {name} {is} (was: {was})"));
        }
    }
    for (key, same) in [
        ("tail", old.tail == new.tail),
        ("answer", old.answer == new.answer),
        ("resolve", old.resolve == new.resolve),
        ("dns", old.dns == new.dns),
        ("upstreamRoots", old.upstream_roots == new.upstream_roots),
        ("upstreamTls", spelled(old).eq(spelled(new))),
    ] {
        if !same {
            say(format!("{key} is another"));
        }
    }
    found
}

fn spelled(document: &Document) -> impl Iterator<Item = Value> {
    document.upstream_tls.iter().map(UpstreamTls::to_json)
}

fn changed<V, T: PartialEq>(
    kind: &str,
    old: &BTreeMap<String, V>,
    new: &BTreeMap<String, V>,
    compared: impl Fn(&V) -> T,
    say: &mut impl FnMut(String),
) {
    for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
        match (old.get(name).map(&compared), new.get(name).map(&compared)) {
            (Some(_), None) => say(format!("{kind} {name} is gone")),
            (None, Some(_)) => say(format!("{kind} {name} is new")),
            (old, new) if old != new => say(format!("{kind} {name} is another")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
