//! What may leave: the policy document, compiled to a pure function.
//!
//! Text goes in ([`Document::parse`]) and is either a typed document or a [`Fault`] with its line and column.
//! [`Policy::compile`] turns the document into indexes; [`Policy::decide`] is asked once per request,
//! [`Policy::treat`] once per connection, [`Policy::resolves`] once per DNS question, [`Policy::check_answer`] once
//! per address in its answer, [`Policy::check_address`] once per address about to be dialled and [`Policy::secret_use`] once per
//! secret that a request could carry.
//! No sockets, files, clock or environment: the same facts always give the same answer.
//!
//! ```
//! use policy::{Authority, Decision, Document, Overrides, Policy, RequestFacts, Scheme};
//!
//! let document = Document::parse("allowedHosts: ['*.example.com']")?;
//! let policy = Policy::compile(&document, &Overrides::default());
//! let Authority { host, port } = Authority::parse("API.Example.com", Scheme::Https)?;
//! let decision = policy.decide(&RequestFacts { scheme: Scheme::Https, host: &host, port, method: "GET", path: "/" });
//! assert!(matches!(decision, Decision::Forward { binding: None, .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod address;
mod authority;
mod cases;
mod condition;
mod decision;
mod diff;
mod document;
mod fault;
mod host;
mod index;
mod learn;
mod overrides;
mod path;
mod pattern;
mod policy;
mod recorded;
mod schema;
mod url;

pub use address::AddressRefusal;
pub use authority::{Authority, Scheme};
pub use cases::{Case, Expect};
pub use condition::Condition;
pub use decision::{
    Binding, BindingId, ConnectionFacts, Decision, Denial, Protocol, Reason, RequestFacts, Rule, Treatment,
    Tunnel,
};
pub use diff::{Change, Diff, Difference, diff};
pub use document::{
    Answer, AwsSource, BasicSource, ClientAuth, ClientCertificate, CommandSource, Compat, ComponentSource,
    ContentHash, Dns, DnsType, Document, Enforcement, Entry, GithubAppSource, HandlerSource, HmacAlgorithm,
    HmacEncoding, HmacPart, HmacSource, InjectSource, InstanceFacts, InstanceText, InstanceTextError,
    JwtAlgorithm, JwtBearerSource, Limits, OAuth2Source, OnError, Origin, Part, Place, Placeholder,
    PlaceholderLook, Preset, RateLimit, RedisSource, ResolveEntry, ResolveTarget, Route, Secret,
    SecretSource, SignSource, StoreKind, StoreSource, Template, TemplatePart, Unlisted, Upgrade, UpstreamTls,
    UpstreamTlsIndex, VaultAuth, VaultSource, WasmSource, presets,
};
pub use fault::Fault;
pub use host::{CanonicalHost, HostError};
pub use learn::{Denied, Learned};
pub use overrides::{Overrides, Verb};
pub use path::PathPattern;
pub use pattern::{Pattern, PatternError};
pub use policy::{Named, Policy, Resolution, SecretUse, Served, Step, Verdict, Warning};
pub use schema::SCHEMA;
pub use url::{Url, UrlError};
