//! The rules of a sealed namespace, one table of two chains, sent as one transaction. Every packet that the workload sends
//! comes back through prerouting on `lo`; there each is its own, delivered to us, or rejected at once with an error that the
//! sender sees. Policy is never here: the rules are the same for every instance and never change.
//! Addresses are compared in rules and never looked up in sets, whose look-ups are not consistent while a transaction commits.

use std::{
    ffi::CString,
    io,
    net::{IpAddr, Ipv6Addr},
    os::fd::AsRawFd,
};

use nftnl::{
    Batch, Chain, ChainType, FinalizedBatch, Hook, MsgType, Policy, ProtoFamily, Rule, Table,
    expr::{Cmp, CmpOp, IcmpCode, NetworkHeaderField, Payload, RejectionType, Verdict},
    nft_expr,
};

use super::{
    CaptureError, DNS_PORT, LISTEN_PORT, LISTEN_V4, LISTEN_V6, OWN_V4, OWN_V6,
    expressions::{Notrack, Tproxy},
    syscall,
};

pub(super) const TABLE: &std::ffi::CStr = c"proxy_everything";
/// Before the routing decision and before any filter that the workload might add: the priority named `mangle`.
pub(super) const PRIORITY_MANGLE: i32 = -150;
/// Before connection tracking, hence before any translation.
const PRIORITY_RAW: i32 = -300;
pub(super) const TCP: u8 = libc::IPPROTO_TCP as u8;
pub(super) const UDP: u8 = libc::IPPROTO_UDP as u8;

/// What may be in a namespace already.
#[derive(Clone, Copy)]
pub(super) enum Earlier {
    /// Nothing: it was made just now.
    Nothing,
    /// The rules of an earlier proxy.
    Rules,
}

/// Installs the rules in the namespace that the calling thread is in.
pub(super) fn install(earlier: Earlier) -> Result<Installed, CaptureError> {
    send(&rules(earlier)).map_err(CaptureError::step("install the nftables rules"))
}

fn rules(earlier: Earlier) -> FinalizedBatch {
    let mut batch = Batch::new();
    let table = fresh(&mut batch, ProtoFamily::Inet, earlier);
    let mut chain = Chain::new(c"prerouting", &table);
    chain.set_hook(Hook::PreRouting, PRIORITY_MANGLE);
    chain.set_type(ChainType::Filter);
    chain.set_policy(Policy::Accept);
    batch.add(&chain, MsgType::Add);

    // Replies to the workload, ICMP errors among them: they are addressed to it and must not be proxied again.
    for own in [IpAddr::V4(OWN_V4), IpAddr::V6(OWN_V6)] {
        add(&mut batch, &chain, "own address", |rule| {
            to_address(rule, own);
            rule.add_expr(&nft_expr!(verdict accept));
        });
    }
    listeners_refuse(&mut batch, &chain);
    // Before loopback: resolvers on 127.0.0.0/8 (127.0.0.53, 127.0.0.11) are the ones most systems ask.
    dns(&mut batch, &chain);
    loopback(&mut batch, &chain);
    tcp(&mut batch, &chain);
    rejected(&mut batch, &chain);
    untranslated(&mut batch, &table);
    batch.finalize()
}

/// Our table, empty. What an earlier proxy has left behind is replaced, in the same transaction; a table must be there to be deleted.
/// Even if it was not, that costs what [`Installed`] says, so a new namespace goes without.
pub(super) fn fresh(batch: &mut Batch, family: ProtoFamily, earlier: Earlier) -> Table {
    let table = Table::new(TABLE, family);
    batch.add(&table, MsgType::Add);
    if matches!(earlier, Earlier::Rules) {
        batch.add(&table, MsgType::Del);
        batch.add(&table, MsgType::Add);
    }
    table
}

pub(super) fn listeners_refuse(batch: &mut Batch, chain: &Chain<'_>) {
    for listener in [IpAddr::V4(LISTEN_V4), IpAddr::V6(LISTEN_V6)] {
        // An ICMPv6 error is not heeded while connect(2) is still under way on `lo`: the client would wait for its next try.
        add(batch, chain, "not addressable", |rule| {
            to_address(rule, listener);
            rule.add_expr(&nft_expr!(meta l4proto));
            rule.add_expr(&nft_expr!(cmp == TCP));
            reject(rule, RejectionType::TcpRst);
        });
        add(batch, chain, "not addressable", |rule| {
            to_address(rule, listener);
            reject(rule, RejectionType::Icmp(IcmpCode::PortUnreach));
        });
    }
}

pub(super) fn dns(batch: &mut Batch, chain: &Chain<'_>) {
    for listener in [IpAddr::V4(LISTEN_V4), IpAddr::V6(LISTEN_V6)] {
        for (transport, port) in [(UDP, DNS_PORT), (TCP, LISTEN_PORT)] {
            add(batch, chain, "DNS", |rule| {
                protocol(rule, listener, transport);
                to_dns(rule);
                deliver(rule, listener, port);
            });
        }
    }
}

pub(super) fn tcp(batch: &mut Batch, chain: &Chain<'_>) {
    for listener in [IpAddr::V4(LISTEN_V4), IpAddr::V6(LISTEN_V6)] {
        add(batch, chain, "TCP", |rule| {
            protocol(rule, listener, TCP);
            deliver(rule, listener, LISTEN_PORT);
        });
    }
}

/// Only reached when the proxy is gone, or by what is not proxied: QUIC, so that HTTP/3 clients fall back at once, ping.
pub(super) fn rejected(batch: &mut Batch, chain: &Chain<'_>) {
    add(batch, chain, "proxy gone", |rule| {
        rule.add_expr(&nft_expr!(meta l4proto));
        rule.add_expr(&nft_expr!(cmp == TCP));
        reject(rule, RejectionType::TcpRst);
    });
    rejected_datagrams(batch, chain);
}

