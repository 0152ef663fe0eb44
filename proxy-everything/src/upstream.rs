//! The upstream: receives a cleaned request, hands on the response of the server that the request's authority names.
//! Connections are pooled by scheme and authority, except those that shall go on with another protocol, and an `Upstream` belongs to one generation: roots, addresses and
//! client identity are the same for all its connections, so none is reused under rules that it was not opened by.

mod again;
mod connector;
mod dial;
mod framing;
mod lookup;
mod resolve;
mod stream;
mod tls;

use std::{error::Error, net::SocketAddr, sync::Arc};

use handlers::{Body, BodyError, Upgrade};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};
use policy::Tunnel;
use tokio::net::TcpStream;

use again::Again;
use connector::Connector;
use framing::Interim;
pub use lookup::{LookupError, system_servers_are_local};
pub use resolve::Resolver;
use stream::Known;
pub use stream::UpstreamStream;
pub use tls::{UpstreamTls, client, verifier};

use crate::{
    audit::Notes,
    config::Limits,
    credentials::Networks,
    error::UpstreamError,
    http::sieve,
    in_force::{InForce, Rules},
    upgrade,
};

/// Idle connections that are kept for one authority.
const MAX_IDLE_PER_HOST: usize = 32;
/// Flow-control window of an HTTP/2 stream, in bytes: what a response may be ahead of the workload that reads it. Upstreams are far
/// away, and one stream cannot be faster than one window in each round trip.
const STREAM_WINDOW: u32 = 512 * 1024;
/// That of a connection is the largest there is: it is shared by the requests of all the workload's connections, and responses that
/// are not read must not hold up the others. What is kept is bounded by the windows of the streams, and these by the connections and
/// streams of the workload.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// What is known of a server before the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prior {
    /// Nothing: TLS will tell, and without TLS it is HTTP/1.1.
    Nothing,
    /// That it speaks HTTP/2 without TLS (RFC 9113, 3.3), because a client that knows it does so.
    Http2,
}

/// Which connections a request may use.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// All of its authority, of either version.
    Any,
    /// Those of this pool, for a reason that another one does not know.
    Only(&'a Client<Connector, Body>),
}

/// A pool of verified connections.
pub struct Upstream {
    client: Client<Connector, Body>,
    /// For servers of HTTP/2 without TLS.
    prior: Client<Connector, Body>,
    /// For requests after which their connection is nobody else's: HTTP/1.1, and one connection for each.
    upgrading: Client<Connector, Body>,
    connector: Connector,
    builder: legacy::Builder,
    limits: Limits,
}

