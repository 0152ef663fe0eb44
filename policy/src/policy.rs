//! The compiled policy: the one place where it is said what may pass.
//!
//! Receives a [`Document`] once and facts ever after; hands on decisions. The order in which the parts of the document
//! are asked is the order of the lines in `judge`. A policy never changes: a new document makes a new one.

mod explain;
mod list;
mod may_pass;
mod names;
mod secrets;
mod treat;
mod verdict;
mod warnings;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{
    AddressRefusal, Answer, Binding, BindingId, Compat, Decision, Denial, Document, Enforcement, Entry,
    Overrides, Reason, RequestFacts, Route, Rule, Scheme,
    address::{embedded, special},
    condition::{Applies, Message},
    index::{Asked, Question},
};

pub use explain::Step;
use list::{Found, Labelled, List};
pub use names::{Named, Resolution, Served};
use secrets::Bound;
pub use secrets::SecretUse;
pub use verdict::Verdict;
pub use warnings::Warning;

/// A document compiled for fast answers.
#[derive(Debug)]
pub struct Policy {
    denied: List,
    /// Entries that only leave a note; apart, so that none can stand before one that refuses.
    monitored: List,
    allowed: Option<List>,
    /// By host and then for all hosts, those of run time first.
    routes: [Routes; 4],
    bindings: Vec<Binding>,
    raw: List,
    passthrough: List,
    secrets: BTreeMap<Arc<str>, Bound>,
    internet: Internet,
    enforcement: Enforcement,
    answer: Option<Arc<Answer>>,
    /// Ports that together show every answer that a host can get.
    ports: Vec<u16>,
    labels: Labels,
}

/// Rules that name handlers.
#[derive(Debug)]
struct Routes {
    step: Step,
    list: List,
    /// The binding of the first of them.
    first: usize,
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
    raw: Rule,
    enable_internet: Rule,
    monitor: Rule,
    default: Rule,
}

impl Policy {
    /// Builds the indexes, the labels and the bindings. What was changed at run time goes before the document.
    pub fn compile(document: &Document, overrides: &Overrides) -> Self {
        let denied = || overrides.denied(document).iter();
        let is = |wanted| move |entry: &&Entry| entry.enforcement == wanted;
        let mut bindings = Vec::new();
        let mut routes = |step, labelled, key: &str, routes: &[Route]| {
            let first = bindings.len();
            bindings.extend(routes.iter().map(Binding::from));
            Routes { step, list: List::new(key, labelled, routes.iter().map(|route| &route.entry)), first }
        };
        let by_host = "outboundByHost";
        Self {
            denied: List::new("deniedHosts", Labelled::Number, denied().filter(is(Enforcement::Enforce))),
            monitored: List::new("deniedHosts", Labelled::Number, denied().filter(is(Enforcement::Monitor))),
            allowed: overrides
                .allowed(document)
                .map(|entries| List::new("allowedHosts", Labelled::Number, entries)),
            routes: [
                routes(Step::RunTimeByHost, Labelled::Pattern, by_host, &overrides.outbound_by_host),
                routes(Step::OutboundByHost, Labelled::Pattern, by_host, &document.outbound_by_host),
                routes(Step::RunTimeOutbound, Labelled::Key, "outbound", &overrides.outbound),
                routes(Step::Outbound, Labelled::Key, "outbound", &document.outbound),
            ],
            bindings,
            raw: List::new("raw", Labelled::Pattern, &document.raw),
            passthrough: treat::passthrough(&document.passthrough),
            secrets: secrets::compile(document),
            internet: if document.enable_internet { Internet::Enabled } else { Internet::Disabled },
            enforcement: document.enforcement,
            answer: document.answer.clone().or_else(|| customary(document.compat)),
            ports: telling_ports(document, overrides),
            labels: Labels {
                allowed_hosts: Rule::new("allowedHosts"),
                raw: Rule::new("raw"),
                enable_internet: Rule::new("enableInternet"),
                monitor: Rule::new("monitor"),
                default: Rule::new("default"),
            },
        }
    }

    /// Decides a request.
    pub fn decide(&self, facts: &RequestFacts<'_>) -> Decision {
        self.decide_question(facts.into(), &mut |_, _| {})
    }

    fn decide_question(
        &self,
        question: Question<'_>,
        told: &mut impl FnMut(Step, Option<&Rule>),
    ) -> Decision {
        let mut monitored = None;
        match self.judge(question, &mut monitored, told) {
            Ok((rule, binding)) => Decision::Forward { rule: rule.clone(), binding, monitored },
            Err(denial) => Decision::Deny(denial),
        }
    }

