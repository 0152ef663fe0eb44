//! What becomes of a connection, before any request on it is decided.
//!
//! Receives what is known of it, hands on inspect, splice or refuse. Bytes that nobody reads pass for two reasons only:
//! an entry of `raw` names destination and port, or an entry of `passthrough` names a TLS server whose requests could
//! pass anyway. All other TLS and HTTP is inspected, so that even a denial can be read by the workload.

use super::{Labelled, List, Policy};
use crate::{
    AddressRefusal, Authority, CanonicalHost, ConnectionFacts, Decision, Denial, Entry, Pattern, Protocol,
    Reason, Rule, Scheme, Treatment, Tunnel,
    condition::{Applies, Message},
    index::{Asked, Question},
};

impl Policy {
    /// Decides a connection. Asked before anything is read, it only says whether reading is needless.
    pub fn treat(&self, facts: &ConnectionFacts<'_>) -> Treatment {
        match facts.protocol {
            Protocol::Unread => self.treat_raw(facts).map_or(Treatment::Inspect, Treatment::Splice),
            Protocol::Opaque => self.treat_raw(facts).map_or_else(Treatment::Refuse, Treatment::Splice),
            Protocol::Tls { server_name } => {
                let tunnel = server_name.and_then(|name| self.pass_through(name, facts.destination.port()));
                tunnel.map_or(Treatment::Inspect, Treatment::Splice)
            }
            Protocol::Http => Treatment::Inspect,
        }
    }

    /// Whether the server name of a TLS connection can make a difference to its treatment.
    pub fn asks_for_server_names(&self) -> bool {
        !self.passthrough.is_empty()
    }

    /// A name that the address stands for comes first: such an address may be nobody's. What refuses more than the
    /// lack of an entry is told rather than that.
    fn treat_raw(&self, facts: &ConnectionFacts<'_>) -> Result<Tunnel, Denial> {
        let (address, port) = (CanonicalHost::from(facts.destination.ip()), facts.destination.port());
        let mut refusal = None;
        for host in facts.names.iter().chain([&address]) {
            match self.judge_raw(host, port) {
                Ok(rule) => {
                    let to = Authority { host: host.clone(), port };
                    return Ok(Tunnel { rule: rule.clone(), to, scheme: None });
                }
                Err(denial) => {
                    let told = refusal.filter(|earlier: &Denial| earlier.reason != Reason::NotHttp);
                    refusal = told.or(Some(denial));
                }
            }
        }
        Err(refusal.unwrap_or_else(|| self.no_raw_rule()))
    }

    /// The entry of `raw` by which bytes of any kind may go to a host.
    pub(super) fn judge_raw(&self, host: &CanonicalHost, port: u16) -> Result<&Rule, Denial> {
        let question = Question { host, asked: Asked { scheme: None, port }, message: Message::Worst };
        if let Some(found) = self.denied.find(question, Applies::Yes) {
            return Err(self.denial(Reason::HostDenied, found.rule, None));
        }
        let found = self.raw.find(question, Applies::No);
        // What deniedHosts says of the IPv4 address inside an IPv6 one is told even if no entry of `raw` matches.
        match host.address().map(|ip| self.check_address((ip, port).into(), None)) {
            Some(Err(AddressRefusal::Denied { rule, .. })) => {
                Err(self.denial(Reason::HostDenied, &rule, None))
            }
            Some(Err(AddressRefusal::NotPublic { .. })) if found.is_some() => {
                Err(self.denial(Reason::AddressRefused, &self.labels.default, None))
            }
            _ => found.map(|found| found.rule).ok_or_else(|| self.no_raw_rule()),
        }
    }

    fn no_raw_rule(&self) -> Denial {
        self.denial(Reason::NotHttp, &self.labels.raw, None)
    }

    /// Only what may pass anyway, whatever is asked for and without a note, and past no handlers but those of the catch-all.
    pub(super) fn pass_through(&self, name: &CanonicalHost, port: u16) -> Option<Tunnel> {
        name.name()?;
        let asked = Asked { scheme: Some(Scheme::Https), port };
        let question = Question { host: name, asked, message: Message::Worst };
        let rule = self.passthrough.find(question, Applies::No)?.rule;
        let [run_time, by_host, ..] = &self.routes;
        let mut opened = [&self.monitored, &run_time.list, &by_host.list].into_iter();
        if opened.any(|list| list.find(question, Applies::Yes).is_some()) {
            return None;
        }
        match self.decide_question(question, &mut |_, _| {}) {
            Decision::Forward { monitored: None, .. } => {
                let to = Authority { host: name.clone(), port };
                Some(Tunnel { rule: rule.clone(), to, scheme: asked.scheme })
            }
            _ => None,
        }
    }
}

/// An entry without a port means the port of https alone: what is not looked at is named as narrowly as can be.
pub(super) fn passthrough(entries: &[Entry]) -> List {
    let port = |port: Option<u16>| port.or(Some(Scheme::Https.default_port()));
    let pattern = |pattern: &Pattern| Pattern { port: port(pattern.port), ..pattern.clone() };
    List::with_patterns(
        "passthrough",
        Labelled::Pattern,
        entries.iter().map(|entry| (pattern(&entry.pattern), entry)),
    )
}