impl Upstream {
    /// An empty pool whose connections are opened as `rules` and `tls` allow, and as long as those in force do, too.
    pub fn new(rules: Rules, in_force: InForce, tls: Arc<UpstreamTls>, limits: Limits) -> Self {
        let connector = Connector::new(rules, in_force, tls, limits.clone());
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .http1_max_buf_size(limits.max_response_head())
            .http2_max_header_list_size(u32::try_from(limits.max_response_head()).unwrap_or(u32::MAX))
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW);
        let client = builder.build(connector.clone());
        let prior = builder.clone().http2_only(true).build(connector.clone());
        let upgrading = builder.pool_max_idle_per_host(0).build(connector.http1());
        Self { client, prior, upgrading, connector, builder, limits }
    }

    /// Sends `request` and waits for the head of the response; notes the address that answered. If the request asks for an upgrade
    /// and the upstream switches, the response's extensions lead to the connection. With `within`, the request travels over a
    /// connection that leads there and that nothing else uses. `prior` counts for plain requests alone.
    pub async fn send(
        &self,
        request: Request<Body>,
        notes: &Notes,
        within: Option<&Networks>,
        prior: Prior,
    ) -> Result<Response<Body>, UpstreamError> {
        let (head, body) = request.into_parts();
        let body = sieve(body, &head.headers);
        let mut request = Request::from_parts(head, body);
        let upgrade = request.extensions_mut().remove::<Upgrade>();
        if let Some(Upgrade(protocol)) = &upgrade {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            request.headers_mut().insert(header::UPGRADE, protocol.clone());
        }
        let prior = request.uri().scheme_str() == Some("http") && prior == Prior::Http2 && upgrade.is_none();
        let own;
        let way = match (within, &upgrade) {
            (Some(networks), _) => {
                let mut builder = self.builder.clone();
                own = builder.http2_only(prior).build(self.connector.within(networks.clone()));
                Way::Only(&own)
            }
            (None, Some(_)) => Way::Only(&self.upgrading),
            (None, None) if prior => Way::Only(&self.prior),
            (None, None) => Way::Any,
        };
        let overdue = async {
            // A long upload is no reason to give up; its standing still is, and the body itself sees to that.
            notes.sent.wait().await;
            tokio::time::sleep(self.limits.response_head()).await;
        };
        let interim = Arc::new(Interim::default());
        let response = tokio::select! {
            response = self.request(way, request, &interim) => response.map_err(failure)?,
            () = overdue => return Err(UpstreamError::HeadTimeout),
            () = interim.too_many() => return Err(UpstreamError::Framing(framing::TOO_MANY)),
        };
        if let Some(known) = response.extensions().get::<Known>() {
            known.answers();
            notes.reached(known.address());
        }
        if let Some(fault) = framing::fault(&response).or_else(|| interim.fault()) {
            if let Some(known) = response.extensions().get::<Known>() {
                known.ends();
            }
            return Err(UpstreamError::Framing(fault));
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && !upgrade.is_some_and(|upgrade| upgrade::agrees(response.headers(), &upgrade))
        {
            return Err(UpstreamError::Upgrade);
        }
        Ok(response.map(|body| body.map_err(BodyError::from).boxed_unsync()))
    }

    /// Sends `request`, and once more if that is as good as not having sent it.
    async fn request(
        &self,
        way: Way<'_>,
        request: Request<Body>,
        interim: &Arc<Interim>,
    ) -> Result<Response<Incoming>, legacy::Error> {
        let client = match way {
            Way::Any => &self.client,
            Way::Only(client) => client,
        };
        let (request, lent) = again::lend(request);
        let error = match client.request(counted(request, interim)).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let Some(again) = Again::after(&error, lent.is_harmless()) else { return Err(error) };
        let Some(request) = lent.back().await else { return Err(error) };
        let request = counted(request, interim);
        tracing::debug!(%error, ?again, "the upstream has not answered it, so that it is sent again");
        match (again, way) {
            (Again::Apart, Way::Any) => self.builder.build(self.connector.clone()).request(request).await,
            (Again::Http1, Way::Any) => self.upgrading.request(request).await,
            (Again::Http1, Way::Only(_)) => Err(error),
            (Again::Pooled | Again::Apart, _) => client.request(request).await,
        }
    }

    /// Opens a connection of its own for bytes that pass unseen, and says which address it leads to.
    pub async fn tunnel(&self, tunnel: &Tunnel) -> Result<(TcpStream, SocketAddr), UpstreamError> {
        self.connector.tunnel(tunnel).await
    }
}

/// The request, whose interim responses are counted.
fn counted(mut request: Request<Body>, interim: &Arc<Interim>) -> Request<Body> {
    let interim = Arc::clone(interim);
    hyper::ext::on_informational(&mut request, move |_| interim.one_more());
    request
}

/// Our connector's own error where there is one; the pool wraps it. What TLS said after the handshake is known of the connection.
fn failure(error: legacy::Error) -> UpstreamError {
    if let Some(fault) = Known::of(&error).and_then(|known| known.fault()) {
        return UpstreamError::Tls(fault);
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<UpstreamError>() {
            return ours.clone();
        }
        cause = inner.source();
    }
    UpstreamError::Broke(Arc::new(error))
}
