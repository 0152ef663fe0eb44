//! Opening a connection: receives scheme and authority, hands on a stream to a server that was verified to be it. Never falls
//! back: a certificate that does not verify is a failure, not a reason to try without. While it waits, the policy may change, and
//! then it gives up: the pool goes on opening connections for requests that are long over.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use policy::{Authority, Scheme, Tunnel};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;

use super::{
    LookupError, UpstreamTls, dial,
    stream::{Revoked, UpstreamStream},
};
use crate::{
    config::Limits,
    credentials::Networks,
    error::{TlsFault, UpstreamError},
    in_force::{InForce, Rules},
    tcp::Tcp,
};

/// Opens connections for a pool.
#[derive(Clone)]
pub(super) struct Connector {
    inner: Arc<Inner>,
    versions: Versions,
    /// Where it may lead, beside what the rules say; anywhere if there is nothing.
    within: Option<Networks>,
}

/// What is offered to the upstream (RFC 7301).
#[derive(Clone, Copy)]
enum Versions {
    Both,
    Http1,
}

struct Inner {
    rules: Rules,
    in_force: InForce,
    tls: Arc<UpstreamTls>,
    limits: Limits,
}

impl Connector {
    pub(super) fn new(rules: Rules, in_force: InForce, tls: Arc<UpstreamTls>, limits: Limits) -> Self {
        let inner = Inner { rules, in_force, tls, limits };
        Self { inner: Arc::new(inner), versions: Versions::Both, within: None }
    }

    /// The same for HTTP/1.1 alone.
    pub(super) fn http1(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), versions: Versions::Http1, within: self.within.clone() }
    }

    /// The same into these networks alone, for HTTP/1.1.
    pub(super) fn within(&self, networks: Networks) -> Self {
        Self { inner: Arc::clone(&self.inner), versions: Versions::Http1, within: Some(networks) }
    }

    /// Within `connectTimeoutMs`, the look-up of the name included: the workload has nothing else to wait for.
    pub(super) async fn tunnel(&self, tunnel: &Tunnel) -> Result<(TcpStream, SocketAddr), UpstreamError> {
        let dialled = self.inner.dial(tunnel.scheme, &tunnel.to, None);
        timeout(self.inner.limits.connect(), dialled).await.unwrap_or(Err(UpstreamError::ConnectTimeout))
    }
}

type Connecting = Pin<Box<dyn Future<Output = Result<TokioIo<UpstreamStream>, UpstreamError>> + Send>>;

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<UpstreamStream>;
    type Error = UpstreamError;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), UpstreamError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let Self { inner, versions, within } = self.clone();
        Box::pin(async move { inner.connect(&uri, versions, within.as_ref()).await.map(TokioIo::new) })
    }
}

impl Inner {
    async fn connect(
        &self,
        uri: &Uri,
        versions: Versions,
        within: Option<&Networks>,
    ) -> Result<UpstreamStream, UpstreamError> {
        let scheme = if uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
        // The URI was made from a canonical authority, so this only ever succeeds.
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        let authority =
            Authority::parse(authority, scheme).map_err(|_| UpstreamError::Resolve(LookupError::NoName))?;
        let (tcp, address) = self.dial(Some(scheme), &authority, within).await?;
        let allowed = |rules: &Rules| rules.may_dial(Some(scheme), &authority, address);
        match scheme {
            Scheme::Http => Ok(UpstreamStream::plain(tcp, address, self.revoked(scheme, authority, address))),
            Scheme::Https => {
                let stream = self.in_force.hold(allowed, self.handshake(tcp, &authority, versions)).await?;
                Ok(UpstreamStream::tls(stream, address, self.revoked(scheme, authority, address)))
            }
        }
    }

    /// Completes when no request of this scheme for `authority` may go to `address` any more.
    fn revoked(&self, scheme: Scheme, authority: Authority, address: SocketAddr) -> Revoked {
        let in_force = self.in_force.clone();
        let denied = move |rules: &Rules| (!rules.may_dial(Some(scheme), &authority, address)).then_some(());
        Box::pin(async move { in_force.until(denied).await })
    }

    async fn dial(
        &self,
        scheme: Option<Scheme>,
        authority: &Authority,
        within: Option<&Networks>,
    ) -> Result<(TcpStream, SocketAddr), UpstreamError> {
        let resolved = self.rules.resolver.resolve(scheme, authority, &self.rules.policy);
        let mut addresses =
            self.in_force.hold(|rules| rules.policy.may_pass(scheme, authority), resolved).await?;
        if let Some(networks) = within {
            addresses.retain(|address| networks.contain(address.ip()));
            if addresses.is_empty() {
                return Err(UpstreamError::SecretOnPlaintext);
            }
        }
        let connected = self.connect_tcp(scheme, authority, &addresses);
        timeout(self.limits.connect(), connected).await.unwrap_or(Err(UpstreamError::ConnectTimeout))
    }

    /// Connects to one of `addresses`; each attempt goes on only as long as the rules in force let it.
    async fn connect_tcp(
        &self,
        scheme: Option<Scheme>,
        authority: &Authority,
        addresses: &[SocketAddr],
    ) -> Result<(TcpStream, SocketAddr), UpstreamError> {
        let connect = |address: SocketAddr| async move {
            let connected = async {
                TcpStream::connect(address).await.map_err(|error| UpstreamError::Connect(Arc::new(error)))
            };
            let allowed = |rules: &Rules| rules.may_dial(scheme, authority, address);
            let stream = self.in_force.hold(allowed, connected).await?;
            let _ = stream.set_nodelay(true);
            Ok((stream, address))
        };
        dial::first(addresses, connect).await
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        authority: &Authority,
        versions: Versions,
    ) -> Result<TlsStream<Tcp>, UpstreamError> {
        let name = match (authority.host.name(), authority.host.address()) {
            (Some(name), _) => ServerName::try_from(name.to_owned()).map_err(|_| TlsFault::WrongName),
            (None, Some(ip)) => Ok(ServerName::from(ip)),
            (None, None) => Err(TlsFault::WrongName),
        };
        let alpn = match versions {
            Versions::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Versions::Http1 => vec![b"http/1.1".to_vec()],
        };
        let tls = self.tls.connector(authority).with_alpn(alpn);
        let handshake = tls.connect(name.map_err(UpstreamError::Tls)?, Tcp(tcp));
        let stream =
            timeout(self.limits.tls_handshake(), handshake).await.map_err(|_| UpstreamError::TlsTimeout)?;
        stream.map_err(|error| UpstreamError::Tls(error.into()))
    }
}
