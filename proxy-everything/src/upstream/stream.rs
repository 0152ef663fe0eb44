//! One connection to an upstream, plain or TLS, and what the pool must know about it: whether HTTP/2 was negotiated, and
//! which address it goes to, for the record. It breaks when a new policy denies all that it could be for: a server that has stopped
//! reading must not get the rest of an upload when it goes on.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use http::Extensions;
use hyper_util::client::legacy::{
    self,
    connect::{Connected, Connection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
};
use tokio_rustls::client::TlsStream;

use crate::{error::TlsFault, tcp::Tcp};

/// What is known of a connection: found among the extensions of the responses that came over it, and beside its errors.
#[derive(Clone, Debug)]
pub(super) struct Known(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    address: SocketAddr,
    /// A response came over it.
    has_answered: AtomicBool,
    /// Something has come since something was sent.
    is_heard: AtomicBool,
    /// What the server said of our certificate when the handshake was over.
    fault: OnceLock<TlsFault>,
    /// It is not used again.
    ends: Notify,
}

impl Known {
    fn new(address: SocketAddr) -> Self {
        let (has_answered, is_heard) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(Facts { address, has_answered, is_heard, fault: OnceLock::new(), ends: Notify::new() }))
    }

    /// Of the connection that failed with an error, if there was one.
    pub(super) fn of(error: &legacy::Error) -> Option<Self> {
        let mut extensions = Extensions::new();
        error.connect_info()?.get_extras(&mut extensions);
        extensions.remove()
    }

    /// Where it leads.
    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// A response came over it.
    pub(super) fn answers(&self) {
        self.0.has_answered.store(true, Relaxed);
    }

    /// Ends it: nobody knows what comes next on it.
    pub(super) fn ends(&self) {
        self.0.ends.notify_one();
    }

    /// Whether it has answered before, and nothing has come since the last request was sent.
    pub(super) fn is_unheard(&self) -> bool {
        self.0.has_answered.load(Relaxed) && !self.0.is_heard.load(Relaxed)
    }

    /// What the server said of our certificate when the handshake was over (RFC 8446, 4.4.2.4).
    pub(super) fn fault(&self) -> Option<TlsFault> {
        self.0.fault.get().cloned()
    }

    fn reads(&self, read: &Poll<io::Result<()>>, anything: bool) {
        match read {
            Poll::Ready(Ok(())) if anything => self.0.is_heard.store(true, Relaxed),
            Poll::Ready(Err(error)) => {
                if let Some(fault) = TlsFault::of_our_certificate(error) {
                    let _ = self.0.fault.set(fault);
                }
            }
            _ => {}
        }
    }

    fn writes(&self) {
        self.0.is_heard.store(false, Relaxed);
    }
}

/// One connection.
pub struct UpstreamStream {
    transport: Transport,
    known: Known,
    /// None once it is. Polled only when it has something to say: at each read and write it would take a tenth of their time.
    revoked: FuturesUnordered<Revoked>,
}

/// Completes when the connection must end.
pub(super) type Revoked = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Transport {
    Plain(Tcp),
    Tls(Box<TlsStream<Tcp>>),
}

impl UpstreamStream {
    pub(super) fn plain(stream: TcpStream, address: SocketAddr, revoked: Revoked) -> Self {
        Self::new(Transport::Plain(Tcp(stream)), address, revoked)
    }

    pub(super) fn tls(stream: TlsStream<Tcp>, address: SocketAddr, revoked: Revoked) -> Self {
        Self::new(Transport::Tls(Box::new(stream)), address, revoked)
    }

    fn new(transport: Transport, address: SocketAddr, revoked: Revoked) -> Self {
        let known = Known::new(address);
        let facts = Arc::clone(&known.0);
        let revoked = async move {
            tokio::select! {
                () = revoked => {}
                () = facts.ends.notified() => {}
            }
        };
        let revoked: Revoked = Box::pin(revoked);
        Self { transport, known, revoked: [revoked].into_iter().collect() }
    }

    /// An error once the connection is revoked; closing it resets it then, and what was not sent yet is not sent.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.revoked.poll_next_unpin(cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Some(())) => self.abandon()?,
            Poll::Ready(None) => {}
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// From now on closing it resets it.
    pub(crate) fn abandon(&self) -> io::Result<()> {
        let tcp = match &self.transport {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => stream.get_ref().0,
        };
        tcp.0.set_zero_linger()
    }
}

impl Connection for UpstreamStream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(self.known.clone());
        match &self.transport {
            Transport::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                connected.negotiated_h2()
            }
            _ => connected,
        }
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buffer.filled().len();
        let read = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        self.known.reads(&read, buffer.filled().len() > before);
        read
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        self.known.writes();
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, data),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        self.known.writes();
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, data),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, data),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
