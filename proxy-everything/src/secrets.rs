//! Secrets: from the document's sources to values in memory. Receives what the document declares, hands on a [`Slot`] for each secret
//! that an instance may use, and a slot hands on the value that is good now. Values follow their sources without a new document:
//! files that are replaced, tokens that end, leases that are renewed.

mod cached;
mod command;
mod declared;
mod file;
mod github;
mod http;
mod jwt;
mod oauth;
mod open;
mod slot;
mod source;
mod value;
mod vault;
mod visible;

use std::sync::Arc;

pub use declared::{files, variables};
pub use file::text as secret_text;
pub use open::{Opened, Slots, Surroundings};
pub use slot::Slot;
pub use visible::Visible;

#[cfg(test)]
mod tests;

/// There is no value. Never holds one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("secret `{name}`: {reason}")]
pub struct Unavailable {
    /// Which secret.
    pub name: Arc<str>,
    /// Why, for operators: the workload must not be told.
    pub reason: Arc<str>,
}
