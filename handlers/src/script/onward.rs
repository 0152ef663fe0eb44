//! What a guest's `fetch` means in one call: the rest of the chain for the exchange's own authority, and straight to its
//! upstream for another one that the policy grants.
//!
//! Receives the guest's requests; hands them on on the proxy's own runtime, so that upstream connections never wait for a
//! guest's thread. Remembers a failure, because the guest sees only a text of it, and a guest that gives up after a failed
//! fetch is not the one to blame.

use std::sync::{Arc, Mutex, PoisonError};

use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version, header, request,
    uri::{Authority, PathAndQuery, Scheme},
};
use tokio::runtime::Handle;

use super::{bindings::egress::handler::types as wit, bodies::Bodies, message, task::Task};
use crate::{Body, Chain, Context, Fetch, HandlerError, Outcome, Secrets, Upgrade};

/// Fetches of one call.
const MAX_FETCHES: usize = 64;

/// The way onward from one script.
pub(super) struct Onward {
    handler: Arc<str>,
    /// None for a call that no exchange waits for.
    own: Option<Own>,
    upstream: Arc<dyn Fetch>,
    runtime: Handle,
    fetches_left: usize,
    failure: Failures,
}

/// The exchange's own authority, and what lies behind this script.
struct Own {
    origin: Origin,
    kept: Kept,
    chain: Chain,
    context: Context,
}

/// What the guest neither sees nor changes of the request.
struct Kept {
    scheme: Scheme,
    authority: Authority,
    version: Version,
    extensions: Extensions,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Scheme, host and port: what a fetch must share with the exchange.
#[derive(PartialEq, Eq)]
struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

/// Why a fetch of this call failed.
pub(super) enum Failure {
    /// A handler further on refused.
    Denied(Outcome),
    /// A handler further on or the upstream failed.
    Failed(HandlerError),
}

/// The last failure of a call. A clone is another handle on the same.
#[derive(Clone, Default)]
pub(super) struct Failures(Arc<Mutex<Option<Failure>>>);

/// Whether a fetch asks to go on with another protocol, where the exchange's request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrading {
    /// The guest handed the wish on.
    AsAsked,
    /// It did not.
    Never,
}

/// A fetch under way.
pub(super) type Pending = Task<Result<Outcome, HandlerError>>;

impl Onward {
    /// The way onward for a request; an error if its URI is not absolute.
    pub(super) fn new(
        handler: Arc<str>,
        head: &request::Parts,
        chain: Chain,
        context: Context,
        upstream: Arc<dyn Fetch>,
        runtime: Handle,
    ) -> Result<Self, String> {
        let own = Own::new(head, chain, context)?;
        Ok(Self { own: Some(own), ..Self::elsewhere(handler, upstream, runtime) })
    }

    /// The way onward where there is no exchange.
    pub(super) fn elsewhere(handler: Arc<str>, upstream: Arc<dyn Fetch>, runtime: Handle) -> Self {
        Self {
            handler,
            own: None,
            upstream,
            runtime,
            fetches_left: MAX_FETCHES,
            failure: Failures::default(),
        }
    }

    /// Starts a fetch for a guest of our own contract.
    pub(super) fn fetch(
        &mut self,
        wanted: wit::Request,
        bodies: &mut Bodies,
        secrets: &Secrets,
    ) -> Result<Pending, String> {
        let upgrade = wanted.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
        let mut headers = message::set(wanted.headers, secrets)?;
        let whole = message::body(wanted.body, bodies)?;
        headers.extend(whole.length.map(|length| (header::CONTENT_LENGTH, length)));
        let mut request = Request::new(whole.body);
        *request.method_mut() = Method::from_bytes(wanted.method.as_bytes()).map_err(|_| "bad method")?;
        *request.uri_mut() = absolute(&wanted.scheme, &wanted.authority, &wanted.path)?;
        *request.headers_mut() = headers;
        self.start(request, if upgrade { Upgrading::AsAsked } else { Upgrading::Never })
    }

    /// Starts a fetch of a request that is valid but for where it may go.
    pub(super) fn start(
        &mut self,
        mut request: Request<Body>,
        upgrading: Upgrading,
    ) -> Result<Pending, String> {
        if request.method() == Method::CONNECT {
            return Err("CONNECT cannot be fetched".to_owned());
        }
        let (Some(scheme), Some(authority)) = (request.uri().scheme(), request.uri().authority()) else {
            return Err("the request's URI is not absolute".to_owned());
        };
        let origin = Origin::of(scheme.as_str(), authority)?;
        self.fetches_left = self.fetches_left.checked_sub(1).ok_or("too many fetches in one call")?;
        let upstream = self.upstream.clone();
        match self.own.as_ref().filter(|own| own.origin == origin) {
            Some(own) => {
                own.kept.restore(&mut request)?;
                if upgrading == Upgrading::Never {
                    request.extensions_mut().remove::<Upgrade>();
                }
                let (chain, context) = (own.chain.clone(), own.context.clone());
                let run = async move { chain.run(request, &context, upstream).await };
                Ok(Task::spawn(&self.runtime, run))
            }
            None => {
                request.headers_mut().remove(header::HOST);
                let handler = self.handler.clone();
                let run = async move {
                    let response = upstream.elsewhere(&handler, request).await;
                    response.map(Outcome::Response).map_err(HandlerError::Fetch)
                };
                Ok(Task::spawn(&self.runtime, run))
            }
        }
    }

