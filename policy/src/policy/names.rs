//! What DNS is told about names, and about the addresses that they lead to.
//!
//! A question names neither scheme nor port, so each answer here is the best that any of them could get: a name exists if
//! some request for it could pass, and an address may be handed out if some connection to it may be dialled.

use std::net::{IpAddr, SocketAddr};

use super::Policy;
use crate::{
    AddressRefusal, CanonicalHost, Decision, Denial, Reason, Rule, Scheme,
    condition::Message,
    index::{Asked, Question},
};

/// A name for which some request could pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The rule that lets it pass.
    pub rule: Rule,
    /// Who serves it.
    pub served: Served,
}

/// Who serves the requests for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Handlers, on some port at least: where it leads, and whether it exists at all, is theirs to say.
    Handlers,
    /// Always the host itself.
    Upstream,
}

/// How the document speaks of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// An entry is this very name.
    Exactly,
    /// It is one of those that a pattern or a catch-all lets pass: the workload made it up, for all that is known.
    ByPattern,
}

impl Policy {
    /// Whether DNS may answer for a host: some request or raw connection for it could pass, on whichever port.
    pub fn resolves(&self, host: &CanonicalHost) -> Result<Resolution, Denial> {
        let (mut allowed, mut refusal): (Option<Resolution>, _) = (None, None);
        for asked in self.asked().filter(|asked| asked.scheme.is_some()) {
            let question = Question { host, asked, message: Message::Best };
            match self.decide_question(question, &mut |_, _| {}) {
                Decision::Forward { rule, binding: Some(_), .. } => {
                    return Ok(Resolution { rule, served: Served::Handlers });
                }
                Decision::Forward { rule, binding: None, .. } => {
                    allowed = allowed.or(Some(Resolution { rule, served: Served::Upstream }));
                }
                Decision::Deny(denial) => refusal = refusal.or(Some(denial)),
            }
        }
        let raw = || self.ports.iter().find_map(|&port| self.judge_raw(host, port).ok());
        if allowed.is_none()
            && let Some(rule) = raw()
        {
            return Ok(Resolution { rule: rule.clone(), served: Served::Upstream });
        }
        let default = || self.denial(Reason::InternetDisabled, &self.labels.default, None);
        allowed.ok_or_else(|| refusal.unwrap_or_else(default))
    }

    /// Whether an address may be handed out: it may be dialled, on whichever port.
    pub fn check_answer(&self, address: IpAddr) -> Result<(), AddressRefusal> {
        let verdict = |asked: Asked| self.check_address(SocketAddr::new(address, asked.port), asked.scheme);
        let mut verdicts = self.asked().map(verdict);
        // There are always ports, and the first is as good a reason as any.
        let first = verdicts.next().unwrap_or(Ok(()));
        if first.is_ok() || verdicts.any(|verdict| verdict.is_ok()) { Ok(()) } else { first }
    }

    /// How the lists that let names pass speak of a host.
    pub fn named(&self, host: &CanonicalHost) -> Named {
        let routes = self.routes.iter().map(|routes| &routes.list);
        let mut lists = self.allowed.iter().chain(routes).chain([&self.raw, &self.passthrough]);
        if lists.any(|list| list.index.has_name(host)) { Named::Exactly } else { Named::ByPattern }
    }

    /// Every way to ask that could make a difference.
    fn asked(&self) -> impl Iterator<Item = Asked> {
        let schemes = || Scheme::ALL.into_iter().map(Some).chain([None]);
        self.ports.iter().flat_map(move |&port| schemes().map(move |scheme| Asked { scheme, port }))
    }
}
