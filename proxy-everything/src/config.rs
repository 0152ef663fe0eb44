//! Configuration: receives a policy document as text, hands on a *generation*: the compiled policy, the handler chains
//! with their secrets, and the upstream pool that belongs to them. Everything that can be wrong is found here, before any of
//! it is in force; an exchange never meets a half-made generation.

mod engine;
mod error;
mod inject;
mod limits;
mod load;
mod roots;
mod scripts;
mod stores;
mod trusted;
mod upstream_tls;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use handlers::{Chain, Named, Use};
use policy::{BindingId, DnsType, InstanceFacts, Overrides, Policy, Upgrade, Warning};
use serde::{Deserialize, Serialize};

pub use engine::LazyEngine;
pub use error::ConfigError;
pub use limits::Limits;
pub use load::{Handling, handling};
pub use roots::Roots;
pub use scripts::{Granted, Scripts};
pub use stores::{OpenStores, Opened, Stores, make_store_paths};
pub use trusted::trusted_files;

use crate::{
    audit::Used,
    credentials::Credentials,
    dns::Bounds,
    in_force::{InForce, Rules},
    instance::Fakes,
    secrets::{self, Slots, Visible},
    tail::{Queues, Tail},
    upstream::{Resolver, Upstream},
};

/// Largest document, in bytes.
pub const MAX_DOCUMENT: usize = 4 * 1024 * 1024;

/// Warnings about one document that are logged.
const MAX_WARNINGS: usize = 20;

/// One of the texts that together are a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is called in rules and faults; `None` for the only one.
    pub source: Option<String>,
    /// The absolute folder that its relative paths start from.
    pub base: PathBuf,
    /// YAML or JSON.
    pub text: String,
}

/// A policy, parsed.
#[derive(Debug)]
pub struct Document {
    parts: Vec<Part>,
    parsed: policy::Document,
    /// Told more than once, and as costly to find as the policy is to compile.
    warnings: OnceLock<Vec<Warning>>,
}

impl Document {
    /// Parses the only text of a policy.
    pub fn parse(text: String, base: PathBuf) -> Result<Self, ConfigError> {
        Self::merge(vec![Part { source: None, base, text }])
    }

    /// Parses several texts, each after those before it.
    pub fn merge(parts: Vec<Part>) -> Result<Self, ConfigError> {
        let mut parsed = policy::Document::default();
        for Part { source, base, text } in &parts {
            let part = policy::Part { source: source.as_deref(), base, text };
            let fault = |fault| ConfigError::Fault { part: source.clone(), fault };
            parsed = parsed.and(&part).map_err(fault)?;
        }
        Ok(Self { parts, parsed, warnings: OnceLock::new() })
    }

    /// Its texts, as they were given.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What they mean together.
    pub fn parsed(&self) -> &policy::Document {
        &self.parsed
    }

    /// What is odd in it.
    pub fn warnings(&self) -> &[Warning] {
        self.warnings.get_or_init(|| self.parsed.warnings())
    }

    /// Says what is odd in it.
    pub fn log_warnings(&self) {
        for warning in self.warnings().iter().take(MAX_WARNINGS) {
            let place = warning.origin.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::info!(place, "policy: {warning}");
        }
    }

    /// Whether it says whom to ask for names.
    pub fn names_servers(&self) -> bool {
        !self.parsed.dns.servers.is_empty()
    }
}

/// Everything that decides about exchanges, made of one document and what was changed at run time. Immutable; replaced as a whole.
pub struct Generation {
    rules: Rules,
    document: Arc<Document>,
    overrides: Overrides,
    limits: Limits,
    handling: Handling,
    credentials: Credentials,
    tails: Vec<Tail>,
    upstream: Upstream,
    elsewhere: BTreeMap<String, Elsewhere>,
}

/// The way to the hosts that one handler may fetch from, beside those of its exchanges.
pub struct Elsewhere {
    /// What may pass.
    pub policy: Arc<Policy>,
    /// Where it goes.
    pub upstream: Upstream,
    /// Whether the handler has been given any.
    pub holds_secrets: bool,
}

