//! What comes on a connection, kept byte by byte, so that a test can search all of it and not only what became a request.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Shared;

/// Bytes that are kept of one connection: heads and short bodies, not streams.
const MAX: usize = 256 * 1024;

/// A stream that repeats to the origin what it reads.
pub(super) struct Heard<S> {
    stream: S,
    shared: Arc<Shared>,
    left: usize,
}

impl<S> Heard<S> {
    pub(super) fn new(stream: S, shared: &Arc<Shared>) -> Self {
        Self { stream, shared: shared.clone(), left: MAX }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let new = &buffer.filled()[before..];
        let new = &new[..new.len().min(self.left)];
        self.left -= new.len();
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(new);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
