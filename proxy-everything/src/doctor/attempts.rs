//! The ways round the proxy, as one table, and the probe that goes through it. The probe is this binary again, started in the
//! scratch network; it knows nothing of what was expected and prints one JSON line for each attempt.

mod ways;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use socket2::Socket;

use super::verdict::{Expect, Outcome};
use crate::capture::{LISTEN_PORT, LISTEN_V4, LISTEN_V6, probe};

/// The hidden first argument that makes this binary the probe.
pub const PROBE_VERB: &str = "__probe";

/// One way round, and what ought to become of it in each kind of network; `None` where it says nothing.
pub(super) struct Attempt {
    pub(super) name: &'static str,
    way: Way,
    sealed: Option<Expect>,
    attached: Option<Expect>,
}

/// The first attempt: where it works, the others are not made.
const OTHER_INTERFACE: &str = "another interface than lo";

/// The networks that the attempts are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// As `run` makes one: another user namespace, no capability, a system call filter.
    Sealed,
    /// As a container's: the same routes, listeners and rules, and a root user with every capability.
    Attached,
}

impl Network {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Attached => "attached",
        }
    }
}

enum Way {
    /// A socket of this type and protocol, prepared, connected; one datagram or a few bytes sent, an answer awaited.
    Socket { kind: i32, protocol: i32, prepare: fn(&Socket) -> io::Result<()>, to: SocketAddr },
    /// Anything else; success is what must not be.
    Call(fn(&Outside) -> io::Result<()>),
}

/// What is outside, for the probe to try: told to it as arguments.
pub(super) struct Outside {
    /// An abstract unix socket that the doctor listens at.
    pub(super) abstract_name: String,
    /// Sockets in the file system that exist outside.
    pub(super) sockets: Vec<String>,
}

/// What became of one attempt, as the probe prints it.
#[derive(Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) name: String,
    pub(super) outcome: Outcome,
    pub(super) millis: u64,
}

impl Attempt {
    pub(super) const fn expected(&self, network: Network) -> Option<Expect> {
        match network {
            Network::Sealed => self.sealed,
            Network::Attached => self.attached,
        }
    }

    /// The address that a listener of the proxy would see.
    pub(super) const fn target(&self) -> Option<SocketAddr> {
        match self.way {
            Way::Socket { to, .. } => Some(to),
            Way::Call(_) => None,
        }
    }
}

/// `proxy-everything __probe NETWORK ABSTRACT-NAME SOCKET...`
pub fn probe_main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let network = match arguments.next().as_deref() {
        Some("sealed") => Network::Sealed,
        Some("attached") => Network::Attached,
        _ => return ExitCode::FAILURE,
    };
    let abstract_name = arguments.next().unwrap_or_default();
    let outside = Outside { abstract_name, sockets: arguments.collect() };
    for attempt in ATTEMPTS.iter().filter(|attempt| attempt.expected(network).is_some()) {
        let start = Instant::now();
        let outcome = outcome(match &attempt.way {
            Way::Socket { kind, protocol, prepare, to } => ways::socket(*kind, *protocol, *prepare, *to),
            Way::Call(call) => call(&outside),
        });
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let report = Report { name: attempt.name.to_owned(), outcome, millis };
        let Ok(line) = serde_json::to_string(&report) else { return ExitCode::FAILURE };
        println!("{line}");
        if attempt.name == OTHER_INTERFACE && outcome == Outcome::Answered {
            // Not a scratch network: nothing may be sent.
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Longer than a refusal may take, so that a slow one is told from silence.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

fn outcome(result: io::Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Answered,
        Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
            Outcome::Silent
        }
        Err(error) => Outcome::Refused(error.raw_os_error().unwrap_or(libc::EIO)),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port)
}

/// A documentation address (RFC 3849).
const fn v6(last: u16, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)), port)
}

const fn socket(kind: i32, protocol: i32, prepare: fn(&Socket) -> io::Result<()>, to: SocketAddr) -> Way {
    Way::Socket { kind, protocol, prepare, to }
}

