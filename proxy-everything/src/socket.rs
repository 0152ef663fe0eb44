//! The accepted socket, from the first byte to the last: replays what was sniffed before anything new, and counts what
//! passes, for the connection's record. Sniffing takes it, TLS or HTTP use it, splicing ends it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::tcp::Tcp;

/// Bytes as the workload sent and received them, TLS included.
#[derive(Debug, Default)]
pub struct Traffic {
    from_workload: AtomicU64,
    to_workload: AtomicU64,
    /// The socket ends so that it can be seen that it was too early.
    cut_off: AtomicBool,
}

impl Traffic {
    /// From now on, dropping the socket resets the connection.
    pub fn cut_off(&self) {
        self.cut_off.store(true, Relaxed);
    }

    /// Bytes received so far.
    pub fn from_workload(&self) -> u64 {
        self.from_workload.load(Relaxed)
    }

    /// Bytes sent so far.
    pub fn to_workload(&self) -> u64 {
        self.to_workload.load(Relaxed)
    }

    /// Bytes in both directions: grows as long as anything moves.
    pub fn total(&self) -> u64 {
        self.from_workload() + self.to_workload()
    }
}

/// A workload's TCP connection.
#[derive(Debug)]
pub struct WorkloadSocket {
    stream: Tcp,
    sniffed: BytesMut,
    traffic: Arc<Traffic>,
}

impl WorkloadSocket {
    /// Takes over an accepted connection.
    pub fn new(stream: TcpStream, traffic: Arc<Traffic>) -> Self {
        Self { stream: Tcp(stream), sniffed: BytesMut::new(), traffic }
    }

    /// Waits for more bytes and gives all that have come so far; `None` at the end of the stream.
    pub async fn look_ahead(&mut self) -> io::Result<Option<&[u8]>> {
        let read = self.stream.read_buf(&mut self.sniffed).await?;
        self.traffic.from_workload.fetch_add(read as u64, Relaxed);
        Ok((read > 0).then_some(&self.sniffed))
    }

    /// What has been looked at and not been read yet.
    pub fn seen(&self) -> &[u8] {
        &self.sniffed
    }

    /// The counters of this connection.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Makes the kernel answer the workload with a reset instead of an orderly end: the plainest refusal TCP has.
    pub fn reset(self) {
        self.abandon();
    }

    /// From now on closing it resets it.
    pub fn abandon(&self) {
        // A socket that cannot be set so is closed normally, which ends it too.
        let _ = self.stream.0.set_zero_linger();
    }
}

impl Drop for WorkloadSocket {
    fn drop(&mut self) {
        if self.traffic.cut_off.load(Relaxed) {
            self.abandon();
        }
    }
}

impl AsyncRead for WorkloadSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.sniffed.has_remaining() {
            let length = self.sniffed.len().min(buffer.remaining());
            buffer.put_slice(&self.sniffed.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.traffic.from_workload.fetch_add((buffer.filled().len() - before) as u64, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WorkloadSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, data))?;
        self.traffic.to_workload.fetch_add(written as u64, Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, data))?;
        self.traffic.to_workload.fetch_add(written as u64, Relaxed);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
