//! The contract between the proxy and its handlers.
//!
//! The proxy hands in a request with an absolute URI (scheme and authority), the [`Context`] of the exchange and a
//! [`Fetch`] for what lies behind the last handler; it gets back an [`Outcome`]. The types are those of the `http`
//! crate, so that nothing is converted on the way when no script is involved.

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

use crate::{Logs, Secrets};

/// What went wrong while a body was read or a request was fetched; the proxy downcasts it to its own error.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A streamed body. Handlers that do not look into it pass it on untouched.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body of nothing, which takes no memory.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The future that [`Fetch::fetch`] returns.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Response<Body>, BodyError>> + Send>>;

/// What lies behind the last handler.
pub trait Fetch: Send + Sync {
    /// Sends a request of the exchange's own authority to the upstream and waits for the head of the response.
    fn fetch(&self, request: Request<Body>) -> Fetching;

    /// Sends a request of another authority straight there, if the policy grants that to the handler of this name.
    fn elsewhere(&self, handler: &str, request: Request<Body>) -> Fetching;
}

/// The protocol that the workload asks to go on with on its connection, WebSocket for example (RFC 9110, 7.8): an extension of the request,
/// where the headers of one hop are missing. Whoever fetches onward passes it on. If that leads to a response with status 101,
/// the way to the upstream is among the response's extensions; the workload gets it if they are handed on, and it is closed if not.
#[derive(Debug, Clone)]
pub struct Upgrade(pub HeaderValue);

/// What a handler may know about the exchange it serves.
#[derive(Debug, Clone)]
pub struct Context {
    /// The instance's id (`containerId` in JavaScript).
    pub instance: Arc<str>,
    /// The instance's class (`className`).
    pub class: Arc<str>,
    /// The host pattern of the binding that chose this chain.
    pub matched: Arc<str>,
    /// The id under which this exchange appears in the audit record.
    pub request_id: Arc<str>,
    /// The workload's address and port.
    pub source: SocketAddr,
    /// Takes what the handlers write.
    pub logs: Logs,
    /// The secrets that may be used in it.
    pub secrets: Secrets,
}

/// How a chain ended when nothing failed.
pub enum Outcome {
    /// A response from a handler or from the upstream.
    Response(Response<Body>),
    /// A handler refused; the proxy phrases the refusal in the workload's own protocol.
    Denied {
        /// The status for the workload.
        status: StatusCode,
        /// The operator's words, shown to the workload.
        reason: Option<String>,
        /// The name of the handler that refused.
        handler: Arc<str>,
    },
}
