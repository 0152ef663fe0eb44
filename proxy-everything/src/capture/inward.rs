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
    idle: Mutex<Vec<OwnedFd>>,
    free: Semaphore,
}

impl Inward {
    /// With the sockets of [`super::Sockets`], which nobody else uses.
    pub fn new(sockets: Vec<OwnedFd>) -> Self {
        for socket in &sockets {
            // A proxy that died may have left it connected: the workload learns that this is over.
            let _ = syscall::disconnect(socket.as_fd());
        }
        Self { free: Semaphore::new(sockets.len()), idle: Mutex::new(sockets) }
    }

    /// Waits while all sockets are in use.
    pub async fn lend(self: &Arc<Self>) -> io::Result<Lent> {
        self.free.acquire().await.map_err(io::Error::other)?.forget();
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Lent { pool: Arc::clone(self), socket: Some(taken.ok_or(io::ErrorKind::WouldBlock)?) })
    }
}

/// A socket that is in use. Dropping it resets what is not over, and makes the socket free.
#[derive(Debug)]
pub struct Lent {
    pool: Arc<Inward>,
    socket: Option<OwnedFd>,
}

impl Lent {
    /// Connects to `port` of the workload, over IPv4 or IPv6, and says which address that was.
    pub async fn connect(&self, port: u16) -> io::Result<(tokio::net::TcpStream, SocketAddr)> {
        let v4 = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
        let mut last = io::ErrorKind::AddrNotAvailable.into();
        for ip in [v4, Ipv6Addr::LOCALHOST] {
            match self.connect_to(SocketAddr::from((ip, port))).await {
                Ok(stream) => return Ok((stream, SocketAddr::new(ip.to_canonical(), port))),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(&self, to: SocketAddr) -> io::Result<tokio::net::TcpStream> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        syscall::disconnect(socket.as_fd())?;
        TcpSocket::from_std_stream(TcpStream::from(socket.try_clone()?)).connect(to).await
    }

    /// Returns once the workload's kernel has acknowledged everything: what is freed before that is lost.
    pub async fn delivered(&self) {
        let under_way = || self.socket.as_ref().map(|socket| syscall::unacknowledged(socket.as_fd()));
        while matches!(under_way(), Some(Ok(1..))) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(socket) = self.socket.take() else { return };
        let _ = syscall::disconnect(socket.as_fd());
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
        self.pool.free.add_permits(1);
    }
}
