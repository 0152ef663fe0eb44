//! Configuration: receives a policy document as text, hands on a *generation*: the compiled policy, the handler chains
//! with their secrets, and the upstream pool that belongs to them. Everything that can be wrong is found here, before any of
//! it is in force; an exchange never meets a half-made generation.

mod engine;
mod error;
mod limits;
mod load;
mod roots;
mod secrets;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use handlers::Chain;
use policy::{BindingId, DnsType, Policy};

pub use engine::LazyEngine;
pub use error::ConfigError;
pub use limits::Limits;
pub use roots::Roots;
pub use secrets::{Shared, Visible, secret_files, secret_variables, trusted_files};

use crate::{
    dns::Bounds,
    in_force::{InForce, Rules},
    upstream::{Resolver, Upstream},
};

/// Largest document, in bytes.
pub const MAX_DOCUMENT: usize = 4 * 1024 * 1024;

/// A policy document, parsed, and where its relative paths begin.
#[derive(Debug)]
pub struct Document {
    text: String,
    base: PathBuf,
    parsed: policy::Document,
}

impl Document {
    /// Parses `text`, YAML or JSON, whose relative paths start from the absolute folder `base`.
    pub fn parse(text: String, base: PathBuf) -> Result<Self, ConfigError> {
        let parsed = policy::Document::parse(&text)?;
        Ok(Self { text, base, parsed })
    }

    /// Whether it says whom to ask for names.
    pub fn names_servers(&self) -> bool {
        !self.parsed.dns.servers.is_empty()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }
}

/// Everything that decides about exchanges, made of one document. Immutable; replaced as a whole.
pub struct Generation {
    rules: Rules,
    text: String,
    base: PathBuf,
    limits: Limits,
    bound: Vec<Bound>,
    dns_types: Vec<DnsType>,
    upstream: Upstream,
}

/// What all generations of an instance have in common.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Compiles handlers.
    pub engine: &'a LazyEngine,
    /// What the workload has been able to see.
    pub visible: &'a Visible,
    /// By whom upstreams are verified.
    pub roots: &'a Roots,
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
}

impl Generation {
    /// Compiles `document` as generation `number`. Reads files and compiles WebAssembly: blocks.
    pub fn load(
        number: u64,
        document: Document,
        surroundings: Surroundings<'_>,
    ) -> Result<Self, ConfigError> {
        let policy = Arc::new(Policy::compile(&document.parsed));
        let limits = Limits::from(&document.parsed.limits);
        let bound = load::bindings(&policy, &document, &limits, surroundings)?;
        let resolver = Resolver::new(&document.parsed, &limits, Arc::clone(surroundings.bounds));
        let rules = Rules { generation: number, policy, resolver };
        let upstream = load::upstream(&document, &limits, rules.clone(), surroundings)?;
        let Document { text, base, parsed } = document;
        let dns_types = parsed.dns.types;
        Ok(Self { rules, text, base, limits, bound, dns_types, upstream })
    }

    /// Grows with every accepted change.
    pub fn number(&self) -> u64 {
        self.rules.generation
    }

    /// What decides, and what goes on being asked.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The document it was made of, as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The folder that relative paths in it start from.
    pub fn base(&self) -> &Path {
        &self.base
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
        self.bound.get(binding.index())
    }

    /// Where names lead.
    pub fn resolver(&self) -> &Resolver {
        &self.rules.resolver
    }

    /// Types of DNS record that are passed on beside the usual ones.
    pub fn dns_types(&self) -> &[DnsType] {
        &self.dns_types
    }

    /// Where requests go in the end.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}
