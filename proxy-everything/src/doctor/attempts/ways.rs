//! How each way round is tried. Each function is one attempt from inside: `Ok` says that it worked, which is good only where the
//! proxy was meant to get it; an error is the kernel's refusal.

use std::{
    fs,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddress, UnixStream},
    },
    time::Duration,
};

use nix::sched::{CloneFlags, setns, unshare};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{ANSWER_WITHIN, Outside};
use crate::capture::{FALLBACK_TUNNELS, probe};

/// On `lo` an answer would be there at once; silence is what is expected.
const FRAME_ANSWER_WITHIN: Duration = Duration::from_millis(100);
/// An echo request, with its checksum; what other protocols make of it does not matter.
const PING: [u8; 8] = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];
const PING_V6: [u8; 8] = [128, 0, 0, 0, 0, 0, 0, 0];

pub(super) fn socket(
    kind: i32,
    protocol: i32,
    prepare: fn(&Socket) -> io::Result<()>,
    to: SocketAddr,
) -> io::Result<()> {
    let protocol = (protocol != 0).then(|| Protocol::from(protocol));
    let socket = Socket::new(Domain::for_address(to), Type::from(kind), protocol)?;
    prepare(&socket)?;
    socket.set_read_timeout(Some(ANSWER_WITHIN))?;
    socket.connect_timeout(&to.into(), ANSWER_WITHIN)?;
    socket.send(if to.is_ipv4() { &PING } else { &PING_V6 })?;
    let mut answer = [0; 64];
    let length = (&socket).read(&mut answer)?;
    match answer.get(..length) {
        // A stream that ends without a byte is no answer of anybody.
        None | Some([]) => Err(io::Error::from_raw_os_error(libc::ECONNRESET)),
        // A raw socket is also given the error that the rules send.
        Some(packet) if kind == libc::SOCK_RAW && !is_echo_reply(packet, to) => {
            Err(io::Error::from_raw_os_error(libc::EHOSTUNREACH))
        }
        Some(_) => Ok(()),
    }
}

/// Raw IPv4 sockets give the IP header too, which has 20 bytes without options.
fn is_echo_reply(packet: &[u8], from: SocketAddr) -> bool {
    let (offset, echo_reply) = if from.is_ipv4() { (20, 0) } else { (0, 129) };
    packet.get(offset) == Some(&echo_reply)
}

pub(super) fn plain(_: &Socket) -> io::Result<()> {
    Ok(())
}

pub(super) fn bind_to_lo(socket: &Socket) -> io::Result<()> {
    socket.bind_device(Some(b"lo"))
}

pub(super) fn bind_to_eth0(socket: &Socket) -> io::Result<()> {
    socket.bind_device(Some(b"eth0"))
}

pub(super) fn mark(socket: &Socket) -> io::Result<()> {
    socket.set_mark(1)
}

pub(super) fn mark_all(socket: &Socket) -> io::Result<()> {
    socket.set_mark(u32::MAX)
}

pub(super) fn foreign_source(socket: &Socket) -> io::Result<()> {
    socket.set_ip_transparent_v4(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::new(203, 0, 113, 250), 0)).into())
}

pub(super) fn broadcast(socket: &Socket) -> io::Result<()> {
    socket.set_broadcast(true)
}

/// What only a root user with capabilities can do; if he cannot, the attempt is about the rules as they are.
pub(super) fn without_rules(_: &Socket) -> io::Result<()> {
    probe::remove_rules()
}

/// `Inter-| Receive ...`, ` face |bytes ...`, then a line for each interface, which begins with its name and a colon.
pub(super) fn other_interface(_: &Outside) -> io::Result<()> {
    let table = fs::read_to_string("/proc/self/net/dev")?;
    let mut names = table.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim);
    match names.find(|name| *name != "lo" && !FALLBACK_TUNNELS.contains(name)) {
        Some(_) => Ok(()),
        None => Err(io::Error::from_raw_os_error(libc::ENODEV)),
    }
}

pub(super) fn packet_socket(_: &Outside) -> io::Result<()> {
    Socket::new(Domain::PACKET, Type::RAW, None).map(drop)
}

/// Nothing answers a frame with an Ethernet type of its own (0x88b5, IEEE 802 Local Experimental).
pub(super) fn packet_socket_bound(_: &Outside) -> io::Result<()> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
    socket.set_read_timeout(Some(FRAME_ANSWER_WITHIN))?;
    probe::send_frame_on_lo(&socket)?;
    socket.recv(&mut [std::mem::MaybeUninit::uninit(); 64]).map(drop)
}

pub(super) fn abstract_socket(outside: &Outside) -> io::Result<()> {
    UnixStream::connect_addr(&UnixAddress::from_abstract_name(&outside.abstract_name)?).map(drop)
}

/// The last refusal, if all are refused.
pub(super) fn sockets(outside: &Outside) -> io::Result<()> {
    let missing = Err(io::ErrorKind::NotFound.into());
    outside.sockets.iter().map(UnixStream::connect).fold(missing, |before: io::Result<()>, this| match before
    {
        Ok(()) => Ok(()),
        Err(_) => this.map(drop),
    })
}

pub(super) fn vsock(_: &Outside) -> io::Result<()> {
    let socket = Socket::new(Domain::VSOCK, Type::STREAM, None)?;
    socket.connect_timeout(&SockAddr::vsock(libc::VMADDR_CID_HOST, 1), ANSWER_WITHIN)
}

/// Works if any capability is left in any set, or could be had by executing something.
pub(super) fn capabilities(_: &Outside) -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let lines = || status.lines().filter_map(|line| line.split_once(":\t"));
    let mut sets = lines().filter(|(name, _)| name.starts_with("Cap"));
    let none = sets.all(|(_, set)| set.bytes().all(|digit| digit == b'0'));
    let none_to_come = lines().any(|line| line == ("NoNewPrivs", "1"));
    if none && none_to_come { Err(io::Error::from_raw_os_error(libc::EPERM)) } else { Ok(()) }
}

pub(super) fn enter_network(_: &Outside) -> io::Result<()> {
    let mut refused = io::Error::from_raw_os_error(libc::ENOENT);
    for path in ["/proc/1/ns/net", "/proc/self/ns/net", "/proc/1/root/proc/1/ns/net"] {
        match fs::File::open(path).and_then(|file| Ok(setns(file, CloneFlags::CLONE_NEWNET)?)) {
            Ok(()) => return Ok(()),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Every capability, in a user namespace that does not own this network.
pub(super) fn remove_rules_as_owner(_: &Outside) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    probe::remove_rules()
}
