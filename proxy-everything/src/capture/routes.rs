//! Routes. Those of a sealed namespace: `lo` up, the workload's own addresses on it, and every other address *local* by way of
//! `lo`, so that each packet comes back through prerouting, where TPROXY takes it. There is no other interface, which is
//! checked first, hence no mark, no policy rule and no way round. Doing it a second time changes nothing. And those of a shared
//! namespace, which has other interfaces: there only what carries a mark comes back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use rtnetlink::{
    Handle, LinkUnspec, RouteMessageBuilder,
    packet_route::{
        address::{AddressAttribute, AddressFlags},
        link::{LinkAttribute, LinkFlags, LinkMessage},
        route::{RouteScope, RouteType},
        rule::RuleAction,
    },
};

use super::{CaptureError, OWN_V4, OWN_V6};

/// The kernel's `local` table: consulted before `main`, so that ICMP errors find their way back too.
const TABLE_LOCAL: u32 = 255;
/// Where a network is shared: the mark of everything that is turned back to `lo`, and the table with the routes that do that.
pub(super) const DIVERTED: u32 = 1;
const TABLE_DIVERTED: u32 = 100;
/// Right behind the `local` table's, which is 0: before whatever else the namespace has.
const PRIORITY_DIVERTED: u32 = 1;
/// `lo` is the first device of every network namespace.
pub(super) const LO_INDEX: u32 = 1;
/// Devices that tunnel modules make in each namespace (net.core.fb_tunnels_only_for_init_net).
pub(crate) const FALLBACK_TUNNELS: [&str; 9] =
    ["erspan0", "gre0", "gretap0", "ip6_vti0", "ip6gre0", "ip6tnl0", "ip_vti0", "sit0", "tunl0"];

/// Seals the namespace that the calling thread is in.
pub(super) fn seal() -> Result<(), CaptureError> {
    enable_ipv6()?;
    with_netlink(async |handle| {
        let found = ways_out(&handle).await.map_err(failed("list interfaces"))?;
        if !found.is_empty() {
            return Err(CaptureError::NotSealed(found.join(", ")));
        }
        apply(&handle).await.map_err(failed("set up routes"))
    })
}

/// Speaks netlink in the network namespace that the calling thread is in.
pub(super) fn with_netlink<T>(
    work: impl AsyncFnOnce(Handle) -> Result<T, CaptureError>,
) -> Result<T, CaptureError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(CaptureError::step("start a runtime for netlink"))?;
    runtime.block_on(async {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(CaptureError::step("open a netlink socket"))?;
        tokio::spawn(connection);
        work(handle).await
    })
}

pub(super) fn failed(step: &'static str) -> impl FnOnce(rtnetlink::Error) -> CaptureError {
    move |error| match error {
        rtnetlink::Error::NetlinkError(message) => CaptureError::Step { step, source: message.to_io() },
        other => CaptureError::Handover(format!("{step}: {other}")),
    }
}

/// Interfaces that can carry packets out. The kernel puts a few tunnels into every namespace; they are down and lead nowhere.
async fn ways_out(handle: &Handle) -> Result<Vec<String>, rtnetlink::Error> {
    let mut links = handle.link().get().execute();
    let mut found = Vec::new();
    while let Some(link) = links.try_next().await? {
        let name = name(&link).unwrap_or_else(|| link.header.index.to_string());
        let idle_tunnel =
            FALLBACK_TUNNELS.contains(&name.as_str()) && !link.header.flags.contains(LinkFlags::Up);
        if link.header.index != LO_INDEX && !idle_tunnel {
            found.push(name);
        }
    }
    Ok(found)
}

fn name(link: &LinkMessage) -> Option<String> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })
}

/// Lets marked packets come back by way of `lo`, in the namespace that the calling thread is in; gives the names of its other
/// devices. Does nothing by itself: nothing is marked yet. Doing it a second time changes nothing.
pub(super) fn divert() -> Result<Vec<String>, CaptureError> {
    with_netlink(async |handle| {
        let links: Vec<_> =
            handle.link().get().execute().try_collect().await.map_err(failed("list interfaces"))?;
        let devices: Vec<_> = links.into_iter().filter(|link| link.header.index != LO_INDEX).collect();
        divert_to_lo(&handle).await.map_err(failed("set up routes for marked packets"))?;
        for index in devices.iter().map(|link| link.header.index) {
            // For sockets that are bound to a device, while it is up: without it they wait in vain, instead of being answered.
            let v4 = diverted(RouteMessageBuilder::<Ipv4Addr>::new(), index).build();
            let v6 = diverted(RouteMessageBuilder::<Ipv6Addr>::new(), index).build();
            for route in [v4, v6] {
                if let Err(error) = handle.route().add(route).replace().execute().await {
                    tracing::debug!(%error, index, "connections that are bound to this device are not answered");
                }
            }
        }
        Ok(devices.iter().filter_map(name).collect())
    })
}

