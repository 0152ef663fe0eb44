//! The origin's sockets: accept, TLS, HTTP.
//!
//! Receives the two listeners on a thread of its own; notes each request before it is answered.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use http::Method;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::{Seen, Settings, Shared, Transport, Versions, body, heard::Heard, routes};
use crate::TestCa;

pub(super) fn tls(ca: &TestCa, settings: &Settings) -> Option<TlsAcceptor> {
    let Transport::Tls(certificate) = settings.transport else {
        return None;
    };
    let alpn: &[&str] = match settings.versions {
        Versions::Http1 => &["http/1.1"],
        Versions::Http2 => &["h2"],
        Versions::Both => &["h2", "http/1.1"],
    };
    let config: Arc<ServerConfig> = ca.server(&settings.names, certificate, alpn, settings.clients);
    Some(TlsAcceptor::from(config))
}

/// Serves until `stopped` is dropped or sent.
pub(super) fn run(
    listeners: [TcpListener; 2],
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for listener in listeners {
            listener.set_nonblocking(true).expect("a non-blocking listener");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let (tls, shared) = (tls.clone(), shared.clone());
            tokio::spawn(async move {
                while let Ok((stream, peer)) = listener.accept().await {
                    tokio::spawn(connection(stream, peer, tls.clone(), shared.clone()));
                }
            });
        }
        let _ = stopped.await;
    });
}

async fn connection(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let _open = Open::new(&shared);
    // As it came, too: what is not encrypted ought to be.
    let stream = Heard::new(stream, &shared);
    let Some(tls) = tls else {
        let versions = shared.settings.versions;
        return http(stream, peer, versions, shared).await;
    };
    if let Ok(stream) = tls.accept(stream).await {
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let stream = Heard::new(stream, &shared);
        http(stream, peer, if h2 { Versions::Http2 } else { Versions::Http1 }, shared).await;
    }
}

async fn http<S>(stream: S, peer: SocketAddr, versions: Versions, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connection = shared.connections.fetch_add(1, Ordering::Relaxed);
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = shared.clone();
        async move {
            note(&shared, &request, connection, peer);
            let is_head = request.method() == Method::HEAD;
            let response = routes::answer(&shared, request).await;
            // Over HTTP/2 the library would send it.
            Ok::<_, Infallible>(if is_head { response.map(|_| body::text("")) } else { response })
        }
    });
    // How a connection ends is the proxy's business; a test sees it in the answers and in the audit records.
    let _ = match versions {
        Versions::Http2 => {
            let mut server = http2::Builder::new(TokioExecutor::new());
            server.adaptive_window(true).serve_connection(TokioIo::new(stream), service).await
        }
        _ => http1::Builder::new().serve_connection(TokioIo::new(stream), service).await,
    };
}

/// Counts a connection for as long as it is open.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn note(shared: &Shared, request: &Request<Incoming>, connection: u64, peer: SocketAddr) {
    shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen {
        method: request.method().clone(),
        uri: request.uri().clone(),
        version: request.version(),
        headers: request.headers().clone(),
        connection,
        peer,
    });
}