pub(super) fn rejected_datagrams(batch: &mut Batch, chain: &Chain<'_>) {
    add(batch, chain, "UDP", |rule| {
        rule.add_expr(&nft_expr!(meta l4proto));
        rule.add_expr(&nft_expr!(cmp == UDP));
        reject(rule, RejectionType::Icmp(IcmpCode::PortUnreach));
    });
    add(batch, chain, "the rest", |rule| reject(rule, RejectionType::Icmp(IcmpCode::AdminProhibited)));
}

/// Docker translates the address of its resolver, 127.0.0.11, on the way out, before prerouting could see the question. What is not
/// tracked is not translated.
pub(super) fn untranslated(batch: &mut Batch, table: &Table) {
    let mut chain = Chain::new(c"output", table);
    chain.set_hook(Hook::Out, PRIORITY_RAW);
    chain.set_type(ChainType::Filter);
    chain.set_policy(Policy::Accept);
    batch.add(&chain, MsgType::Add);
    for transport in [UDP, TCP] {
        add(batch, &chain, "DNS", |rule| {
            rule.add_expr(&nft_expr!(meta l4proto));
            rule.add_expr(&Cmp::new(CmpOp::Eq, transport));
            to_dns(rule);
            rule.add_expr(&Notrack);
        });
    }
}

fn loopback(batch: &mut Batch, chain: &Chain<'_>) {
    add(batch, chain, "loopback", |rule| {
        family(rule, IpAddr::V4(OWN_V4));
        // The first byte of the IPv4 destination (offset 16); the crate's `*_bits` fields are bytes.
        rule.add_expr(&Payload::Network(NetworkHeaderField::Raw { offset_bits: 16, length_bits: 1 }));
        rule.add_expr(&Cmp::new(CmpOp::Eq, 127u8));
        rule.add_expr(&nft_expr!(verdict accept));
    });
    add(batch, chain, "loopback", |rule| {
        to_address(rule, Ipv6Addr::LOCALHOST.into());
        rule.add_expr(&nft_expr!(verdict accept));
    });
}

pub(super) fn add<'a>(
    batch: &mut Batch,
    chain: &'a Chain<'a>,
    comment: &str,
    fill: impl FnOnce(&mut Rule<'a>),
) {
    let mut rule = Rule::new(chain);
    if let Ok(comment) = CString::new(comment) {
        // A comment that is refused is no reason to go without the rule.
        let _ = rule.set_comment(comment);
    }
    fill(&mut rule);
    batch.add(&rule, MsgType::Add);
}

fn family(rule: &mut Rule<'_>, of: IpAddr) {
    let family = if of.is_ipv4() { libc::NFPROTO_IPV4 } else { libc::NFPROTO_IPV6 };
    rule.add_expr(&nft_expr!(meta nfproto));
    rule.add_expr(&Cmp::new(CmpOp::Eq, family as u8));
}

fn protocol(rule: &mut Rule<'_>, family_of: IpAddr, protocol: u8) {
    family(rule, family_of);
    rule.add_expr(&nft_expr!(meta l4proto));
    rule.add_expr(&Cmp::new(CmpOp::Eq, protocol));
}

/// The ports of UDP and TCP are at the same place.
pub(super) fn to_dns(rule: &mut Rule<'_>) {
    rule.add_expr(&nft_expr!(payload udp dport));
    rule.add_expr(&nft_expr!(cmp == DNS_PORT.to_be()));
}

fn to_address(rule: &mut Rule<'_>, address: IpAddr) {
    family(rule, address);
    match address {
        IpAddr::V4(ip) => {
            rule.add_expr(&nft_expr!(payload ipv4 daddr));
            rule.add_expr(&Cmp::new(CmpOp::Eq, ip));
        }
        IpAddr::V6(ip) => {
            rule.add_expr(&nft_expr!(payload ipv6 daddr));
            rule.add_expr(&Cmp::new(CmpOp::Eq, ip));
        }
    }
}

fn deliver(rule: &mut Rule<'_>, to: IpAddr, port: u16) {
    Tproxy { to, port }.add_to(rule);
    rule.add_expr(&nft_expr!(counter));
    rule.add_expr(&nft_expr!(verdict accept));
}

fn reject(rule: &mut Rule<'_>, how: RejectionType) {
    rule.add_expr(&nft_expr!(counter));
    rule.add_expr(&Verdict::Reject(how));
}

/// Rules that are in force. What stood in their place is freed when this is dropped, and the kernel lets that wait until nothing on any
/// processor can be looking at it: 10 to 15 ms, which nobody else need wait for.
#[must_use]
pub(super) struct Installed(#[expect(dead_code, reason = "closed by being dropped")] mnl::Socket);

/// Sends the batch in one message, which makes it one transaction, and waits for every acknowledgement.
pub(super) fn send(batch: &FinalizedBatch) -> io::Result<Installed> {
    let socket = mnl::Socket::new(mnl::Bus::Netfilter)?;
    let pages: Vec<_> = batch.iter().map(io::IoSlice::new).collect();
    syscall::send_to_kernel(socket.as_raw_fd(), &pages)?;
    // Words, not bytes: netlink headers are read in place and must be aligned.
    let mut buffer = vec![0; nftnl::nft_nlmsg_maxsize() as usize];
    let mut expected = batch.sequence_numbers();
    while !expected.is_empty() {
        for message in socket.recv(&mut buffer[..])? {
            let sequence = expected.next().ok_or(io::ErrorKind::InvalidData)?;
            mnl::cb_run(message?, sequence, socket.portid())?;
        }
    }
    Ok(Installed(socket))
}