async fn divert_to_lo(handle: &Handle) -> Result<(), rtnetlink::Error> {
    let lo = LinkUnspec::new_with_index(LO_INDEX).up().build();
    handle.link().change(lo).execute().await?;
    let rule = || {
        let rule = handle.rule().add().action(RuleAction::ToTable).fw_mark(DIVERTED);
        rule.table_id(TABLE_DIVERTED).priority(PRIORITY_DIVERTED)
    };
    there_already(rule().v4().execute().await)?;
    let v4 = diverted(RouteMessageBuilder::<Ipv4Addr>::new(), LO_INDEX).build();
    handle.route().add(v4).replace().execute().await?;
    // Without IPv6 nothing can be sent that would have to come back.
    if ipv6_is_off() {
        return Ok(());
    }
    there_already(rule().v6().execute().await)?;
    let v6 = diverted(RouteMessageBuilder::<Ipv6Addr>::new(), LO_INDEX).build();
    handle.route().add(v6).replace().execute().await
}

fn there_already(result: Result<(), rtnetlink::Error>) -> Result<(), rtnetlink::Error> {
    match result {
        Err(rtnetlink::Error::NetlinkError(message)) if message.raw_code() == -libc::EEXIST => Ok(()),
        result => result,
    }
}

/// One route for each device: their metrics differ.
fn diverted<T>(route: RouteMessageBuilder<T>, device: u32) -> RouteMessageBuilder<T> {
    let route = route.kind(RouteType::Local).scope(RouteScope::Host);
    route.output_interface(device).table_id(TABLE_DIVERTED).priority(device)
}

/// The switch of `lo`, which container engines turn where they set up no network for IPv6.
const NO_IPV6: &str = "/proc/sys/net/ipv6/conf/lo/disable_ipv6";

fn ipv6_is_off() -> bool {
    std::fs::read_to_string(NO_IPV6).is_ok_and(|text| text.trim() == "1")
}

/// Container engines switch IPv6 off where they set up no network for it; then the address below would be refused. In a container
/// `/proc/sys` cannot be written to; one that is mounted anew can, and this process alone sees it.
pub(super) fn enable_ipv6() -> Result<(), CaptureError> {
    if !ipv6_is_off() {
        return Ok(());
    }
    let enable = || std::fs::write(NO_IPV6, "0");
    let enabled = match enable() {
        Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
            mount_proc().map_err(std::io::Error::from).and_then(|()| enable())
        }
        result => result,
    };
    enabled.map_err(CaptureError::Ipv6Off)
}

fn mount_proc() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none)
}

async fn apply(handle: &Handle) -> Result<(), rtnetlink::Error> {
    handle.link().change(LinkUnspec::new_with_index(LO_INDEX).up().build()).execute().await?;
    handle.address().add(LO_INDEX, IpAddr::V4(OWN_V4), 32).replace().execute().await?;
    let mut address = handle.address().add(LO_INDEX, IpAddr::V6(OWN_V6), 128).replace();
    // Without duplicate address detection the address is usable at once; otherwise the route below, which prefers it as
    // its source, is refused until a kernel worker has run.
    address.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    address.execute().await?;
    // The preferred source is vital: the kernel would else use the destination itself, and TPROXY would catch our replies.
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().pref_source(OWN_V4);
    handle.route().add(local(v4).build()).replace().execute().await?;
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new().pref_source(OWN_V6);
    handle.route().add(local(v6).build()).replace().execute().await?;
    // No ICMP error answers a broadcast or a multicast (RFC 1122, 3.2.2; RFC 4443, 2.4), so rules could only drop them silently;
    // routes refuse them at once.
    for (group, length) in [(Ipv4Addr::BROADCAST, 32), (Ipv4Addr::new(224, 0, 0, 0), 4)] {
        let route = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(group, length);
        handle.route().add(refused(route).build()).replace().execute().await?;
    }
    let groups = RouteMessageBuilder::<Ipv6Addr>::new()
        .destination_prefix(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);
    handle.route().add(refused(groups).build()).replace().execute().await
}

fn refused<T>(route: RouteMessageBuilder<T>) -> RouteMessageBuilder<T> {
    route.kind(RouteType::Unreachable).table_id(TABLE_LOCAL)
}

fn local<T>(route: RouteMessageBuilder<T>) -> RouteMessageBuilder<T> {
    route.kind(RouteType::Local).scope(RouteScope::Host).output_interface(LO_INDEX).table_id(TABLE_LOCAL)
}
