//! The upstream: receives a cleaned request, hands on the response of the server that the request's authority names.
//! Connections are pooled by scheme and authority, except those that shall go on with another protocol, and an `Upstream` belongs to one generation: roots, addresses and
//! client identity are the same for all its connections, so none is reused under rules that it was not opened by.

mod connector;
mod framing;
mod lookup;
mod resolve;
mod stream;

use std::{error::Error, net::SocketAddr, sync::Arc};

use handlers::{Body, BodyError, Upgrade};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};
use policy::Tunnel;
use rustls::RootCertStore;
use tokio::net::TcpStream;

use connector::Connector;
use framing::Interim;
pub use lookup::{LookupError, system_servers_are_local};
pub use resolve::Resolver;
use stream::UpstreamEnd;
pub use stream::{UpstreamAddress, UpstreamStream};

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
/// Response headers of HTTP/1.1, in lines.
const MAX_HEADERS: usize = 128;
/// Flow-control windows of HTTP/2, as towards the workload.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

/// A pool of verified connections.
pub struct Upstream {
    client: Client<Connector, Body>,
    /// For requests after which their connection is nobody else's: HTTP/1.1, and one connection for each.
    upgrading: Client<Connector, Body>,
    connector: Connector,
    builder: legacy::Builder,
    limits: Limits,
}

impl Upstream {
    /// An empty pool whose connections are opened as `rules` and `roots` allow, and as long as those in force do, too.
    pub fn new(rules: Rules, in_force: InForce, roots: Arc<RootCertStore>, limits: Limits) -> Self {
        let connector = Connector::new(rules, in_force, roots, limits.clone());
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .http1_max_headers(MAX_HEADERS)
            .http1_max_buf_size(limits.max_response_head())
            .http2_max_header_list_size(u32::try_from(limits.max_response_head()).unwrap_or(u32::MAX))
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW);
        let client = builder.build(connector.clone());
        let upgrading = builder.pool_max_idle_per_host(0).build(connector.http1());
        Self { client, upgrading, connector, builder, limits }
    }

    /// Sends `request` and waits for the head of the response; notes the address that answered. If the request asks for an upgrade
    /// and the upstream switches, the response's extensions lead to the connection. With `within`, the request travels over a
    /// connection that leads there and that nothing else uses.
    pub async fn send(
        &self,
        request: Request<Body>,
        notes: &Notes,
        within: Option<&Networks>,
    ) -> Result<Response<Body>, UpstreamError> {
        let (head, body) = request.into_parts();
        let body = sieve(body, &head.headers, head.version);
        let mut request = Request::from_parts(head, body);
        let upgrade = request.extensions_mut().remove::<Upgrade>();
        if let Some(Upgrade(protocol)) = &upgrade {
            request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            request.headers_mut().insert(header::UPGRADE, protocol.clone());
        }
        let own;
        let client = match (within, &upgrade) {
            (Some(networks), _) => {
                own = self.builder.build(self.connector.within(networks.clone()));
                &own
            }
            (None, Some(_)) => &self.upgrading,
            (None, None) => &self.client,
        };
        let overdue = async {
            // A long upload is no reason to give up; its standing still is, and the body itself sees to that.
            notes.sent.wait().await;
            tokio::time::sleep(self.limits.response_head()).await;
        };
        let interim = Arc::new(Interim::default());
        let counted = Arc::clone(&interim);
        hyper::ext::on_informational(&mut request, move |_| counted.one_more());
        let response = tokio::select! {
            response = client.request(request) => response.map_err(failure)?,
            () = overdue => return Err(UpstreamError::HeadTimeout),
            () = interim.too_many() => return Err(UpstreamError::Framing(framing::TOO_MANY)),
        };
        if let Some(UpstreamAddress(address)) = response.extensions().get() {
            notes.reached(*address);
        }
        if let Some(fault) = framing::fault(&response).or_else(|| interim.fault()) {
            if let Some(end) = response.extensions().get::<UpstreamEnd>() {
                end.now();
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

    /// Opens a connection of its own for bytes that pass unseen, and says which address it leads to.
    pub async fn tunnel(&self, tunnel: &Tunnel) -> Result<(TcpStream, SocketAddr), UpstreamError> {
        self.connector.tunnel(tunnel).await
    }
}

/// Our connector's own error where there is one; the pool wraps it.
fn failure(error: legacy::Error) -> UpstreamError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<UpstreamError>() {
            return ours.clone();
        }
        cause = inner.source();
    }
    UpstreamError::Broke(Arc::new(error))
}
