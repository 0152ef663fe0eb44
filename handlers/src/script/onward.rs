//! What a guest's `fetch` means in one call: the rest of the chain, for the exchange's own authority only.
//!
//! Receives the guest's requests; hands them to the rest of the chain on the proxy's own runtime, so that upstream
//! connections never wait for a guest's thread. Remembers a failure, because the guest sees only a text of it, and
//! a guest that gives up after a failed fetch is not the one to blame.

use std::sync::Arc;

use http::{
    Extensions, HeaderName, HeaderValue, Method, Request, Response, Uri, Version, header, request,
    uri::{Authority, PathAndQuery, Scheme},
};
use tokio::runtime::Handle;

use super::{bindings::egress::handler::http as wit, bodies::Bodies, message, task::Task};
use crate::{Body, Chain, Context, Fetch, HandlerError, Outcome, Secret};

/// Fetches of one call.
const MAX_FETCHES: usize = 64;

/// The way onward from one script.
pub(super) struct Onward {
    origin: Origin,
    kept: Kept,
    chain: Chain,
    context: Context,
    upstream: Arc<dyn Fetch>,
    runtime: Handle,
    fetches_left: usize,
    failure: Option<Failure>,
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

/// A fetch under way.
pub(super) type Pending = Task<Result<Outcome, HandlerError>>;

impl Onward {
    /// The way onward for a request; an error if its URI is not absolute.
    pub(super) fn new(
        head: &request::Parts,
        chain: Chain,
        context: Context,
        upstream: Arc<dyn Fetch>,
        runtime: Handle,
    ) -> Result<Self, String> {
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
        Ok(Self { origin, kept, chain, context, upstream, runtime, fetches_left: MAX_FETCHES, failure: None })
    }

    /// Starts a fetch for the guest.
    pub(super) fn fetch<'a>(
        &mut self,
        wanted: wit::Request,
        bodies: &mut Bodies,
        secrets: impl Iterator<Item = &'a Secret> + Clone,
    ) -> Result<Pending, String> {
        let request = self.request(wanted, bodies, secrets)?;
        self.fetches_left = self.fetches_left.checked_sub(1).ok_or("too many fetches in one call")?;
        let (chain, context, upstream) = (self.chain.clone(), self.context.clone(), self.upstream.clone());
        let run = async move { chain.run(request, &context, upstream).await };
        Ok(Task::spawn(&self.runtime, run))
    }

    /// What came of a fetch: the response, or the text that the guest sees.
    pub(super) fn settle(
        &mut self,
        result: Option<Result<Outcome, HandlerError>>,
    ) -> Result<Response<Body>, String> {
        let (failure, text) = match result {
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
        self.failure = Some(failure);
        Err(text)
    }

    /// The last failure of this call.
    pub(super) fn into_failure(self) -> Option<Failure> {
        self.failure
    }

    fn request<'a>(
        &self,
        wanted: wit::Request,
        bodies: &mut Bodies,
        secrets: impl Iterator<Item = &'a Secret> + Clone,
    ) -> Result<Request<Body>, String> {
        let authority: Authority = wanted.authority.parse().map_err(|_| "bad authority")?;
        if Origin::of(&wanted.scheme, &authority)? != self.origin {
            return Err("fetch to other hosts is not granted".to_owned());
        }
        let method = Method::from_bytes(wanted.method.as_bytes()).map_err(|_| "bad method")?;
        if method == Method::CONNECT {
            return Err("CONNECT cannot be fetched".to_owned());
        }
        let mut headers = message::set(wanted.headers, secrets)?;
        let (body, length) = message::body(wanted.body, bodies)?;
        headers.extend(length.map(|length| (header::CONTENT_LENGTH, length)));
        headers.extend(self.kept.headers.iter().cloned());
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(&wanted.path)?;
        *request.version_mut() = self.kept.version;
        *request.headers_mut() = headers;
        *request.extensions_mut() = self.kept.extensions.clone();
        Ok(request)
    }

    fn uri(&self, path: &str) -> Result<Uri, String> {
        if !path.starts_with('/') && path != "*" {
            return Err("bad path".to_owned());
        }
        let path: PathAndQuery = path.parse().map_err(|_| "bad path")?;
        let (scheme, authority) = (self.kept.scheme.clone(), self.kept.authority.clone());
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
        uri.map_err(|_| "bad path".to_owned())
    }
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
