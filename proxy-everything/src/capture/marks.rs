//! The rules where a network is shared with the workload and cannot be sealed. The proxy's packets are known by the cgroup of their
//! sockets and get a random mark; everything else is turned back to `lo`, as in a sealed network, or rejected. Whatever is about to
//! leave without that mark is dropped, twice: at the end of routing, for devices of any age, and at each device that there is now,
//! for frames that never were routed. One transaction; no exemption by connection, address or user.

use std::{
    ffi::{CStr, CString},
    fs::File,
    io::Read,
};

use nftnl::{
    Batch, Chain, ChainType, FinalizedBatch, Hook, MsgType, Policy, ProtoFamily, Rule, Table,
    expr::{
        Cmp, CmpOp, Icmpv6HeaderField, Immediate, Payload, Register, Socket, SocketKey, TransportHeaderField,
        Verdict,
    },
    nft_expr,
};

use super::{
    CaptureError,
    cgroup::Cgroup,
    expressions::DestinationType,
    nft::{self, Earlier, Installed, PRIORITY_MANGLE, TCP, UDP, add, to_dns},
    routes::{DIVERTED, LO_INDEX},
};

/// After translation of source addresses: nothing changes a packet any more.
const PRIORITY_LAST: i32 = 300;
/// nftables counts levels from the root of the hierarchy, or from that of our cgroup namespace: that depends on the kernel. A number
/// stands for one cgroup only, so asking for it at a few more levels matches nothing else.
const LEVELS: u32 = 8;
/// RTN_LOCAL, rtnetlink(7).
const LOCAL: u32 = 2;
/// Router solicitation, neighbour solicitation, neighbour advertisement (RFC 4861, 4): the kernel's, without which IPv6 finds nobody.
/// Reports of multicast groups stay here: any program can choose the addresses in them.
const NEIGHBOUR_DISCOVERY: [u8; 3] = [133, 135, 136];

/// A mark that nobody can guess, and that is not [`DIVERTED`].
pub(super) fn random() -> Result<u32, CaptureError> {
    let mut bytes = [0; 4];
    let mut source = File::open("/dev/urandom").map_err(CaptureError::step("open /dev/urandom"))?;
    source.read_exact(&mut bytes).map_err(CaptureError::step("read /dev/urandom"))?;
    Ok(u32::from_ne_bytes(bytes) | 1 << 31)
}

/// Installs the rules in the namespace that the calling thread is in, with chains for `devices`.
pub(super) fn install(cgroup: &Cgroup, mark: u32, devices: &[String]) -> Result<Installed, CaptureError> {
    let devices: Result<Vec<_>, _> = devices.iter().map(|name| CString::new(name.as_str())).collect();
    let devices = devices.map_err(|error| CaptureError::step("name a device")(error.into()))?;
    nft::send(&rules(cgroup, mark, &devices)).map_err(CaptureError::step(
        "install the nftables rules for a shared network, which need `socket cgroupv2` and egress hooks (Linux 5.16 or later)",
    ))
}

fn rules(cgroup: &Cgroup, mark: u32, devices: &[CString]) -> FinalizedBatch {
    let mut batch = Batch::new();
    let table = nft::fresh(&mut batch, ProtoFamily::Inet, Earlier::Rules);
    nft::untranslated(&mut batch, &table);
    let own = ours(&mut batch, &table, mark);
    marks(&mut batch, &table, cgroup, mark, &own);
    let outside = from_outside(&mut batch, &table, cgroup, mark);
    prerouting(&mut batch, &table, &outside);
    let last = base(&mut batch, &table, c"postrouting", Hook::PostRouting, PRIORITY_LAST, Policy::Drop);
    add(&mut batch, &last, "stays here", |rule| {
        to_lo(rule);
        rule.add_expr(&nft_expr!(verdict accept));
    });
    only_ours(&mut batch, &last, mark);
    at_devices(&mut batch, mark, devices);
    batch.finalize()
}

