//! The sockets inside the namespace: those that TPROXY delivers to, and a few that lead inward, for published ports. Made by the
//! agent, used by the proxy outside, because a socket belongs to the namespace it was made in. The listening ones are
//! `IP_TRANSPARENT`: bound to an address that the namespace does not own, and able to answer from any.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::{CaptureError, DNS_PORT, LISTEN_PORT, LISTEN_V4, LISTEN_V6};

/// Connections that wait to be accepted, per listener; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// The sockets inside a sealed namespace.
#[derive(Debug)]
pub struct Sockets {
    /// TPROXY listeners, IPv4 and IPv6; an accepted socket's local address is the original destination.
    pub tcp: [TcpListener; 2],
    /// Sockets that receive every DNS question over UDP, IPv4 and IPv6.
    pub dns: [UdpSocket; 2],
    /// Unconnected TCP sockets, for connections *into* the namespace: IPv4 and IPv6 by turns.
    pub inward: Vec<OwnedFd>,
}

impl Sockets {
    /// Binds everything in the namespace that the calling thread is in, with `inward` sockets that lead into it.
    pub(super) fn bind(inward: usize) -> Result<Self, CaptureError> {
        let tcp = |ip| {
            stream(SocketAddr::new(ip, LISTEN_PORT)).map_err(|error| match error.kind() {
                std::io::ErrorKind::AddrInUse => CaptureError::Taken,
                _ => CaptureError::step("bind the TCP listener")(error),
            })
        };
        let dns =
            |ip| datagram(SocketAddr::new(ip, DNS_PORT)).map_err(CaptureError::step("bind the DNS listener"));
        let families = [Domain::IPV4, Domain::IPV6].into_iter().cycle().take(2 * inward);
        let inward = families
            .map(|family| {
                leading_in(family).map_err(CaptureError::step("make a socket for a published port"))
            })
            .collect::<Result<_, _>>()?;
        let (v4, v6) = (LISTEN_V4.into(), LISTEN_V6.into());
        Ok(Self { tcp: [tcp(v4)?, tcp(v6)?], dns: [dns(v4)?, dns(v6)?], inward })
    }

    /// All of them, in the order that [`Sockets::try_from`] takes them in.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let tcp = self.tcp.iter().map(AsFd::as_fd);
        let dns = self.dns.iter().map(AsFd::as_fd);
        tcp.chain(dns).chain(self.inward.iter().map(AsFd::as_fd)).collect()
    }
}

impl TryFrom<Vec<OwnedFd>> for Sockets {
    type Error = CaptureError;

    fn try_from(mut descriptors: Vec<OwnedFd>) -> Result<Self, CaptureError> {
        let inward = descriptors.split_off(descriptors.len().min(4));
        let [t4, t6, u4, u6] = <[OwnedFd; 4]>::try_from(descriptors)
            .map_err(|_| CaptureError::Handover("four listeners are missing".into()))?;
        Ok(Self { tcp: [t4.into(), t6.into()], dns: [u4.into(), u6.into()], inward })
    }
}

fn stream(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = transparent(address, Type::STREAM, Protocol::TCP)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn datagram(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = transparent(address, Type::DGRAM, Protocol::UDP)?;
    if address.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4OrigDstAddr, &true)?;
    } else {
        setsockopt(&socket, sockopt::Ipv6OrigDstAddr, &true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn transparent(address: SocketAddr, kind: Type, protocol: Protocol) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv4() {
        socket.set_ip_transparent_v4(true)?;
    } else {
        socket.set_only_v6(true)?;
        socket.set_ip_transparent_v6(true)?;
    }
    Ok(socket)
}

fn leading_in(family: Domain) -> std::io::Result<OwnedFd> {
    let socket = Socket::new(family, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
