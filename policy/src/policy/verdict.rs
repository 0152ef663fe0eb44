//! A decision in the words of its document: what tools compare and print. Receives a request and hands on whether it passes, by which
//! rule, and through which handlers; an address that must not be dialled is refused here already.

use serde_json::Value;

use super::Policy;
use crate::{
    AddressRefusal, CanonicalHost, Decision, Denial, Document, Enforcement, Entry, Reason, RequestFacts,
    Rule, Scheme, Upgrade,
};

/// What becomes of a request, in words.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It passes.
    Allow {
        /// The rule that lets it.
        rule: Rule,
        /// The names of its handlers, in order.
        handlers: Vec<String>,
        /// What programs among them are handed instead of their own parameters.
        params: Option<Value>,
        /// The refusal that is only noted.
        monitored: Option<Denial>,
        /// Whether it goes on over TLS, which it came without.
        upgrade: Upgrade,
    },
    /// It is refused.
    Deny(Denial),
}

impl Verdict {
    /// The rule that decided.
    pub fn rule(&self) -> &Rule {
        match self {
            Self::Allow { rule, .. } | Self::Deny(Denial { rule, .. }) => rule,
        }
    }

    /// Whether it passes.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }
}

impl Policy {
    /// The rules of the document it was made of that some request for a host may meet.
    pub(crate) fn rules_for<'a>(&self, host: &CanonicalHost, document: &'a Document) -> Vec<&'a Entry> {
        let denied =
            |wanted| document.denied_hosts.iter().filter(move |entry| entry.enforcement == wanted).collect();
        let allowed =
            self.allowed.as_ref().map(|list| (list, document.allowed_hosts.iter().flatten().collect()));
        let [_, by_host, _, _] = &self.routes;
        let routes = document.outbound_by_host.iter().map(|route| &route.entry).collect();
        let lists: [(_, Vec<&Entry>); 3] = [
            (&self.denied, denied(Enforcement::Enforce)),
            (&self.monitored, denied(Enforcement::Monitor)),
            (&by_host.list, routes),
        ];
        let found = lists.into_iter().chain(allowed).flat_map(|(list, entries)| {
            list.index.matching(host).into_iter().filter_map(move |place| entries.get(place).copied())
        });
        found.chain(document.outbound.iter().map(|route| &route.entry)).collect()
    }

    /// Decides a request, and decides it again if it goes on over TLS.
    pub fn verdict(&self, facts: &RequestFacts<'_>) -> Verdict {
        match self.verdict_once(facts) {
            Verdict::Allow { upgrade: Upgrade::Https, .. } => {
                let upgraded = facts.upgraded().unwrap_or(*facts);
                match self.verdict_once(&upgraded) {
                    Verdict::Allow { rule, handlers, params, monitored, .. } => {
                        Verdict::Allow { rule, handlers, params, monitored, upgrade: Upgrade::Https }
                    }
                    refused @ Verdict::Deny(_) => refused,
                }
            }
            verdict => verdict,
        }
    }

    fn verdict_once(&self, facts: &RequestFacts<'_>) -> Verdict {
        let (rule, binding, monitored) = match self.decide(facts) {
            Decision::Deny(denial) => return Verdict::Deny(denial),
            Decision::Forward { rule, binding, monitored } => (rule, binding, monitored),
        };
        let binding = binding.and_then(|id| self.bindings.get(id.index()));
        let address = facts.host.address().filter(|_| binding.is_none());
        match address.map(|address| self.check_address((address, facts.port).into(), Some(facts.scheme))) {
            Some(Err(AddressRefusal::Denied { rule, .. })) => {
                Verdict::Deny(self.denial(Reason::AddressRefused, &rule, None))
            }
            Some(Err(AddressRefusal::NotPublic { .. })) => {
                Verdict::Deny(self.denial(Reason::AddressRefused, &self.labels.default, None))
            }
            Some(Ok(())) | None => {
                let (handlers, params, upgrade) = binding
                    .map(|binding| (binding.handlers.clone(), binding.params.clone(), binding.upgrade))
                    .unwrap_or_default();
                let upgrade = if facts.scheme == Scheme::Http { upgrade } else { Upgrade::Keep };
                Verdict::Allow { rule, handlers, params, monitored, upgrade }
            }
        }
    }
}