/// What becomes of packets of the proxy's cgroup. On `lo` they carry no mark, so that none can be taken over from there.
fn ours<'a>(batch: &mut Batch, table: &'a Table, mark: u32) -> Chain<'a> {
    let chain = Chain::new(c"own", table);
    batch.add(&chain, MsgType::Add);
    add(batch, &chain, "stays here", |rule| {
        to_lo(rule);
        rule.add_expr(&nft_expr!(verdict accept));
    });
    add(batch, &chain, "may leave", |rule| {
        set_mark(rule, mark);
        rule.add_expr(&nft_expr!(verdict accept));
    });
    chain
}

/// Every packet that is made here; a changed mark lets the kernel look for a route again.
fn marks(batch: &mut Batch, table: &Table, cgroup: &Cgroup, mark: u32, own: &Chain<'_>) {
    let chain = Chain::new(c"marks", table);
    let chain = hooked(batch, chain, Hook::Out, PRIORITY_MANGLE, Policy::Accept, ChainType::Route);
    // The answers to SYNs of published ports, which have no socket yet that the kernel would know the cgroup of: they have the mark of
    // the listener, which the agent set.
    add(batch, &chain, "published port", |rule| {
        has_mark(rule, mark);
        rule.add_expr(&nft_expr!(verdict accept));
    });
    of_cgroup(batch, &chain, cgroup, |rule| {
        rule.add_expr(&Verdict::Goto { chain: own.get_name().to_owned() });
    });
    neighbour_discovery(batch, &chain);
    add(batch, &chain, "the workload's", |rule| set_mark(rule, DIVERTED));
    add(batch, &chain, "stays here", |rule| {
        to_lo(rule);
        rule.add_expr(&nft_expr!(verdict accept));
    });
    add(batch, &chain, "TCP", |rule| {
        of_protocol(rule, TCP);
        rule.add_expr(&nft_expr!(verdict accept));
    });
    add(batch, &chain, "DNS", |rule| {
        of_protocol(rule, UDP);
        to_dns(rule);
        rule.add_expr(&nft_expr!(verdict accept));
    });
    // Here, because an error that is sent from `lo` finds no way back while addresses are not the namespace's own.
    nft::rejected_datagrams(batch, &chain);
}

/// As in a sealed network, but that "own address" is whatever the namespace has.
fn prerouting(batch: &mut Batch, table: &Table, outside: &Chain<'_>) {
    let chain = base(batch, table, c"prerouting", Hook::PreRouting, PRIORITY_MANGLE, Policy::Accept);
    add(batch, &chain, "from outside", |rule| {
        rule.add_expr(&nft_expr!(meta iif));
        rule.add_expr(&Cmp::new(CmpOp::Neq, LO_INDEX));
        rule.add_expr(&Verdict::Goto { chain: outside.get_name().to_owned() });
    });
    add(batch, &chain, "the proxy's", |rule| {
        rule.add_expr(&nft_expr!(meta mark));
        rule.add_expr(&Cmp::new(CmpOp::Neq, DIVERTED));
        rule.add_expr(&nft_expr!(verdict accept));
    });
    nft::listeners_refuse(batch, &chain);
    nft::dns(batch, &chain);
    add(batch, &chain, "own address", |rule| {
        rule.add_expr(&DestinationType);
        rule.add_expr(&Cmp::new(CmpOp::Eq, LOCAL));
        rule.add_expr(&nft_expr!(verdict accept));
    });
    nft::tcp(batch, &chain);
    nft::rejected(batch, &chain);
}

/// Nobody outside reaches the workload's sockets: only what is published, and what answers the proxy.
fn from_outside<'a>(batch: &mut Batch, table: &'a Table, cgroup: &Cgroup, mark: u32) -> Chain<'a> {
    let chain = Chain::new(c"outside", table);
    batch.add(&chain, MsgType::Add);
    of_cgroup(batch, &chain, cgroup, |rule| rule.add_expr(&nft_expr!(verdict accept)));
    // The expression fails where there is no socket, or none that is established or listens: that is not the workload's either.
    add(batch, &chain, "for the workload", |rule| {
        rule.add_expr(&Socket::new(SocketKey::Mark, 0));
        rule.add_expr(&Cmp::new(CmpOp::Neq, mark));
        rule.add_expr(&nft_expr!(counter));
        rule.add_expr(&nft_expr!(verdict drop));
    });
    chain
}

