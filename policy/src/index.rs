//! A list of patterns, arranged so that the most specific match is found without looking at every pattern.
//!
//! Receives the patterns of one list and answers with the place of the best match: exact name or address before the
//! longest glob before the longest prefix before `*`; of patterns for the same hosts the one with port and scheme first.
//! Names and network addresses are looked up in hash maps, globs under the literal end behind their last `*`; nothing
//! is allocated and the time does not grow with the number of exact names.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use globset::GlobMatcher;
use ipnet::IpNet;

use crate::{CanonicalHost, Pattern, RequestFacts, Scheme, condition::Message, host::Kind, pattern::Target};

/// Patterns for one host that are looked at for a wider one.
const MAX_LOOKED_AT: usize = 64;

/// What a pattern's scheme and port are compared with. No scheme is a connection that is not HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) scheme: Option<Scheme>,
    pub(crate) port: u16,
}

/// A request, as far as it is known, or what stands for one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) host: &'a CanonicalHost,
    pub(crate) asked: Asked,
    pub(crate) message: Message<'a>,
}

impl<'a> From<&RequestFacts<'a>> for Question<'a> {
    fn from(facts: &RequestFacts<'a>) -> Self {
        let RequestFacts { scheme, host, port, method, path } = *facts;
        Self { host, asked: Asked { scheme: Some(scheme), port }, message: Message::Known { method, path } }
    }
}

/// The patterns of one list by what they match.
#[derive(Debug, Default)]
pub(crate) struct Index {
    names: HashMap<Arc<str>, Scopes>,
    /// By the literal end, longest glob first.
    globs: HashMap<Box<str>, Vec<GlobSlot>>,
    /// In the order of the document.
    loose: Vec<LooseSlot>,
    networks: HashMap<IpNet, Scopes>,
    /// The prefix lengths that occur, of both families.
    prefixes: BTreeSet<u8>,
    any: Scopes,
}

/// A pattern whose host is a glob.
#[derive(Debug)]
struct GlobSlot {
    text: String,
    /// `None` when the literal end is all there is to compare, as in `*.example.com`.
    matcher: Option<GlobMatcher>,
    scope: Scope,
}

/// A pattern whose `*` may stand for anything.
#[derive(Debug)]
struct LooseSlot {
    matcher: GlobMatcher,
    scope: Scope,
}

/// The patterns that share one target, those with a port and a scheme first.
#[derive(Debug, Default)]
struct Scopes(Vec<Scope>);

#[derive(Debug)]
struct Scope {
    port: Option<u16>,
    scheme: Option<Scheme>,
    requests: Requests,
    place: usize,
}

/// Which of the requests for its host a pattern is for; those for some come before those for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Requests {
    Some,
    All,
}

impl Index {
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = (&'a Pattern, Requests)>) -> Self {
        let mut index = Self::default();
        for (place, (pattern, requests)) in patterns.into_iter().enumerate() {
            let scope = Scope { port: pattern.port, scheme: pattern.scheme, requests, place };
            index.add(pattern, scope);
        }
        index.globs.values_mut().for_each(|slots| slots.sort_by(GlobSlot::compare));
        let named = index.names.values_mut().chain(index.networks.values_mut());
        named.chain([&mut index.any]).for_each(|scopes| scopes.0.sort_by_key(Scope::rank));
        index
    }

    fn add(&mut self, pattern: &Pattern, scope: Scope) {
        let scopes = match &pattern.target {
            Target::Any => &mut self.any,
            Target::Name(name) => self.names.entry(Arc::clone(name)).or_default(),
            Target::Network(net) => {
                self.prefixes.insert(net.prefix_len());
                self.networks.entry(*net).or_default()
            }
            Target::Glob(glob) => {
                let text = glob.glob().to_owned();
                let end = text.rsplit("*.").next().unwrap_or_default();
                let matcher = pattern.has_inner_star().then(|| glob.compile_matcher());
                self.globs.entry(end.into()).or_default().push(GlobSlot { text, matcher, scope });
                return;
            }
            Target::Loose(glob) => {
                self.loose.push(LooseSlot { matcher: glob.compile_matcher(), scope });
                return;
            }
        };
        scopes.0.push(scope);
    }

    /// The place of the most specific pattern that matches and that is `wanted`.
    pub(crate) fn find(
        &self,
        host: &CanonicalHost,
        asked: Asked,
        mut wanted: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let wanted = &mut wanted;
        let specific = match &host.0 {
            Kind::Name(name) => self.find_name(name, asked, wanted),
            Kind::Address(address) => self.find_network(*address, asked, &mut *wanted),
        };
        let specific = specific.or_else(|| self.find_loose(host, asked, wanted));
        specific.or_else(|| self.any.find(asked, wanted))
    }

