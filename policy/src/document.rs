//! The policy document as typed values: what a person wrote, checked, and before it is compiled.
//!
//! Receives YAML text (JSON is YAML) and hands on a [`Document`] in which every pattern is parsed and every named
//! handler and secret exists. `source` is the document as it is spelled, `read` turns the one into the other; what
//! can be judged without opening a file is judged here, with line and column.

mod dns;
mod handler;
mod inject;
mod limits;
mod preset;
mod print;
mod read;
mod rule;
mod secret;
mod sign;
mod source;
mod store;
mod template;
mod unseen;
mod upstream_tls;
mod wasm;
mod whole;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use dns::{Dns, DnsType};
pub use handler::HandlerSource;
pub use inject::{BasicSource, InjectSource};
pub use limits::Limits;
pub use preset::{Preset, presets};
pub(crate) use print::{object, routes_to_json};
pub(crate) use read::{allowed_entry, catch_all, denied_entry, routes};
pub(crate) use rule::Rules;
pub use rule::{Answer, Enforcement, Entry, Origin, Route, Upgrade};
pub use secret::{
    ClientAuth, CommandSource, GithubAppSource, JwtAlgorithm, JwtBearerSource, OAuth2Source, Place,
    Placeholder, PlaceholderLook, RedisSource, Secret, SecretSource, VaultAuth, VaultSource,
};
pub use sign::{AwsSource, HmacAlgorithm, HmacEncoding, HmacPart, HmacSource, SignSource};
pub(crate) use source::{
    ComponentWords, Entries, OverrideSource, RouteKeys, RouteWords, RuleWords, Word, WordOr, Words,
    one_or_many, parse, parse_body, some, unknown_key,
};
pub(crate) use whole::program;

pub use store::{StoreKind, StoreSource};
pub use template::{InstanceFacts, InstanceText, InstanceTextError, Template, TemplatePart};
pub use upstream_tls::{ClientCertificate, Unlisted, UpstreamTls, UpstreamTlsIndex};
pub use wasm::{ComponentSource, ContentHash, OnError, RateLimit, WasmSource};

use source::Source;

use crate::{CanonicalHost, Fault};

/// A whole policy. The default, which is also the empty text, lets nothing pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Whose meaning patterns and refusals have.
    pub compat: Compat,
    /// What is refused before anything else is asked.
    pub denied_hosts: Vec<Entry>,
    /// If set, even if empty, what is not in it is refused.
    pub allowed_hosts: Option<Vec<Entry>>,
    /// Which handlers serve which hosts; the most specific pattern wins. Rules with one pattern stand together.
    pub outbound_by_host: Vec<Route>,
    /// The handlers of every host that has none of its own.
    pub outbound: Vec<Route>,
    /// Whether a host that no handler serves may be reached.
    pub enable_internet: bool,
    /// Whether requests that would be refused pass with a note.
    pub enforcement: Enforcement,
    /// What a refused request is answered with, unless its rule knows better.
    pub answer: Option<Arc<Answer>>,
    /// What may be reached with bytes of any kind; each entry has a port and no scheme.
    pub raw: Vec<Entry>,
    /// Whose TLS is passed on unopened; no entry is an address.
    pub passthrough: Vec<Entry>,
    /// The handlers by name.
    pub handlers: BTreeMap<String, HandlerSource>,
    /// The handlers that hear of every finished exchange, each once; all of them are WebAssembly components.
    pub tail: Vec<String>,
    /// The secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Where handlers keep things, by name.
    pub stores: BTreeMap<String, StoreSource>,
    /// Addresses that are used instead of what DNS says.
    pub resolve: Vec<ResolveEntry>,
    /// How names are looked up.
    pub dns: Dns,
    /// PEM files with certificates that an upstream's chain may end in, beside the public ones.
    pub upstream_roots: Vec<PathBuf>,
    /// How TLS is spoken with hosts for which it is not the usual; no pattern is there twice.
    pub upstream_tls: Vec<UpstreamTls>,
    /// Deadlines and bounds.
    pub limits: Limits,
}

/// Whose meaning patterns and refusals have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// The one of this program.
    #[default]
    Strict,
    /// Cloudflare's: looser globs, their refusal, and the Internet enabled unless it is said otherwise.
    Cloudflare,
}

/// One of several texts that together are a document.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What it is called where rules are named; `None` is for the only one.
    pub source: Option<&'a str>,
    /// The folder that its relative paths start from.
    pub base: &'a Path,
    /// YAML or JSON.
    pub text: &'a str,
}

impl Document {
    /// Reads a document by itself; its relative paths stay what they are. The first mistake is the error.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        Self::default().and(&Part { source: None, base: Path::new(""), text })
    }

    /// Reads one more part: its lists go behind those that are there, and in all else what it says takes the place of what was
    /// said before. It may name handlers, secrets and stores that an earlier part declares.
    pub fn and(self, part: &Part<'_>) -> Result<Self, Fault> {
        read::document(self, parse::<Source>(part.text)?, part)
    }
}

type Secrets = BTreeMap<String, Secret>;

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
pub(crate) use tests::{credentials::ALL as CREDENTIALS, wasm::FULL};
#[cfg(test)]
mod tests;