const fn tcp(to: SocketAddr) -> Way {
    socket(libc::SOCK_STREAM, 0, ways::plain, to)
}

const fn udp(to: SocketAddr) -> Way {
    socket(libc::SOCK_DGRAM, 0, ways::plain, to)
}

const fn both(name: &'static str, expect: Expect, way: Way) -> Attempt {
    Attempt { name, way, sealed: Some(expect), attached: Some(expect) }
}

/// With capabilities it may be tried, and must lead nowhere all the same.
const fn privileged(name: &'static str, way: Way) -> Attempt {
    Attempt { name, way, sealed: Some(Expect::Refused), attached: Some(Expect::Contained) }
}

/// About the workload's process, which a container runtime prepares for itself.
const fn of_run(name: &'static str, expect: Expect, way: Way) -> Attempt {
    Attempt { name, way, sealed: Some(expect), attached: None }
}

const fn of_attached(name: &'static str, expect: Expect, way: Way) -> Attempt {
    Attempt { name, way, sealed: None, attached: Some(expect) }
}

/// In the order in which they are made: what changes the probe or its network comes last. Every target is another address, because
/// that is how arrivals are told apart; outside of the scratch network nobody would have one (RFC 5737, RFC 3849), or all would.
#[rustfmt::skip]
pub(super) static ATTEMPTS: &[Attempt] = {
    use Expect::{Captured, Contained, Refused};
    use libc::{
        IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_MPTCP, IPPROTO_RAW, IPPROTO_SCTP, IPPROTO_UDPLITE, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM,
    };
    &[
        both(OTHER_INTERFACE, Refused, Way::Call(ways::other_interface)),
        both("TCP over IPv4", Captured, tcp(v4(203, 0, 113, 1, 443))),
        both("TCP over IPv6", Captured, tcp(v6(1, 443))),
        both("TCP to the metadata address", Captured, tcp(v4(169, 254, 169, 254, 80))),
        both("TCP to a private address", Captured, tcp(v4(10, 0, 0, 1, 22))),
        both("Multipath TCP", Captured, socket(SOCK_STREAM, IPPROTO_MPTCP, ways::plain, v4(203, 0, 113, 2, 443))),
        both("TCP bound to lo", Captured, socket(SOCK_STREAM, 0, ways::bind_to_lo, v4(203, 0, 113, 3, 443))),
        both("TCP bound to eth0", Refused, socket(SOCK_STREAM, 0, ways::bind_to_eth0, v4(203, 0, 113, 4, 443))),
        privileged("TCP with a mark", socket(SOCK_STREAM, 0, ways::mark, v4(203, 0, 113, 5, 443))),
        privileged("TCP with every mark bit", socket(SOCK_STREAM, 0, ways::mark_all, v4(203, 0, 113, 6, 443))),
        privileged("TCP from a foreign address", socket(SOCK_STREAM, 0, ways::foreign_source, v4(203, 0, 113, 7, 443))),
        both("the TCP listener itself, IPv4", Refused, tcp(SocketAddr::new(IpAddr::V4(LISTEN_V4), LISTEN_PORT))),
        both("the TCP listener itself, IPv6", Refused, tcp(SocketAddr::new(IpAddr::V6(LISTEN_V6), LISTEN_PORT))),
        both("DNS over IPv4", Captured, udp(v4(203, 0, 113, 53, 53))),
        both("DNS over IPv6", Captured, udp(v6(53, 53))),
        both("DNS to a local resolver", Captured, udp(v4(127, 0, 0, 53, 53))),
        both("DNS over TCP", Captured, tcp(v4(203, 0, 113, 54, 53))),
        both("QUIC over IPv4", Refused, udp(v4(203, 0, 113, 8, 443))),
        both("QUIC over IPv6", Refused, udp(v6(8, 443))),
        both("UDP to any port", Refused, udp(v4(203, 0, 113, 9, 9999))),
        both("UDP broadcast", Refused, socket(SOCK_DGRAM, 0, ways::broadcast, v4(255, 255, 255, 255, 9999))),
        both("UDP multicast", Refused, udp(v4(239, 1, 2, 3, 9999))),
        both("SCTP", Refused, socket(SOCK_STREAM, IPPROTO_SCTP, ways::plain, v4(203, 0, 113, 10, 9999))),
        both("UDP-Lite", Refused, socket(SOCK_DGRAM, IPPROTO_UDPLITE, ways::plain, v4(203, 0, 113, 11, 9999))),
        both("ping", Refused, socket(SOCK_DGRAM, IPPROTO_ICMP, ways::plain, v4(203, 0, 113, 12, 0))),
        privileged("raw ICMP", socket(SOCK_RAW, IPPROTO_ICMP, ways::plain, v4(203, 0, 113, 13, 0))),
        privileged("raw ICMPv6", socket(SOCK_RAW, IPPROTO_ICMPV6, ways::plain, v6(13, 0))),
        privileged("raw IP", socket(SOCK_RAW, IPPROTO_RAW, ways::plain, v4(203, 0, 113, 14, 0))),
        of_run("packet socket", Refused, Way::Call(ways::packet_socket)),
        of_attached("a frame on lo by a packet socket", Contained, Way::Call(ways::packet_socket_bound)),
        both("abstract unix socket outside", Refused, Way::Call(ways::abstract_socket)),
        of_run("unix sockets in files", Refused, Way::Call(ways::sockets)),
        of_run("vsock to the hypervisor", Refused, Way::Call(ways::vsock)),
        of_run("io_uring", Refused, Way::Call(|_| probe::make_io_uring())),
        of_run("typing into the terminal", Refused, Way::Call(|_| probe::type_into_terminal())),
        of_run("capabilities", Refused, Way::Call(ways::capabilities)),
        of_run("entering another namespace", Refused, Way::Call(ways::enter_network)),
        of_run("removing the rules", Refused, Way::Call(|_| probe::remove_rules())),
        of_run("removing the rules as a nested root", Refused, Way::Call(ways::remove_rules_as_owner)),
        of_run("packet socket as a nested root", Refused, Way::Call(ways::packet_socket)),
        of_run("TCP as a nested root", Captured, tcp(v4(203, 0, 113, 15, 443))),
        of_attached("TCP without rules, IPv4", Refused, socket(SOCK_STREAM, 0, ways::without_rules, v4(203, 0, 113, 16, 443))),
        of_attached("TCP without rules, IPv6", Refused, tcp(v6(16, 443))),
        of_attached("TCP without rules, with a mark", Refused, socket(SOCK_STREAM, 0, ways::mark, v4(203, 0, 113, 17, 443))),
        of_attached("DNS without rules", Refused, udp(v4(203, 0, 113, 18, 53))),
        of_attached("UDP without rules", Refused, udp(v4(203, 0, 113, 19, 443))),
    ]
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_targets_are_unique() {
        let names: BTreeSet<_> = ATTEMPTS.iter().map(|attempt| attempt.name).collect();
        let targets: BTreeSet<_> = ATTEMPTS.iter().filter_map(Attempt::target).collect();
        assert_eq!(names.len(), ATTEMPTS.len());
        assert_eq!(targets.len(), ATTEMPTS.iter().filter_map(Attempt::target).count());
    }

    #[test]
    fn what_the_probe_makes_of_errors() {
        for (result, expected) in [
            (Ok(()), Outcome::Answered),
            (Err(io::ErrorKind::TimedOut.into()), Outcome::Silent),
            (Err(io::Error::from_raw_os_error(libc::EAGAIN)), Outcome::Silent),
            (Err(io::Error::from_raw_os_error(libc::EPERM)), Outcome::Refused(libc::EPERM)),
            (Err(io::Error::other("no number")), Outcome::Refused(libc::EIO)),
        ] {
            assert_eq!(outcome(result), expected);
        }
    }
}