    /// The order of evaluation: the first that applies.
    fn judge(
        &self,
        question: Question<'_>,
        monitored: &mut Option<Denial>,
        told: &mut impl FnMut(Step, Option<&Rule>),
    ) -> Result<(&Rule, Option<BindingId>), Denial> {
        // What is refused to some requests is not refused to the luckiest of them, and what is allowed or served to some is.
        let (refused, passed) = match question.message {
            Message::Worst => (Applies::Yes, Applies::No),
            Message::Known { .. } | Message::Best => (Applies::No, Applies::Yes),
        };
        let found = self.denied.find(question, refused);
        told(Step::DeniedHosts, found.map(|found| found.rule));
        if let Some(found) = self.clear(found)? {
            self.refuse(self.denial(Reason::HostDenied, found.rule, found.answer), monitored)?;
            // It was only noted: no rule that comes first may hide one that is not.
            self.clear(self.denied.find_unclear(question))?;
        }
        if let Some(found) = self.monitored.find(question, Applies::No) {
            told(Step::Monitored, Some(found.rule));
            monitored.get_or_insert_with(|| self.denial(Reason::HostDenied, found.rule, found.answer));
        }
        let mut allowing = None;
        if let Some(list) = &self.allowed {
            let found = list.find(question, passed);
            told(Step::AllowedHosts, found.map(|found| found.rule));
            allowing = self.clear(found)?.map(|found| found.rule);
            if allowing.is_none() {
                let denial = self.denial(Reason::HostNotAllowed, &self.labels.allowed_hosts, None);
                self.refuse(denial, monitored)?;
            }
        }
        for Routes { step, list, first } in self.routes.iter().filter(|routes| !routes.list.is_empty()) {
            let found = list.find(question, passed);
            told(*step, found.map(|found| found.rule));
            if let Some(found) = self.clear(found)? {
                return Ok((found.rule, Some(BindingId(first + found.place))));
            }
        }
        if let Some(rule) = allowing {
            told(Step::Allowed, Some(rule));
            return Ok((rule, None));
        }
        if self.internet == Internet::Enabled {
            told(Step::EnableInternet, Some(&self.labels.enable_internet));
            return Ok((&self.labels.enable_internet, None));
        }
        told(Step::Default, Some(&self.labels.default));
        self.refuse(self.denial(Reason::InternetDisabled, &self.labels.default, None), monitored)?;
        Ok((&self.labels.monitor, None))
    }

    /// A rule that applies or not, depending on who reads the path, refuses.
    fn clear<'a>(&self, found: Option<Found<'a>>) -> Result<Option<Found<'a>>, Denial> {
        match found {
            Some(Found { applies: Applies::Unclear, rule, answer, .. }) => {
                Err(self.denial(Reason::PathAmbiguous, rule, answer))
            }
            found => Ok(found),
        }
    }

    /// Refuses, or leaves a note; of several the first.
    fn refuse(&self, denial: Denial, monitored: &mut Option<Denial>) -> Result<(), Denial> {
        match self.enforcement {
            Enforcement::Enforce => Err(denial),
            Enforcement::Monitor => {
                monitored.get_or_insert(denial);
                Ok(())
            }
        }
    }

    fn denial(&self, reason: Reason, rule: &Rule, answer: Option<&Arc<Answer>>) -> Denial {
        Denial { reason, rule: rule.clone(), answer: answer.or(self.answer.as_ref()).cloned() }
    }

    /// What every refusal is answered with whose rule says nothing else.
    pub fn answer(&self) -> Option<&Arc<Answer>> {
        self.answer.as_ref()
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
        let routes = self.routes.iter().map(|routes| &routes.list);
        let mut named = self.allowed.iter().chain(routes).chain([&self.raw]);
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

impl From<&Route> for Binding {
    fn from(route: &Route) -> Self {
        Self {
            pattern: route.entry.pattern.to_string(),
            handlers: route.handlers.clone(),
            params: route.params.clone(),
            upgrade: route.upgrade,
        }
    }
}

/// What users of another system expect a refusal to look like.
fn customary(compat: Compat) -> Option<Arc<Answer>> {
    let answer = || Answer {
        status: 520,
        headers: vec![("content-type".to_owned(), "text/plain;charset=UTF-8".to_owned())],
        body: "Origin is disallowed".to_owned(),
    };
    (compat == Compat::Cloudflare).then(|| Arc::new(answer()))
}

/// The default ports, one that no pattern names, and every one that a pattern names: a host gets the same answer on
/// all other ports as on the one that is not named.
fn telling_ports(document: &Document, overrides: &Overrides) -> Vec<u16> {
    let allowed = overrides.allowed(document).into_iter().flatten();
    let routes =
        overrides.outbound_by_host.iter().chain(&document.outbound_by_host).map(|route| &route.entry);
    let entries = overrides.denied(document).iter().chain(allowed).chain(routes).chain(&document.raw);
    let mut rest: BTreeSet<u16> = entries.filter_map(|entry| entry.pattern.port).collect();
    let defaults = Scheme::ALL.map(Scheme::default_port);
    rest.extend((1..=u16::MAX).find(|port| !rest.contains(port) && !defaults.contains(port)));
    defaults.into_iter().chain(rest.into_iter().filter(|port| !defaults.contains(port))).collect()
}

#[cfg(test)]
mod tests;
