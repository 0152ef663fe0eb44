//! The way in: TCP connections to the workload's own `lo`, for published ports. Receives the unconnected sockets that the agent
//! made inside, lends them out, and connects those that are lent; a socket that has served goes back and is used again, because new
//! ones can only be made inside. So their number bounds the connections that a workload serves at once.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{net::TcpSocket, sync::Semaphore};

use super::syscall;

/// Between two looks at what the kernel has not delivered yet, which it tells nobody by itself.
const LOOK: Duration = Duration::from_millis(10);

/// Sockets that lead into one namespace.
#[derive(Debug)]
pub struct Inward {
    idle: Mutex<Vec<Pair>>,
    free: Semaphore,
}

/// For servers that listen on one family only. A single IPv6 socket would not do: once it was connected to an IPv4 address, Linux
/// cannot connect it to an IPv6 one.
#[derive(Debug)]
struct Pair {
    v4: OwnedFd,
    v6: OwnedFd,
}

impl Pair {
    /// Makes both free for another connection.
    fn disconnect(&self) {
        for socket in [&self.v4, &self.v6] {
            let _ = syscall::disconnect(socket.as_fd());
        }
    }
}

impl Inward {
    /// With the sockets of [`super::Sockets`], which nobody else uses.
    pub fn new(sockets: Vec<OwnedFd>) -> Self {
        let mut sockets = sockets.into_iter();
        let pairs = std::iter::from_fn(|| Some(Pair { v4: sockets.next()?, v6: sockets.next()? }));
        let idle: Vec<_> = pairs.collect();
        // A proxy that died may have left them connected: the workload learns that this is over.
        idle.iter().for_each(Pair::disconnect);
        Self { free: Semaphore::new(idle.len()), idle: Mutex::new(idle) }
    }

    /// Waits while all sockets are in use.
    pub async fn lend(self: &Arc<Self>) -> io::Result<Lent> {
        self.free.acquire().await.map_err(io::Error::other)?.forget();
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Lent { pool: Arc::clone(self), pair: Some(taken.ok_or(io::ErrorKind::WouldBlock)?) })
    }
}

/// A socket that is in use. Dropping it resets what is not over, and makes the socket free.
#[derive(Debug)]
pub struct Lent {
    pool: Arc<Inward>,
    pair: Option<Pair>,
}

impl Lent {
    /// Connects to `port` of the workload, over IPv4 or IPv6, and says which address that was.
    pub async fn connect(&self, port: u16) -> io::Result<(tokio::net::TcpStream, SocketAddr)> {
        let pair = self.pair.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if let Ok(stream) = connect(&pair.v4, v4).await {
            return Ok((stream, v4));
        }
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        Ok((connect(&pair.v6, v6).await?, v6))
    }

    /// Returns once the workload's kernel has acknowledged everything: what is freed before that is lost.
    pub async fn delivered(&self) {
        let Some(Pair { v4, v6 }) = &self.pair else { return };
        while [v4, v6].into_iter().any(is_sending) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(pair) = self.pair.take() else { return };
        pair.disconnect();
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(pair);
        self.pool.free.add_permits(1);
    }
}

/// What the kernel says of a socket without a connection means nothing.
fn is_sending(socket: &OwnedFd) -> bool {
    socket2::SockRef::from(socket).peer_addr().is_ok()
        && matches!(syscall::unacknowledged(socket.as_fd()), Ok(1..))
}

async fn connect(socket: &OwnedFd, to: SocketAddr) -> io::Result<tokio::net::TcpStream> {
    TcpSocket::from_std_stream(TcpStream::from(socket.try_clone()?)).connect(to).await
}
