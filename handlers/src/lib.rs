//! Handlers: the named programs that a request is sent through after policy has allowed it.
//!
//! Receives an HTTP request, the context of its exchange and a way to fetch onward; hands on the response, a denial,
//! or an error. Built-in handlers ([`Deny`], [`Inject`], [`Respond`]) work on the head alone; a [`Script`] is a
//! WebAssembly component. This is the only crate that knows wasmtime, and it knows nothing of policy, sockets or
//! certificates: what onward means is decided by whoever implements [`Fetch`].
//!
//! Everything fails closed: a handler that traps, spins, hoards or hangs is a [`HandlerError`], never a pass-through.

mod chain;
mod contract;
pub mod credentials;
mod deny;
mod error;
mod inject;
mod inspect;
pub mod jwt;
mod logs;
mod rate;
mod respond;
mod script;
mod secret;
pub mod sign;
mod signing;
mod store;
mod uses;

pub use chain::{Chain, Handler, Named};
pub use contract::{Body, BodyError, Context, Fetch, Fetching, Outcome, Upgrade, empty, full};
pub use deny::Deny;
pub use error::{Fault, HandlerError, LoadError};
pub use inject::{Inject, Part, Template, Value};
pub use inspect::{Inspection, Kind, inspect};
pub use logs::{Event, Level, Line, Logs};
pub use rate::RateLimit;
pub use respond::Respond;
pub use script::{Cache, Counts, Engine, KeyValueGrant, Scope, Script, ScriptLimits, ScriptSettings};
pub use secret::{Secret, Secrets};
pub use signing::{Sign, signed};
pub use store::{Blobs, KeyPage, KeyValue, Object, ObjectPage, Span, StoreError, Storing};
pub use uses::{Place, Style, Use};