    /// Whether a pattern is this very name, for whichever scheme and port.
    pub(crate) fn has_name(&self, host: &CanonicalHost) -> bool {
        host.name().is_some_and(|name| self.names.contains_key(name))
    }

    fn find_name(&self, name: &str, asked: Asked, wanted: &mut impl FnMut(usize) -> bool) -> Option<usize> {
        let exact = self.names.get(name).and_then(|scopes| scopes.find(asked, wanted));
        exact.or_else(|| self.find_glob(name, asked, wanted))
    }

    /// The first in the order of the document. An IPv6 address has its brackets here.
    fn find_loose(
        &self,
        host: &CanonicalHost,
        asked: Asked,
        wanted: &mut impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        if self.loose.is_empty() {
            return None;
        }
        let text = host.to_string();
        let mut slots = self.loose.iter().filter(|slot| slot.scope.admits(asked));
        slots
            .find(|slot| slot.matcher.is_match(&text) && wanted(slot.scope.place))
            .map(|slot| slot.scope.place)
    }

    /// The longest glob. Of two of equal length the one with the longer literal end wins, as it is met first.
    fn find_glob(&self, name: &str, asked: Asked, wanted: &mut impl FnMut(usize) -> bool) -> Option<usize> {
        if self.globs.is_empty() {
            return None;
        }
        let mut best: Option<(usize, usize)> = None;
        for (dot, _) in name.match_indices('.') {
            let slots =
                name.get(dot + 1..).and_then(|end| self.globs.get(end)).map_or(&[][..], Vec::as_slice);
            for slot in slots {
                if best.is_some_and(|(length, _)| length >= slot.text.len()) {
                    break;
                }
                if slot.scope.admits(asked) && slot.matches(name) && wanted(slot.scope.place) {
                    best = Some((slot.text.len(), slot.scope.place));
                    break;
                }
            }
        }
        best.map(|(_, place)| place)
    }

    /// The smallest network that an address is in.
    pub(crate) fn find_network(
        &self,
        address: IpAddr,
        asked: Asked,
        mut wanted: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        self.networks_of(address).find_map(|(_, scopes)| scopes.find(asked, &mut wanted))
    }

    /// Whether a pattern inside `range` matches an address: one that means just such addresses.
    pub(crate) fn names_within(&self, range: IpNet, address: IpAddr, asked: Asked) -> bool {
        self.networks_of(address)
            .any(|(net, scopes)| range.contains(&net) && scopes.find(asked, &mut |_| true).is_some())
    }

    /// The place of a pattern that matches all that `pattern` matches and that is `wanted`; `pattern` itself is one. It is not found
    /// in every case, and never where there is none.
    pub(crate) fn covering(&self, pattern: &Pattern, mut wanted: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut covers = |scopes: &mut dyn Iterator<Item = &Scope>| {
            let mut scopes = scopes.take(MAX_LOOKED_AT).filter(|scope| scope.covers(pattern));
            scopes.find(|scope| wanted(scope.place)).map(|scope| scope.place)
        };
        // The widest are last.
        let found = match &pattern.target {
            Target::Any => None,
            Target::Name(name) => {
                let exact = self.names.get(name).and_then(|scopes| covers(&mut scopes.0.iter().rev()));
                let globs = || {
                    self.globs_above(name).find_map(|slots| {
                        let slots = slots.iter().rev().filter(|slot| slot.matches(name));
                        covers(&mut slots.map(|slot| &slot.scope))
                    })
                };
                let loose =
                    self.loose.iter().take(MAX_LOOKED_AT).filter(|slot| slot.matcher.is_match(&**name));
                let found = exact.or_else(globs);
                found.or_else(|| covers(&mut loose.map(|slot| &slot.scope)))
            }
            Target::Glob(glob) => {
                let text = glob.glob();
                let end = text.rfind("*.").and_then(|star| text.get(star + 1..)).unwrap_or_default();
                self.globs_above(end).find_map(|slots| {
                    let slots = slots.iter().rev().filter(|slot| slot.matcher.is_none() || slot.text == text);
                    covers(&mut slots.map(|slot| &slot.scope))
                })
            }
            Target::Loose(glob) => {
                let same = self.loose.iter().filter(|slot| slot.matcher.glob() == glob);
                covers(&mut same.map(|slot| &slot.scope))
            }
            Target::Network(net) => {
                let wider = self.networks_of(net.network()).filter(|(other, _)| other.contains(net));
                covers(&mut wider.flat_map(|(_, scopes)| scopes.0.iter().rev()))
            }
        };
        found.or_else(|| covers(&mut self.any.0.iter().rev()))
    }

