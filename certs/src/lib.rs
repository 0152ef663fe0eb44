//! Certificates on both sides of the proxy.
//!
//! Towards the workload: one [`InstanceCa`] for each instance mints a [`Leaf`] for each name, and a
//! [`LeafCache`] keeps the leaves in use. Towards upstreams: [`upstream_roots`] says whom to trust, and
//! [`trust_bundle`] is the file that makes the workload trust its CA beside the usual roots, [`java_trust_store`] the same for Java.
//! [`staple_revokes`] and [`must_staple`] read what servers say of revocation.
//!
//! No sockets and no clock here: the time is always an argument. Keys live in memory only.

#![forbid(unsafe_code)]

mod ca;
mod cache;
mod der;
mod error;
mod java;
mod key;
mod leaf;
mod name;
mod status;
mod trust;
mod validity;

#[cfg(test)]
mod testing;

pub use ca::{InstanceCa, KeptCa};
pub use cache::LeafCache;
pub use error::CertError;
pub use java::java_trust_store;
pub use leaf::Leaf;
pub use name::SubjectName;
pub use status::{must_staple, staple_revokes};
pub use trust::{SystemRoots, trust_bundle, upstream_roots};
