//! DNS over UDP through TPROXY. Receives questions together with the server that the workload meant to ask; answers from
//! that very address, though neither we nor anybody else owns it: a transparent socket may use any source address.
//! The socket is bound to port 53, so the answer's port is right too, and no privilege is needed to send.

use std::{
    io::{IoSlice, IoSliceMut},
    net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket},
    os::fd::{AsRawFd, RawFd},
};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg};
use tokio::io::Interest;

/// Room for the largest DNS message over UDP that a stub resolver sends, in bytes (RFC 6891 recommends 4,096 at most).
const MAX_DATAGRAM: usize = 4096;

/// One question as it arrived.
#[derive(Debug)]
pub struct Question {
    /// The DNS message.
    pub message: Vec<u8>,
    /// Who asks.
    pub from: SocketAddr,
    /// The server that was asked.
    pub to: SocketAddr,
}

/// A transparent UDP socket on tokio.
#[derive(Debug)]
pub struct TransparentSocket(tokio::net::UdpSocket);

impl TransparentSocket {
    /// Takes over a socket made by the agent; needs a running tokio runtime.
    pub fn new(socket: UdpSocket) -> std::io::Result<Self> {
        tokio::net::UdpSocket::from_std(socket).map(Self)
    }

    /// Waits for the next question; datagrams without a usable address are dropped.
    pub async fn receive(&self) -> std::io::Result<Question> {
        loop {
            if let Some(question) =
                self.0.async_io(Interest::READABLE, || receive(self.0.as_raw_fd())).await?
            {
                return Ok(question);
            }
        }
    }

    /// Answers `question` from the address that was asked.
    pub async fn answer(&self, question: &Question, answer: &[u8]) -> std::io::Result<()> {
        self.0.async_io(Interest::WRITABLE, || send(self.0.as_raw_fd(), question, answer)).await
    }
}

fn receive(socket: RawFd) -> std::io::Result<Option<Question>> {
    let mut buffer = vec![0; MAX_DATAGRAM];
    let mut iov = [IoSliceMut::new(&mut buffer)];
    let mut space = nix::cmsg_space!(libc::sockaddr_in6);
    let message = recvmsg::<SockaddrStorage>(socket, &mut iov, Some(&mut space), MsgFlags::empty())?;
    let (length, from) = (message.bytes, message.address.as_ref().and_then(address));
    let to = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4OrigDstAddr(a) => Some(SocketAddr::V4(SocketAddrV4::new(
            u32::from_be(a.sin_addr.s_addr).into(),
            u16::from_be(a.sin_port),
        ))),
        ControlMessageOwned::Ipv6OrigDstAddr(a) => Some(SocketAddr::V6(SocketAddrV6::new(
            a.sin6_addr.s6_addr.into(),
            u16::from_be(a.sin6_port),
            0,
            0,
        ))),
        _ => None,
    });
    buffer.truncate(length);
    Ok(from.zip(to).map(|(from, to)| Question { message: buffer, from, to }))
}

fn send(socket: RawFd, question: &Question, answer: &[u8]) -> std::io::Result<()> {
    let data = [IoSlice::new(answer)];
    let to = SockaddrStorage::from(question.from);
    let sent = match question.to.ip() {
        IpAddr::V4(ip) => {
            let source = libc::in_addr { s_addr: u32::from(ip).to_be() };
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: source,
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            sendmsg(socket, &data, &control, MsgFlags::empty(), Some(&to))
        }
        IpAddr::V6(ip) => {
            let info =
                libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            let control = [ControlMessage::Ipv6PacketInfo(&info)];
            sendmsg(socket, &data, &control, MsgFlags::empty(), Some(&to))
        }
    };
    sent?;
    Ok(())
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|a| SocketAddr::V4((*a).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|a| SocketAddr::V6((*a).into())))
}
