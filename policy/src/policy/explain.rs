//! How a decision came about, for the person who has to change it.
//!
//! Receives a request and hands on every step of the order that was asked, with the rule that was found there. The steps are told
//! by the decision itself, so that an explanation cannot differ from what is done.

use super::Policy;
use crate::{Decision, RequestFacts, Rule};

/// A step of the order of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An entry that refuses.
    DeniedHosts,
    /// An entry that would refuse, and only leaves a note.
    Monitored,
    /// An entry without which the host is refused, where there is such a list.
    AllowedHosts,
    /// Handlers for the host that were set at run time.
    RunTimeByHost,
    /// Handlers for the host.
    OutboundByHost,
    /// Handlers for all hosts that were set at run time.
    RunTimeOutbound,
    /// Handlers for all hosts.
    Outbound,
    /// The entry of `allowedHosts` lets it pass.
    Allowed,
    /// Whatever is left may pass.
    EnableInternet,
    /// Whatever is left is refused.
    Default,
}

impl Step {
    /// What is asked, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeniedHosts => "deniedHosts refuses",
            Self::Monitored => "deniedHosts, monitored",
            Self::AllowedHosts => "allowedHosts admits",
            Self::RunTimeByHost => "outboundByHost set at run time",
            Self::OutboundByHost => "outboundByHost",
            Self::RunTimeOutbound => "outbound set at run time",
            Self::Outbound => "outbound",
            Self::Allowed => "allowedHosts lets pass",
            Self::EnableInternet => "enableInternet",
            Self::Default => "nothing else lets pass",
        }
    }
}

impl Policy {
    /// Decides a request and tells each step that was asked, with the rule that was found.
    pub fn explain(&self, facts: &RequestFacts<'_>) -> (Decision, Vec<(Step, Option<Rule>)>) {
        let mut steps = Vec::new();
        let decision =
            self.decide_question(facts.into(), &mut |step, rule| steps.push((step, rule.cloned())));
        (decision, steps)
    }
}
