//! Taking a namespace's uplink away. Receives a namespace that is shared with a workload (a pod's, or that of another container);
//! moves every interface but `lo` into the proxy's own namespace and gives it back there what the move took from it: addresses,
//! routes, static neighbours. What is left behind has no way out and can be sealed. Until that is done, nothing works, which is
//! the right order.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use futures_util::TryStreamExt;
use rtnetlink::{
    Handle, LinkUnspec,
    packet_route::{
        AddressFamily,
        address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
        link::{LinkAttribute, LinkFlags, LinkMessage},
        neighbour::{NeighbourMessage, NeighbourState},
        route::{RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteType},
    },
};

use super::{
    CaptureError, Namespace, agent,
    routes::{self, LO_INDEX, failed, with_netlink},
};

/// All that an interface loses when it changes its namespace.
struct Uplink {
    index: u32,
    addresses: Vec<AddressMessage>,
    routes: Vec<RouteMessage>,
    neighbours: Vec<NeighbourMessage>,
}

/// Moves the interfaces of `network` here, and leaves the calling process in `network`.
pub(super) fn take(network: BorrowedFd<'_>) -> Result<(), CaptureError> {
    let own = Namespace::own()?;
    agent::enter(network, None)?;
    // The likeliest to be refused; without it the namespace cannot be sealed, and should keep what it has.
    routes::enable_ipv6()?;
    let uplinks = with_netlink(async |handle| {
        let uplinks = read(&handle).await.map_err(failed("read the uplink"))?;
        for uplink in &uplinks {
            let moved = LinkUnspec::new_with_index(uplink.index).setns_by_fd(own.network.as_raw_fd());
            handle.link().set(moved.build()).execute().await.map_err(failed("move the uplink"))?;
        }
        Ok(uplinks)
    })?;
    if uplinks.is_empty() {
        return Err(CaptureError::NoUplink);
    }
    agent::enter(own.network.as_fd(), None)?;
    with_netlink(async |handle| {
        let lo = LinkUnspec::new_with_index(LO_INDEX).up().build();
        handle.link().change(lo).execute().await.map_err(failed("set up lo"))?;
        for uplink in uplinks {
            restore(&handle, uplink).await.map_err(failed("set up the uplink again"))?;
        }
        Ok(())
    })?;
    agent::enter(network, None)
}

async fn read(handle: &Handle) -> Result<Vec<Uplink>, rtnetlink::Error> {
    let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
    let addresses: Vec<AddressMessage> = handle.address().get().execute().try_collect().await?;
    let neighbours: Vec<NeighbourMessage> = handle.neighbours().get().execute().try_collect().await?;
    let mut routes = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut all = RouteMessage::default();
        all.header.address_family = family;
        routes.extend(handle.route().get(all).execute().try_collect::<Vec<_>>().await?);
    }
    let indexes = links.iter().filter(|link| is_uplink(link)).map(|link| link.header.index);
    let uplink = |index| Uplink {
        index,
        addresses: addresses.iter().filter(|a| a.header.index == index).filter_map(address).collect(),
        routes: in_order(routes.iter().filter(|r| leaves_by(r, index)).cloned().map(route).collect()),
        neighbours: neighbours
            .iter()
            .filter(|n| n.header.ifindex == index && n.header.state == NeighbourState::Permanent)
            .cloned()
            .collect(),
    };
    Ok(indexes.map(uplink).collect())
}

/// Every interface that is up, or that is plugged into something outside (a veth's peer).
fn is_uplink(link: &LinkMessage) -> bool {
    let plugged = link.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::Link(_)));
    link.header.index != LO_INDEX && (plugged || link.header.flags.contains(LinkFlags::Up))
}

/// As it is to be added again; `None` for those that the kernel makes by itself.
fn address(found: &AddressMessage) -> Option<AddressMessage> {
    let mut message = found.clone();
    let v6 = message.header.family == AddressFamily::Inet6;
    if v6 && message.header.scope == AddressScope::Link {
        return None;
    }
    message.attributes.retain(|attribute| {
        !matches!(attribute, AddressAttribute::Flags(_) | AddressAttribute::CacheInfo(_))
    });
    if v6 {
        // It has passed duplicate address detection once; routes below may name it as their source at once.
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    Some(message)
}

fn leaves_by(route: &RouteMessage, index: u32) -> bool {
    let by = route.attributes.iter().any(|attribute| match attribute {
        RouteAttribute::Oif(oif) => *oif == index,
        RouteAttribute::MultiPath(hops) => hops.iter().any(|hop| hop.interface_index == index),
        _ => false,
    });
    by && route.header.protocol != RouteProtocol::Kernel && route.header.kind == RouteType::Unicast
}

fn route(mut message: RouteMessage) -> RouteMessage {
    message.header.flags &= RouteFlags::Onlink;
    message.attributes.retain(|attribute| !matches!(attribute, RouteAttribute::CacheInfo(_)));
    message
}

/// A gateway must be reachable before it is named.
fn in_order(mut routes: Vec<RouteMessage>) -> Vec<RouteMessage> {
    let by_gateway = |route: &RouteMessage| {
        route
            .attributes
            .iter()
            .any(|attribute| matches!(attribute, RouteAttribute::Gateway(_) | RouteAttribute::MultiPath(_)))
    };
    routes.sort_by_key(by_gateway);
    routes
}

/// The interface keeps its index, because the namespace it came to had only `lo`; its MTU and hardware address came with it.
async fn restore(handle: &Handle, uplink: Uplink) -> Result<(), rtnetlink::Error> {
    handle.link().change(LinkUnspec::new_with_index(uplink.index).up().build()).execute().await?;
    for message in uplink.addresses {
        let mut request =
            handle.address().add(uplink.index, std::net::Ipv4Addr::UNSPECIFIED.into(), 0).replace();
        *request.message_mut() = message;
        request.execute().await?;
    }
    for message in uplink.neighbours {
        let mut request =
            handle.neighbours().add(uplink.index, std::net::Ipv4Addr::UNSPECIFIED.into()).replace();
        *request.message_mut() = message;
        request.execute().await?;
    }
    for message in uplink.routes {
        handle.route().add(message).replace().execute().await?;
    }
    Ok(())
}