    /// The places of patterns that match a host, for whichever scheme and port.
    pub(crate) fn matching(&self, host: &CanonicalHost) -> Vec<usize> {
        let mut found: Vec<&Scope> = Vec::new();
        match &host.0 {
            Kind::Name(name) => {
                found.extend(self.names.get(name).into_iter().flat_map(|scopes| &scopes.0));
                let globs = self.globs_above(name).flatten().filter(|slot| slot.matches(name));
                found.extend(globs.map(|slot| &slot.scope));
            }
            Kind::Address(address) => {
                found.extend(self.networks_of(*address).flat_map(|(_, scopes)| &scopes.0));
            }
        }
        let text = host.to_string();
        found.extend(self.loose.iter().filter(|slot| slot.matcher.is_match(&text)).map(|slot| &slot.scope));
        found.extend(&self.any.0);
        found.into_iter().map(|scope| scope.place).collect()
    }

    /// The globs whose literal end a name has, if a label or more is before it.
    fn globs_above<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Vec<GlobSlot>> {
        name.match_indices('.').filter_map(|(dot, _)| name.get(dot + 1..).and_then(|end| self.globs.get(end)))
    }

    /// Whether a pattern could match something that `pattern` matches. For other patterns than names and addresses always.
    pub(crate) fn touches(&self, pattern: &Pattern) -> bool {
        let any = |scopes: &Scopes| scopes.0.iter().any(|scope| scope.touches(pattern));
        if !self.loose.is_empty() || any(&self.any) {
            return true;
        }
        match &pattern.target {
            Target::Name(name) => {
                self.names.get(name).is_some_and(any)
                    || self
                        .globs_above(name)
                        .flatten()
                        .any(|slot| slot.scope.touches(pattern) && slot.matches(name))
            }
            Target::Network(net) if net.prefix_len() == net.max_prefix_len() => {
                self.networks_of(net.addr()).any(|(_, scopes)| any(scopes))
            }
            Target::Network(_) | Target::Glob(_) | Target::Loose(_) | Target::Any => true,
        }
    }

    fn networks_of(&self, address: IpAddr) -> impl Iterator<Item = (IpNet, &Scopes)> {
        self.prefixes.iter().rev().filter_map(move |&length| {
            let net = IpNet::new(address, length).ok()?.trunc();
            self.networks.get(&net).map(|scopes| (net, scopes))
        })
    }
}

impl GlobSlot {
    /// The longest first; the text makes the order complete.
    fn compare(&self, other: &Self) -> Ordering {
        let by_text = other.text.len().cmp(&self.text.len()).then_with(|| self.text.cmp(&other.text));
        by_text.then_with(|| self.scope.rank().cmp(&other.scope.rank()))
    }

    /// The literal end is equal already. A canonical name has no empty label, so what a `*` between dots matches is
    /// always one or more whole labels.
    fn matches(&self, name: &str) -> bool {
        self.matcher.as_ref().is_none_or(|matcher| matcher.is_match(name))
    }
}

impl Scopes {
    fn find(&self, asked: Asked, wanted: &mut impl FnMut(usize) -> bool) -> Option<usize> {
        let mut scopes = self.0.iter().filter(|scope| scope.admits(asked));
        scopes.find(|scope| wanted(scope.place)).map(|scope| scope.place)
    }
}

impl Scope {
    /// The more is said, the earlier; at last the order of the document.
    fn rank(&self) -> (bool, bool, Requests, usize) {
        (self.port.is_none(), self.scheme.is_none(), self.requests, self.place)
    }

    fn covers(&self, pattern: &Pattern) -> bool {
        (self.port.is_none() || self.port == pattern.port)
            && (self.scheme.is_none() || self.scheme == pattern.scheme)
    }

    fn touches(&self, pattern: &Pattern) -> bool {
        let port = self.port.is_none() || pattern.port.is_none() || self.port == pattern.port;
        port && (self.scheme.is_none() || pattern.scheme.is_none() || self.scheme == pattern.scheme)
    }

    fn admits(&self, asked: Asked) -> bool {
        self.port.is_none_or(|port| port == asked.port)
            && self.scheme.is_none_or(|scheme| Some(scheme) == asked.scheme)
    }
}

#[cfg(test)]
mod tests;
