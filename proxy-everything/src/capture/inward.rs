//! The way in: TCP connections to the workload's own `lo`, for published ports. Receives the unconnected sockets that the agent
//! made inside, hands on connected ones; a socket that has served goes back and is used again, because new ones can only be made
//! inside. So their number bounds the connections that a workload serves at once.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

use tokio::{net::TcpSocket, sync::Semaphore};

use super::syscall;

/// Sockets that lead into one namespace.
#[derive(Debug)]
pub struct Inward {
    idle: Mutex<Vec<OwnedFd>>,
    free: Semaphore,
}

/// A connection into the namespace. Dropping it resets what is not over, and makes the socket free.
#[derive(Debug)]
pub struct Entered<'a> {
    /// The connection.
    pub stream: tokio::net::TcpStream,
    /// Where it leads, inside.
    pub address: SocketAddr,
    _lent: Lent<'a>,
}

impl Inward {
    /// With the sockets of [`super::Sockets`].
    pub fn new(sockets: Vec<OwnedFd>) -> Self {
        Self { free: Semaphore::new(sockets.len()), idle: Mutex::new(sockets) }
    }

    /// Connects to `port` of the workload, over IPv4 or IPv6. Waits while all sockets are in use.
    pub async fn connect(&self, port: u16) -> io::Result<Entered<'_>> {
        let permit = self.free.acquire().await.map_err(io::Error::other)?;
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let socket = taken.ok_or(io::ErrorKind::WouldBlock)?;
        permit.forget();
        let lent = Lent { pool: self, socket: Some(socket) };
        let v4 = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
        let mut last = io::ErrorKind::AddrNotAvailable.into();
        for ip in [v4, Ipv6Addr::LOCALHOST] {
            match lent.connect(SocketAddr::from((ip, port))).await {
                Ok(stream) => {
                    let address = SocketAddr::new(ip.to_canonical(), port);
                    return Ok(Entered { stream, address, _lent: lent });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

#[derive(Debug)]
struct Lent<'a> {
    pool: &'a Inward,
    socket: Option<OwnedFd>,
}

impl Lent<'_> {
    async fn connect(&self, to: SocketAddr) -> io::Result<tokio::net::TcpStream> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        // An earlier proxy may have left it connected.
        syscall::disconnect(socket.as_fd())?;
        TcpSocket::from_std_stream(TcpStream::from(socket.try_clone()?)).connect(to).await
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let Some(socket) = self.socket.take() else { return };
        let _ = syscall::disconnect(socket.as_fd());
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
        self.pool.free.add_permits(1);
    }
}
