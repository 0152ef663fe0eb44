//! The compiled policy: the one place where it is said what may pass.
//!
//! Receives a [`Document`] once and facts ever after; hands on decisions. The order in which the parts of the document
//! are asked is the order of the lines in `decide_asked`. A policy never changes: a new document makes a new one.

mod may_pass;
mod names;
mod treat;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use crate::{
    AddressRefusal, Binding, BindingId, CanonicalHost, Decision, Denial, Document, Entry, Reason,
    RequestFacts, Rule, Scheme,
    address::{embedded, special},
    index::{Asked, Index},
};

pub use names::{Named, Resolution, Served};

/// A document compiled for fast answers.
#[derive(Debug)]
pub struct Policy {
    denied: List,
    allowed: Option<List>,
    /// The place of a route is the id of its binding.
    routes: List,
    bindings: Vec<Binding>,
    catch_all: Option<BindingId>,
    raw: List,
    passthrough: List,
    internet: Internet,
    /// Ports that together show every answer that a host can get.
    ports: Vec<u16>,
    labels: Labels,
}

/// Patterns with the labels they answer with.
#[derive(Debug)]
struct List {
    index: Index,
    rules: Vec<Rule>,
}

/// What becomes of a host that nothing else speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Internet {
    Enabled,
    Disabled,
}

/// The labels of rules that are no entry of a list.
#[derive(Debug)]
struct Labels {
    allowed_hosts: Rule,
    outbound: Rule,
    raw: Rule,
    enable_internet: Rule,
    default: Rule,
}

impl Policy {
    /// Builds the indexes, the labels and the bindings.
    pub fn compile(document: &Document) -> Self {
        let routes = document.outbound_by_host.iter();
        let mut bindings: Vec<Binding> = routes
            .map(|route| Binding {
                pattern: route.entry.pattern.to_string(),
                handlers: route.handlers.clone(),
            })
            .collect();
        let catch_all = (!document.outbound.is_empty()).then(|| {
            bindings.push(Binding { pattern: "*".to_owned(), handlers: document.outbound.clone() });
            BindingId(bindings.len() - 1)
        });
        let numbered = |list: &'static str| {
            move |(place, entry): (usize, &Entry)| label(&format!("{list}[{place}]"), entry)
        };
        let list = |name, entries: &[Entry]| List {
            index: Index::new(entries.iter().map(|entry| &entry.pattern)),
            rules: entries.iter().enumerate().map(numbered(name)).collect(),
        };
        let entries = || document.outbound_by_host.iter().map(|route| &route.entry);
        Self {
            denied: list("deniedHosts", &document.denied_hosts),
            allowed: document.allowed_hosts.as_ref().map(|entries| list("allowedHosts", entries)),
            routes: List {
                index: Index::new(entries().map(|entry| &entry.pattern)),
                rules: entries().map(|entry| label("outboundByHost", entry)).collect(),
            },
            bindings,
            catch_all,
            raw: treat::raw(&document.raw),
            passthrough: treat::passthrough(&document.passthrough),
            internet: if document.enable_internet { Internet::Enabled } else { Internet::Disabled },
            ports: telling_ports(document),
            labels: Labels {
                allowed_hosts: Rule::new("allowedHosts"),
                outbound: Rule::new("outbound"),
                raw: Rule::new("raw"),
                enable_internet: Rule::new("enableInternet"),
                default: Rule::new("default"),
            },
        }
    }

    /// Decides a request.
    pub fn decide(&self, facts: &RequestFacts<'_>) -> Decision {
        self.decide_asked(facts.host, Asked { scheme: Some(facts.scheme), port: facts.port })
    }

    /// The order of evaluation: the first that applies.
    fn decide_asked(&self, host: &CanonicalHost, asked: Asked) -> Decision {
        if let Some((_, rule)) = self.denied.find(host, asked) {
            return deny(Reason::HostDenied, rule);
        }
        let allowed = self.allowed.as_ref().map(|list| list.find(host, asked));
        if allowed == Some(None) {
            return deny(Reason::HostNotAllowed, &self.labels.allowed_hosts);
        }
        if let Some((place, rule)) = self.routes.find(host, asked) {
            return forward(rule, Some(BindingId(place)));
        }
        if self.catch_all.is_some() {
            return forward(&self.labels.outbound, self.catch_all);
        }
        if let Some(Some((_, rule))) = allowed {
            return forward(rule, None);
        }
        match self.internet {
            Internet::Enabled => forward(&self.labels.enable_internet, None),
            Internet::Disabled => deny(Reason::InternetDisabled, &self.labels.default),
        }
    }

    /// Whether an address may be dialled for a request of this scheme; `None` is a connection that is not HTTP.
    ///
    /// An IP or CIDR entry of `deniedHosts` refuses it, also for the IPv4 address inside an IPv6 one. An address that is
    /// not public needs an IP or CIDR entry of `allowedHosts`, `outboundByHost` or `raw` that lies inside its special
    /// range: `0.0.0.0/0` does not mean the loopback address.
    pub fn check_address(&self, address: SocketAddr, scheme: Option<Scheme>) -> Result<(), AddressRefusal> {
        let asked = Asked { scheme, port: address.port() };
        let address = address.ip().to_canonical();
        let mut forms = [address].into_iter().chain(embedded(address).map(IpAddr::V4));
        if let Some(rule) = forms.find_map(|form| self.denied.find_network(form, asked)) {
            return Err(AddressRefusal::Denied { address, rule: rule.clone() });
        }
        let Some(special) = special(address) else {
            return Ok(());
        };
        let mut named = self.allowed.iter().chain([&self.routes, &self.raw]);
        if named.any(|list| list.index.names_within(special.range, address, asked)) {
            return Ok(());
        }
        Err(AddressRefusal::NotPublic { address, range: special.meaning })
    }

    /// All bindings; the index is the [`BindingId`].
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }
}

impl List {
    fn find(&self, host: &CanonicalHost, asked: Asked) -> Option<(usize, &Rule)> {
        let place = self.index.find(host, asked)?;
        self.rules.get(place).map(|rule| (place, rule))
    }

    fn find_network(&self, address: IpAddr, asked: Asked) -> Option<&Rule> {
        self.rules.get(self.index.find_network(address, asked)?)
    }
}

fn deny(reason: Reason, rule: &Rule) -> Decision {
    Decision::Deny(Denial { reason, rule: rule.clone() })
}

fn forward(rule: &Rule, binding: Option<BindingId>) -> Decision {
    Decision::Forward { rule: rule.clone(), binding }
}

fn label(list: &str, entry: &Entry) -> Rule {
    Rule::new(format!("{list} {} (line {})", entry.pattern, entry.line))
}

/// The default ports, one that no pattern names, and every one that a pattern names: a host gets the same answer on
/// all other ports as on the one that is not named.
fn telling_ports(document: &Document) -> Vec<u16> {
    let allowed = document.allowed_hosts.iter().flatten();
    let routes = document.outbound_by_host.iter().map(|route| &route.entry);
    let entries = document.denied_hosts.iter().chain(allowed).chain(routes).chain(&document.raw);
    let mut rest: BTreeSet<u16> = entries.filter_map(|entry| entry.pattern.port).collect();
    let defaults = Scheme::ALL.map(Scheme::default_port);
    rest.extend((1..=u16::MAX).find(|port| !rest.contains(port) && !defaults.contains(port)));
    defaults.into_iter().chain(rest.into_iter().filter(|port| !defaults.contains(port))).collect()
}

#[cfg(test)]
mod tests;
