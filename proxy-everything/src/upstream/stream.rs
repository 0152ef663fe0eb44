//! One connection to an upstream, plain or TLS, and what the pool must know about it: whether HTTP/2 was negotiated, and
//! which address it goes to, for the record. It breaks when a new policy denies all that it could be for: a server that has stopped
//! reading must not get the rest of an upload when it goes on.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
};
use tokio_rustls::client::TlsStream;

/// Ends the connection that a response came over: nobody knows what comes next on it. Found among the response's extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct UpstreamEnd(Arc<Notify>);

impl UpstreamEnd {
    /// It is not used again, from now on.
    pub(super) fn now(&self) {
        self.0.notify_one();
    }
}

/// The address of the connection that a response came over; found among its extensions.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamAddress(pub SocketAddr);

/// One connection.
pub struct UpstreamStream {
    transport: Transport,
    address: SocketAddr,
    end: UpstreamEnd,
    /// None once it is.
    revoked: Option<Revoked>,
}

/// Completes when the connection must end.
pub(super) type Revoked = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl UpstreamStream {
    pub(super) fn plain(stream: TcpStream, address: SocketAddr, revoked: Revoked) -> Self {
        Self::new(Transport::Plain(stream), address, revoked)
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, address: SocketAddr, revoked: Revoked) -> Self {
        Self::new(Transport::Tls(Box::new(stream)), address, revoked)
    }

    fn new(transport: Transport, address: SocketAddr, revoked: Revoked) -> Self {
        let end = UpstreamEnd::default();
        let ended = Arc::clone(&end.0);
        let revoked = async move {
            tokio::select! {
                () = revoked => {}
                () = ended.notified() => {}
            }
        };
        Self { transport, address, end, revoked: Some(Box::pin(revoked)) }
    }

    /// An error once the connection is revoked; closing it resets it then, and what was not sent yet is not sent.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(revoked) = &mut self.revoked {
            if revoked.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            self.revoked = None;
            self.abandon()?;
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// From now on closing it resets it.
    pub(crate) fn abandon(&self) -> io::Result<()> {
        let tcp = match &self.transport {
            Transport::Plain(stream) => stream,
            Transport::Tls(stream) => stream.get_ref().0,
        };
        tcp.set_zero_linger()
    }
}

impl Connection for UpstreamStream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(UpstreamAddress(self.address)).extra(self.end.clone());
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
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
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