/// What all generations of an instance have in common.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Which instance it is.
    pub who: InstanceFacts<'a>,
    /// What its workload holds in the place of secrets.
    pub fakes: &'a Fakes,
    /// Compiles handlers.
    pub engine: &'a LazyEngine,
    /// What the workload has been able to see.
    pub visible: &'a Visible,
    /// By whom upstreams are verified.
    pub roots: &'a Roots,
    /// What secrets were read.
    pub secrets: &'a Slots,
    /// What handlers keep between calls.
    pub stores: &'a Stores,
    /// What waits to be told to tails.
    pub queues: &'a Queues,
    /// How many names may be looked up.
    pub bounds: &'a Arc<Bounds>,
    /// What may go on.
    pub in_force: &'a InForce,
}

/// A binding, ready to run.
pub struct Bound {
    /// The pattern that the host matched.
    pub pattern: Arc<str>,
    /// The handlers, in order.
    pub chain: Chain,
    /// What records say of them.
    pub used: Used,
    /// The secrets that they use.
    pub uses: Vec<Use>,
    /// What becomes of plain requests.
    pub upgrade: Upgrade,
}

impl Bound {
    /// `chain` for what matches `pattern`.
    pub fn new(pattern: &str, chain: Chain, upgrade: Upgrade) -> Self {
        let (used, uses) = (Used::of(&chain), chain.uses());
        Self { pattern: pattern.into(), chain, used, uses, upgrade }
    }
}

impl Generation {
    /// Compiles `document` as generation `number`. Reads files and compiles WebAssembly: blocks.
    pub fn load(
        number: u64,
        document: Arc<Document>,
        overrides: Overrides,
        surroundings: Surroundings<'_>,
    ) -> Result<Self, ConfigError> {
        // Handlers that are not there would be left out of their chains.
        let overrides = overrides.under(&document.parsed).map_err(ConfigError::overrides)?;
        let policy = Arc::new(Policy::compile(&document.parsed, &overrides));
        let limits = Limits::from(&document.parsed.limits);
        let roots = load::roots(&document, surroundings)?;
        let secrets::Opened { slots, stores } = load::secrets(&document, surroundings, &roots)?;
        let granted = Granted { stores: &stores, kept: surroundings.stores };
        let scripts =
            Scripts { granted, overrides: &overrides, engine: surroundings.engine, limits: &limits };
        let credentials = Credentials::new(&document.parsed, &slots, surroundings.fakes, &surroundings.who)?;
        let handling = handling(&policy, &document, &scripts)?;
        let tails = scripts::tails(&document.parsed, &handling.named, surroundings.queues)?;
        let resolver = Resolver::new(&document.parsed, &limits, Arc::clone(surroundings.bounds));
        let rules = Rules { generation: number, policy, resolver };
        let tls = upstream_tls::upstream_tls(&document, &roots, surroundings.visible)?;
        let elsewhere = load::elsewhere(&document, &limits, &rules, &tls);
        let in_force = surroundings.in_force.clone();
        let upstream = Upstream::new(rules.clone(), in_force, tls, limits.clone());
        Ok(Self { rules, document, overrides, limits, handling, credentials, tails, upstream, elsewhere })
    }

    /// Grows with every accepted change.
    pub fn number(&self) -> u64 {
        self.rules.generation
    }

    /// What decides, and what goes on being asked.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The document it was made of.
    pub fn document(&self) -> &Arc<Document> {
        &self.document
    }

    /// What was changed at run time.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Its secrets.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Deadlines and sizes.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What decides.
    pub fn policy(&self) -> &Policy {
        &self.rules.policy
    }

    /// The handlers of a binding that the policy chose.
    pub fn chain(&self, binding: BindingId) -> Option<&Bound> {
        self.handling.bound.get(binding.index())
    }

    /// All handlers of the document, by name, whether they are bound or not.
    pub fn handlers(&self) -> &[Arc<Named>] {
        &self.handling.named
    }

    /// Where names lead.
    pub fn resolver(&self) -> &Resolver {
        &self.rules.resolver
    }

    /// Types of DNS record that are passed on beside the usual ones.
    pub fn dns_types(&self) -> &[DnsType] {
        &self.document.parsed.dns.types
    }

    /// What hears of exchanges that are over.
    pub fn tails(&self) -> &[Tail] {
        &self.tails
    }

    /// Where a handler may fetch beside its exchanges' own hosts; none if nowhere.
    pub fn elsewhere(&self, handler: &str) -> Option<&Elsewhere> {
        self.elsewhere.get(handler)
    }

    /// Where requests go in the end.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}
