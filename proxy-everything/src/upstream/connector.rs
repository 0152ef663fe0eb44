//! Opening a connection: receives scheme and authority, hands on a stream to a server that was verified to be it. Never falls
//! back: a certificate that does not verify is a failure, not a reason to try without.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use policy::{Authority, Policy, Scheme, Tunnel};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{LookupError, Resolver, stream::UpstreamStream};
use crate::{
    config::Limits,
    error::{TlsFault, UpstreamError},
};

/// Opens connections for the pool.
#[derive(Clone)]
pub(super) struct Connector(Arc<Inner>);

struct Inner {
    policy: Arc<Policy>,
    resolver: Resolver,
    tls: TlsConnector,
    limits: Limits,
}

impl Connector {
    pub(super) fn new(policy: Arc<Policy>, resolver: Resolver, roots: RootCertStore, limits: Limits) -> Self {
        let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self(Arc::new(Inner { policy, resolver, tls: TlsConnector::from(Arc::new(tls)), limits }))
    }

    /// Within `connectTimeoutMs`, the look-up of the name included: the workload has nothing else to wait for.
    pub(super) async fn tunnel(&self, tunnel: &Tunnel) -> Result<(TcpStream, SocketAddr), UpstreamError> {
        let dialled = self.0.dial(tunnel.scheme, &tunnel.to);
        timeout(self.0.limits.connect(), dialled).await.unwrap_or(Err(UpstreamError::ConnectTimeout))
    }

    pub(super) fn may_reach(&self, tunnel: &Tunnel, address: SocketAddr) -> bool {
        self.0.resolver.judge(address, tunnel.scheme, &tunnel.to, &self.0.policy).is_ok()
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
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.connect(&uri).await.map(TokioIo::new) })
    }
}

impl Inner {
    async fn connect(&self, uri: &Uri) -> Result<UpstreamStream, UpstreamError> {
        let scheme = if uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
        // The URI was made from a canonical authority, so this only ever succeeds.
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        let authority =
            Authority::parse(authority, scheme).map_err(|_| UpstreamError::Resolve(LookupError::NoName))?;
        let (tcp, address) = self.dial(Some(scheme), &authority).await?;
        match scheme {
            Scheme::Http => Ok(UpstreamStream::plain(tcp, address)),
            Scheme::Https => self.handshake(tcp, address, &authority).await,
        }
    }

    async fn dial(
        &self,
        scheme: Option<Scheme>,
        authority: &Authority,
    ) -> Result<(TcpStream, SocketAddr), UpstreamError> {
        let addresses = self.resolver.resolve(scheme, authority, &self.policy).await?;
        connect_tcp(&addresses, self.limits.connect()).await
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        authority: &Authority,
    ) -> Result<UpstreamStream, UpstreamError> {
        let name = match (authority.host.name(), authority.host.address()) {
            (Some(name), _) => ServerName::try_from(name.to_owned()).map_err(|_| TlsFault::WrongName),
            (None, Some(ip)) => Ok(ServerName::from(ip)),
            (None, None) => Err(TlsFault::WrongName),
        };
        let handshake = self.tls.connect(name.map_err(UpstreamError::Tls)?, tcp);
        let stream =
            timeout(self.limits.tls_handshake(), handshake).await.map_err(|_| UpstreamError::TlsTimeout)?;
        stream
            .map(|stream| UpstreamStream::tls(stream, address))
            .map_err(|error| UpstreamError::Tls(error.into()))
    }
}

/// Connects to the first of `addresses` that answers, within `limit` for all of them together.
async fn connect_tcp(
    addresses: &[SocketAddr],
    limit: Duration,
) -> Result<(TcpStream, SocketAddr), UpstreamError> {
    let attempts = async {
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok((stream, *address));
                }
                Err(error) => last = error,
            }
        }
        Err(UpstreamError::Connect(Arc::new(last)))
    };
    timeout(limit, attempts).await.unwrap_or(Err(UpstreamError::ConnectTimeout))
}