    /// What came of a fetch: the response, or the text that the guest sees.
    pub(super) fn settle(
        &self,
        fetched: Option<Result<Outcome, HandlerError>>,
    ) -> Result<Response<Body>, String> {
        self.failure.settle(fetched)
    }

    /// Remembers what failed.
    pub(super) fn failures(&self) -> Failures {
        self.failure.clone()
    }
}

impl Failures {
    /// What came of a fetch: the response, or the text that the guest sees.
    pub(super) fn settle(
        &self,
        fetched: Option<Result<Outcome, HandlerError>>,
    ) -> Result<Response<Body>, String> {
        let (failure, text) = match fetched {
            Some(Ok(Outcome::Response(response))) => return Ok(response),
            Some(Ok(denied @ Outcome::Denied { .. })) => (Failure::Denied(denied), "denied".to_owned()),
            Some(Err(error @ HandlerError::Fetch(_))) => {
                let text = error.to_string();
                (Failure::Failed(error), text)
            }
            // The words of one handler are not for another.
            Some(Err(error)) => (Failure::Failed(error), "the next handler failed".to_owned()),
            None => return Err("fetch was interrupted".to_owned()),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        Err(text)
    }

    /// The last failure.
    pub(super) fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Own {
    fn new(head: &request::Parts, chain: Chain, context: Context) -> Result<Self, String> {
        let (Some(scheme), Some(authority)) = (head.uri.scheme(), head.uri.authority()) else {
            return Err("the request's URI is not absolute".to_owned());
        };
        let origin = Origin::of(scheme.as_str(), authority)?;
        let host = head.headers.get(header::HOST).map(|host| (header::HOST, host.clone()));
        // gRPC servers insist on it, and it means the same on every hop (RFC 9113 section 8.2.2).
        let trailers = head.headers.get(header::TE).filter(|te| *te == "trailers");
        let trailers = trailers.map(|te| (header::TE, te.clone()));
        let kept = Kept {
            scheme: scheme.clone(),
            authority: authority.clone(),
            version: head.version,
            extensions: head.extensions.clone(),
            headers: host.into_iter().chain(trailers).collect(),
        };
        Ok(Self { origin, kept, chain, context })
    }
}

impl Kept {
    /// Gives a request of the same origin what the guest could not.
    fn restore(&self, request: &mut Request<Body>) -> Result<(), String> {
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let (scheme, authority) = (self.scheme.clone(), self.authority.clone());
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
        *request.uri_mut() = uri.map_err(|_| "bad path")?;
        *request.version_mut() = self.version;
        *request.extensions_mut() = self.extensions.clone();
        let headers: &mut HeaderMap = request.headers_mut();
        headers.remove(header::HOST);
        headers.extend(self.headers.iter().cloned());
        Ok(())
    }
}

/// The URI of a guest's request.
fn absolute(scheme: &str, authority: &str, path: &str) -> Result<Uri, String> {
    if !path.starts_with('/') && path != "*" {
        return Err("bad path".to_owned());
    }
    let authority: Authority = authority.parse().map_err(|_| "bad authority")?;
    // Said before the scheme is parsed, which takes any word.
    Origin::of(scheme, &authority)?;
    let path: PathAndQuery = path.parse().map_err(|_| "bad path")?;
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
    uri.map_err(|_| "bad path".to_owned())
}

impl Origin {
    fn of(scheme: &str, authority: &Authority) -> Result<Self, String> {
        let (scheme, standard_port) = match scheme {
            "http" => (Scheme::HTTP, 80),
            "https" => (Scheme::HTTPS, 443),
            _ => return Err("only http and https can be fetched".to_owned()),
        };
        if authority.as_str().contains('@') {
            return Err("bad authority".to_owned());
        }
        // An authority with a port that is no number is not the same as one without a port.
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str() == authority.host() => standard_port,
            None => return Err("bad authority".to_owned()),
        };
        Ok(Self { scheme, host: authority.host().to_ascii_lowercase(), port })
    }
}
