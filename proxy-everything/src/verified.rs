//! The HTTP client for servers that the policy's author names beside upstreams: object stores, and whoever hands out secrets. It
//! verifies TLS as everywhere else, knows no proxy of the environment, and follows no redirects.

use std::{sync::Arc, time::Duration};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Connections that are kept for the next request, and for how long.
const MAX_POOLED: usize = 32;
const POOLED: Duration = Duration::from_secs(30);

/// Sends requests with bodies of type `B`. Whoever sends one sees to its deadline.
pub type Verified<B> = Client<HttpsConnector<HttpConnector>, B>;

/// A client for servers that `roots` vouch for.
pub fn client<B: http_body::Body<Data: Send> + Send>(roots: &Arc<RootCertStore>) -> Verified<B> {
    let tls = ClientConfig::builder().with_root_certificates(Arc::clone(roots)).with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_DEADLINE));
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(POOLED).pool_max_idle_per_host(MAX_POOLED);
    builder.build(connector)
}
