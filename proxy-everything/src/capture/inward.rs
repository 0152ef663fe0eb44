//! The way in: TCP connections to the workload's own `lo`, for published ports. Receives the unconnected sockets that the agent
//! made inside, hands on connected ones; a socket that has served goes back and is used again, because new ones can only be made
//! inside. So their number bounds the connections that a workload serves at once.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

use tokio::{net::TcpSocket, sync::Semaphore};

use super::syscall;

/// For IPv4 and for IPv6. One for both will not do: an IPv6 socket that was connected over IPv4 sends nothing over IPv6 any more,
/// also after it was disconnected (Linux).
type Pair = [OwnedFd; 2];

/// Sockets that lead into one namespace.
#[derive(Debug)]
pub struct Inward {
    idle: Mutex<Vec<Pair>>,
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
        let mut sockets = sockets.into_iter();
        let pairs: Vec<_> = std::iter::from_fn(|| Some([sockets.next()?, sockets.next()?])).collect();
        Self { free: Semaphore::new(pairs.len()), idle: Mutex::new(pairs) }
    }

    /// Connects to `port` of the workload, over IPv4 or IPv6. Waits while all sockets are in use.
    pub async fn connect(&self, port: u16) -> io::Result<Entered<'_>> {
        let permit = self.free.acquire().await.map_err(io::Error::other)?;
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let pair = taken.ok_or(io::ErrorKind::WouldBlock)?;
        permit.forget();
        let lent = Lent { pool: self, pair: Some(pair) };
        let mut connected = Err(io::ErrorKind::AddrNotAvailable.into());
        let families = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        for (socket, ip) in lent.pair.iter().flatten().zip(families) {
            let address = SocketAddr::new(ip, port);
            connected = connect(socket, address).await.map(|stream| (stream, address));
            if connected.is_ok() {
                break;
            }
        }
        connected.map(|(stream, address)| Entered { stream, address, _lent: lent })
    }
}

async fn connect(socket: &OwnedFd, to: SocketAddr) -> io::Result<tokio::net::TcpStream> {
    // An earlier proxy may have left it connected.
    syscall::disconnect(socket.as_fd())?;
    TcpSocket::from_std_stream(TcpStream::from(socket.try_clone()?)).connect(to).await
}

#[derive(Debug)]
struct Lent<'a> {
    pool: &'a Inward,
    pair: Option<Pair>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let Some(pair) = self.pair.take() else { return };
        for socket in &pair {
            let _ = syscall::disconnect(socket.as_fd());
        }
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(pair);
        self.pool.free.add_permits(1);
    }
}
