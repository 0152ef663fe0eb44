//! The policy document as typed values: what a person wrote, checked, and before it is compiled.
//!
//! Receives YAML text (JSON is YAML) and hands on a [`Document`] in which every pattern is parsed and every named
//! handler and secret exists. `source` is the document as it is spelled, `read` turns the one into the other; what
//! can be judged without opening a file is judged here, with line and column.

mod dns;
mod handler;
mod limits;
mod read;
mod source;
mod unseen;

use std::{collections::BTreeMap, net::IpAddr};

pub use dns::{Dns, DnsType};
pub use handler::{HandlerSource, Template, TemplatePart};
pub use limits::Limits;

use crate::{CanonicalHost, Fault, Pattern};

/// A whole policy. The default, which is also the empty text, lets nothing pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// What is refused before anything else is asked.
    pub denied_hosts: Vec<Entry>,
    /// If set, even if empty, what is not in it is refused.
    pub allowed_hosts: Option<Vec<Entry>>,
    /// Which handlers serve which hosts; the most specific pattern wins, the order means nothing.
    pub outbound_by_host: Vec<Route>,
    /// The handlers of every host that has none of its own; empty means none.
    pub outbound: Vec<String>,
    /// Whether a host that no handler serves may be reached.
    pub enable_internet: bool,
    /// What may be reached with bytes of any kind; each entry has a port and no scheme.
    pub raw: Vec<Entry>,
    /// Whose TLS is passed on unopened; no entry is an address.
    pub passthrough: Vec<Entry>,
    /// The handlers by name.
    pub handlers: BTreeMap<String, HandlerSource>,
    /// The sources of secrets by name.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Addresses that are used instead of what DNS says.
    pub resolve: Vec<ResolveEntry>,
    /// How names are looked up.
    pub dns: Dns,
    /// PEM files with certificates that an upstream's chain may end in, beside the public ones.
    pub upstream_roots: Vec<String>,
    /// Deadlines and bounds.
    pub limits: Limits,
}

impl Document {
    /// Reads a document. The first mistake is the error.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        read::document(source::parse(text)?)
    }
}

/// A pattern and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it matches.
    pub pattern: Pattern,
    /// Its 1-based line in the document.
    pub line: u64,
}

/// An entry of `outboundByHost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The hosts.
    pub entry: Entry,
    /// The names of the handlers, first to last; never empty.
    pub handlers: Vec<String>,
}

/// Where a secret's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The environment variable of this name.
    Env(String),
    /// The content of this file.
    File(String),
}

/// Addresses for a host, as with curl's `--resolve` and `--connect-to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveEntry {
    /// The host that is asked for.
    pub host: CanonicalHost,
    /// Only for this port; `None` is every port.
    pub port: Option<u16>,
    /// Where to go instead, in order of preference; never empty.
    pub to: Vec<ResolveTarget>,
}

/// One address to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolveTarget {
    /// The address.
    pub address: IpAddr,
    /// The port; `None` is the port that was asked for.
    pub port: Option<u16>,
}

#[cfg(test)]
mod tests;
