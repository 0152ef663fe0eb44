//! Which requests may carry which secrets.
//!
//! Receives the secrets of a document once, and a request and an instance ever after; hands on whether a secret may go with that
//! request. Where it is not certain, as with a path that can be read in two ways, it may not. Nothing is allocated.

use std::{collections::BTreeMap, sync::Arc};

use ipnet::IpNet;

use super::Policy;
use crate::{
    Condition, Document, InstanceFacts, Pattern, Placeholder, RequestFacts, Scheme, Secret,
    condition::Applies,
    index::{Asked, Index, Requests},
};

/// Whether a request may carry a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretUse<'a> {
    /// It may, to an upstream that is verified by TLS.
    OverTls,
    /// It may, without TLS, to addresses in these networks and to no others; never empty.
    Plaintext(&'a [IpNet]),
    /// It may not.
    NotBound,
    /// It might over TLS, and this request has none.
    NotWithoutTls,
}

/// A secret, compiled.
#[derive(Debug)]
pub(super) struct Bound {
    hosts: Option<Hosts>,
    secret: Secret,
}

#[derive(Debug)]
struct Hosts {
    index: Index,
    conditions: Vec<Condition>,
}

pub(super) fn compile(document: &Document) -> BTreeMap<Arc<str>, Bound> {
    let bound = |(name, secret): (&String, &Secret)| {
        let hosts = secret.hosts.as_ref().map(|entries| {
            let requests =
                |condition: &Condition| if condition.is_empty() { Requests::All } else { Requests::Some };
            let patterns = entries.iter().map(|entry| (&entry.pattern, requests(&entry.condition)));
            Hosts {
                index: Index::new(patterns),
                conditions: entries.iter().map(|entry| entry.condition.clone()).collect(),
            }
        });
        (name.as_str().into(), Bound { hosts, secret: secret.clone() })
    };
    document.secrets.iter().map(bound).collect()
}

impl Policy {
    /// Whether a request of an instance may carry the secret `name`.
    pub fn secret_use(
        &self,
        name: &str,
        facts: &RequestFacts<'_>,
        instance: &InstanceFacts<'_>,
    ) -> SecretUse<'_> {
        self.secrets.get(name).map_or(SecretUse::NotBound, |bound| bound.judge(facts, instance))
    }

    /// The placeholders that an instance may hold, each with the name of its secret, in the order of names.
    pub fn placeholders<'a>(
        &'a self,
        instance: &InstanceFacts<'a>,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Placeholder)> {
        let instance = *instance;
        let mine = self.secrets.iter().filter(move |(_, bound)| bound.secret.is_for(&instance));
        mine.filter_map(|(name, bound)| Some((name, bound.secret.placeholder.as_ref()?)))
    }
}

impl Bound {
    /// Whether it could be for something that `pattern` matches.
    pub(super) fn touches(&self, pattern: &Pattern) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.index.touches(pattern))
    }

    fn judge(&self, facts: &RequestFacts<'_>, instance: &InstanceFacts<'_>) -> SecretUse<'_> {
        if !self.secret.is_for(instance) {
            return SecretUse::NotBound;
        }
        let names = |scheme| self.hosts.as_ref().is_none_or(|hosts| hosts.name(facts, scheme));
        let networks = &self.secret.allow_plaintext;
        match facts.scheme {
            Scheme::Https if names(Scheme::Https) => SecretUse::OverTls,
            Scheme::Http if !networks.is_empty() && names(Scheme::Http) => SecretUse::Plaintext(networks),
            Scheme::Http if names(Scheme::Https) => SecretUse::NotWithoutTls,
            _ => SecretUse::NotBound,
        }
    }
}

impl Hosts {
    /// Whether an entry is for the request, had it this scheme.
    fn name(&self, facts: &RequestFacts<'_>, scheme: Scheme) -> bool {
        let RequestFacts { host, port, method, path, .. } = *facts;
        let asked = Asked { scheme: Some(scheme), port };
        let applies = |place: usize| {
            self.conditions
                .get(place)
                .is_some_and(|condition| condition.applies(method, path) == Applies::Yes)
        };
        self.index.find(host, asked, applies).is_some()
    }
}

#[cfg(test)]
mod tests;
