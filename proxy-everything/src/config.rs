//! Configuration: receives a policy document as text, hands on a *generation*: the compiled policy, the handler chains
//! with their secrets, and the upstream pool that belongs to them. Everything that can be wrong is found here, before any of
//! it is in force; an exchange never meets a half-made generation.

mod engine;
mod error;
mod limits;
mod load;
mod secrets;

use std::{path::PathBuf, sync::Arc};

use handlers::Chain;
use policy::{BindingId, Policy};

pub use engine::LazyEngine;
pub use error::ConfigError;
pub use limits::Limits;
pub use secrets::{Visible, secret_files, secret_variables, trusted_files};

use crate::upstream::Upstream;

/// A policy document as it was given, and where its relative paths begin.
#[derive(Clone, Debug)]
pub struct Document {
    /// YAML or JSON.
    pub text: String,
    /// The folder that relative paths in it start from; absolute.
    pub base: PathBuf,
}

/// Everything that decides about exchanges, made of one document. Immutable; replaced as a whole.
pub struct Generation {
    number: u64,
    document: Document,
    limits: Limits,
    policy: Arc<Policy>,
    bound: Vec<Bound>,
    upstream: Upstream,
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
        engine: &LazyEngine,
        visible: &Visible,
    ) -> Result<Self, ConfigError> {
        let parsed = policy::Document::parse(&document.text)?;
        let policy = Arc::new(Policy::compile(&parsed));
        let limits = Limits::from(&parsed.limits);
        let bound = load::bindings(&policy, &parsed, &document.base, engine, visible)?;
        let upstream = load::upstream(&policy, &parsed, &document.base)?;
        Ok(Self { number, document, limits, policy, bound, upstream })
    }

    /// Grows with every accepted change.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The document it was made of.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Deadlines and sizes.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What decides.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The handlers of a binding that the policy chose.
    pub fn chain(&self, binding: BindingId) -> Option<&Bound> {
        self.bound.get(binding.index())
    }

    /// Where requests go in the end.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}
