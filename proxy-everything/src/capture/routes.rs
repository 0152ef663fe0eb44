//! Routes of a sealed namespace: `lo` up, the workload's own addresses on it, and every other address *local* by way of
//! `lo`, so that each packet comes back through prerouting, where TPROXY takes it. There is no other interface, hence
//! no mark, no policy rule and no way round.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::{
    Handle, LinkUnspec, RouteMessageBuilder,
    packet_route::{
        address::{AddressAttribute, AddressFlags},
        route::{RouteScope, RouteType},
    },
};

use super::{CaptureError, OWN_V4, OWN_V6};

/// The kernel's `local` table: consulted before `main`, so that ICMP errors find their way back too.
const TABLE_LOCAL: u32 = 255;
/// `lo` is the first device of every network namespace.
pub(super) const LO_INDEX: u32 = 1;

/// Seals the namespace that the calling thread is in.
pub(super) fn seal() -> Result<(), CaptureError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(CaptureError::step("start a runtime for netlink"))?;
    runtime.block_on(async {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(CaptureError::step("open a netlink socket"))?;
        tokio::spawn(connection);
        apply(&handle).await.map_err(|error| match error {
            rtnetlink::Error::NetlinkError(message) => {
                CaptureError::Step { step: "set up routes", source: message.to_io() }
            }
            other => CaptureError::Handover(format!("set up routes: {other}")),
        })
    })
}

async fn apply(handle: &Handle) -> Result<(), rtnetlink::Error> {
    handle.link().change(LinkUnspec::new_with_index(LO_INDEX).up().build()).execute().await?;
    handle.address().add(LO_INDEX, IpAddr::V4(OWN_V4), 32).execute().await?;
    let mut address = handle.address().add(LO_INDEX, IpAddr::V6(OWN_V6), 128);
    // Without duplicate address detection the address is usable at once; otherwise the route below, which prefers it as
    // its source, is refused until a kernel worker has run.
    address.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    address.execute().await?;
    // The preferred source is vital: the kernel would else use the destination itself, and TPROXY would catch our replies.
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().pref_source(OWN_V4);
    handle.route().add(local(v4).build()).execute().await?;
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new().pref_source(OWN_V6);
    handle.route().add(local(v6).build()).execute().await?;
    // No ICMP error answers a broadcast or a multicast (RFC 1122, 3.2.2; RFC 4443, 2.4), so rules could only drop them silently;
    // routes refuse them at once.
    for (group, length) in [(Ipv4Addr::BROADCAST, 32), (Ipv4Addr::new(224, 0, 0, 0), 4)] {
        let route = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(group, length);
        handle.route().add(refused(route).build()).execute().await?;
    }
    let groups = RouteMessageBuilder::<Ipv6Addr>::new()
        .destination_prefix(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);
    handle.route().add(refused(groups).build()).execute().await
}

fn refused<T>(route: RouteMessageBuilder<T>) -> RouteMessageBuilder<T> {
    route.kind(RouteType::Unreachable).table_id(TABLE_LOCAL)
}

fn local<T>(route: RouteMessageBuilder<T>) -> RouteMessageBuilder<T> {
    route.kind(RouteType::Local).scope(RouteScope::Host).output_interface(LO_INDEX).table_id(TABLE_LOCAL)
}