/// The egress hook sees what packet sockets send, too.
fn at_devices(batch: &mut Batch, mark: u32, devices: &[CString]) {
    /// `NF_NETDEV_EGRESS`, for which the crate has no name.
    const EGRESS: Hook = Hook::In;
    let table = nft::fresh(batch, ProtoFamily::NetDev, Earlier::Rules);
    for device in devices {
        let mut chain = Chain::new(device, &table);
        chain.set_device(device);
        let chain = hooked(batch, chain, EGRESS, 0, Policy::Drop, ChainType::Filter);
        add(batch, &chain, "ARP", |rule| {
            rule.add_expr(&nft_expr!(meta proto));
            rule.add_expr(&Cmp::new(CmpOp::Eq, (libc::ETH_P_ARP as u16).to_be()));
            rule.add_expr(&nft_expr!(verdict accept));
        });
        only_ours(batch, &chain, mark);
    }
}

fn only_ours(batch: &mut Batch, chain: &Chain<'_>, mark: u32) {
    add(batch, chain, "the proxy's", |rule| {
        has_mark(rule, mark);
        rule.add_expr(&nft_expr!(verdict accept));
    });
    neighbour_discovery(batch, chain);
}

fn neighbour_discovery(batch: &mut Batch, chain: &Chain<'_>) {
    for kind in NEIGHBOUR_DISCOVERY {
        add(batch, chain, "neighbour discovery", |rule| {
            of_protocol(rule, libc::IPPROTO_ICMPV6 as u8);
            rule.add_expr(&Payload::Transport(TransportHeaderField::Icmpv6(Icmpv6HeaderField::Type)));
            rule.add_expr(&Cmp::new(CmpOp::Eq, kind));
            rule.add_expr(&nft_expr!(verdict accept));
        });
    }
}

fn of_cgroup<'a>(batch: &mut Batch, chain: &'a Chain<'a>, cgroup: &Cgroup, then: impl Fn(&mut Rule<'a>)) {
    for level in cgroup.level..=cgroup.level + LEVELS {
        add(batch, chain, "the proxy's cgroup", |rule| {
            rule.add_expr(&Socket::new(SocketKey::CgroupV2, level));
            rule.add_expr(&Cmp::new(CmpOp::Eq, cgroup.id));
            then(rule);
        });
    }
}

fn base<'a>(
    batch: &mut Batch,
    table: &'a Table,
    name: &CStr,
    hook: Hook,
    priority: i32,
    policy: Policy,
) -> Chain<'a> {
    hooked(batch, Chain::new(name, table), hook, priority, policy, ChainType::Filter)
}

fn hooked<'a>(
    batch: &mut Batch,
    mut chain: Chain<'a>,
    hook: Hook,
    priority: i32,
    policy: Policy,
    kind: ChainType,
) -> Chain<'a> {
    chain.set_hook(hook, priority);
    chain.set_type(kind);
    chain.set_policy(policy);
    batch.add(&chain, MsgType::Add);
    chain
}

fn to_lo(rule: &mut Rule<'_>) {
    rule.add_expr(&nft_expr!(meta oif));
    rule.add_expr(&Cmp::new(CmpOp::Eq, LO_INDEX));
}

fn of_protocol(rule: &mut Rule<'_>, protocol: u8) {
    rule.add_expr(&nft_expr!(meta l4proto));
    rule.add_expr(&Cmp::new(CmpOp::Eq, protocol));
}

fn has_mark(rule: &mut Rule<'_>, mark: u32) {
    rule.add_expr(&nft_expr!(meta mark));
    rule.add_expr(&Cmp::new(CmpOp::Eq, mark));
}

fn set_mark(rule: &mut Rule<'_>, mark: u32) {
    rule.add_expr(&Immediate::new(mark, Register::Reg1));
    rule.add_expr(&nft_expr!(meta mark set));
}
