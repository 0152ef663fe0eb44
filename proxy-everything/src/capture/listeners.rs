//! The sockets inside the namespace that TPROXY delivers to. Made by the agent, used by the proxy outside.
//! All are `IP_TRANSPARENT`: bound to an address that the namespace does not own, and able to answer from any.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::{CaptureError, DNS_PORT, LISTEN_PORT, LISTEN_V4, LISTEN_V6};

/// Connections that wait to be accepted, per listener; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;

pub(super) struct Listeners {
    pub(super) tcp: [TcpListener; 2],
    pub(super) dns: [UdpSocket; 2],
}

impl Listeners {
    pub(super) fn bind() -> Result<Self, CaptureError> {
        let tcp = |ip| {
            stream(SocketAddr::new(ip, LISTEN_PORT)).map_err(CaptureError::step("bind the TCP listener"))
        };
        let dns =
            |ip| datagram(SocketAddr::new(ip, DNS_PORT)).map_err(CaptureError::step("bind the DNS listener"));
        let (v4, v6) = (LISTEN_V4.into(), LISTEN_V6.into());
        Ok(Self { tcp: [tcp(v4)?, tcp(v6)?], dns: [dns(v4)?, dns(v6)?] })
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
