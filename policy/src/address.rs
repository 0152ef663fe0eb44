//! Which addresses are on the public Internet.
//!
//! Receives an address that a name resolved to, or that the workload chose, and tells what kind of address it is if it
//! is not a public one. A name that anyone may point anywhere must not lead to the host's own services, the private
//! network or a cloud's metadata service; nor may an IPv6 spelling of such an IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::Rule;

/// Why an address must not be dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefusal {
    /// An entry of `deniedHosts` names it.
    #[error("{address} is refused by {rule}")]
    Denied {
        /// The address that was asked for.
        address: IpAddr,
        /// The entry.
        rule: Rule,
    },
    /// It is not an address of the public Internet, and no rule names it.
    #[error("{address} is {range}, not a public address")]
    NotPublic {
        /// The address that was asked for.
        address: IpAddr,
        /// What kind of address it is.
        range: &'static str,
    },
}

/// Addresses that are not public, and what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Special {
    pub(crate) range: IpNet,
    pub(crate) meaning: &'static str,
}

/// The range of an address that is not public. A mapped address must be an IPv4 address already.
pub(crate) fn special(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(v4) => find_v4(v4),
        IpAddr::V6(v6) => find_v6(v6),
    }
}

fn find_v4(address: Ipv4Addr) -> Option<Special> {
    let &(range, meaning) = V4.iter().find(|(range, _)| range.contains(&address))?;
    Some(Special { range: range.into(), meaning })
}

fn find_v6(address: Ipv6Addr) -> Option<Special> {
    let &(range, meaning) = V6.iter().find(|(range, _)| range.contains(&address))?;
    // The translator of an IPv6-only network makes public addresses of this kind: the inner one decides.
    let public = range == NAT64 && embedded(address.into()).all(|inner| find_v4(inner).is_none());
    (!public).then_some(Special { range: range.into(), meaning })
}

/// The IPv4 addresses that packets to an address may end at.
pub(crate) fn embedded(address: IpAddr) -> impl Iterator<Item = Ipv4Addr> {
    let v6 = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => Some(v6),
    };
    let [a, b, c, d, e, f, g, h] = v6.map_or([0; 8], |v6| v6.segments());
    let inner = match (a, b) {
        _ if v6.is_none() => [None, None],
        // The address of the relay that it is sent to.
        (0x2002, _) => [Some(join(b, c)), None],
        // The server, and the client with its bits turned over (RFC 4380, section 4).
        (0x2001, 0) => [Some(join(c, d)), Some(join(!g, !h))],
        (0x64, 0xff9b) => [Some(join(g, h)), None],
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0) => [Some(join(g, h)), None],
        _ => [None, None],
    };
    inner.into_iter().flatten()
}

fn join(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

/// The first three groups are enough for every range but the few whose bits are all at the end.
const fn v6(a: u16, b: u16, c: u16, last: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, last), length)
}

/// The well-known prefix of RFC 6052, section 2.1.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 0, 96);

/// IANA's IPv4 special-purpose registry (RFC 6890) without its globally reachable rows, and multicast.
const V4: [(Ipv4Net, &str); 16] = [
    (v4(0, 0, 0, 0, 8), "an address of this network"),
    (v4(10, 0, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 0, 10), "an address of a carrier's own network"),
    (v4(127, 0, 0, 0, 8), "a loopback address"),
    (v4(169, 254, 0, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 0, 12), "a private address"),
    (v4(192, 0, 0, 0, 24), "a protocol assignment"),
    (v4(192, 0, 2, 0, 24), "an address for documentation"),
    (v4(192, 88, 99, 0, 24), "a 6to4 relay"),
    (v4(192, 168, 0, 0, 16), "a private address"),
    (v4(198, 18, 0, 0, 15), "an address for benchmarks"),
    (v4(198, 51, 100, 0, 24), "an address for documentation"),
    (v4(203, 0, 113, 0, 24), "an address for documentation"),
    (v4(224, 0, 0, 0, 4), "a multicast address"),
    (v4(255, 255, 255, 255, 32), "the broadcast address"),
    (v4(240, 0, 0, 0, 4), "a reserved address"),
];

/// IANA's IPv6 special-purpose registry, and everything outside 2000::/3, the only block of public addresses. A more
/// special range stands before the range that holds it.
const V6: [(Ipv6Net, &str); 18] = [
    (v6(0, 0, 0, 0, 128), "the unspecified address"),
    (v6(0, 0, 0, 1, 128), "the loopback address"),
    (v6(0, 0, 0, 0, 96), "an IPv4-compatible address"),
    (NAT64, "a translated address that is not public"),
    (v6(0x64, 0xff9b, 1, 0, 48), "a locally translated address"),
    (v6(0x100, 0, 0, 0, 64), "a discard address"),
    (v6(0x2001, 0, 0, 0, 32), "a Teredo address"),
    (v6(0x2001, 0xdb8, 0, 0, 32), "an address for documentation"),
    (v6(0x2001, 0, 0, 0, 23), "a protocol assignment"),
    (v6(0x2002, 0, 0, 0, 16), "a 6to4 address"),
    (v6(0x3fff, 0, 0, 0, 20), "an address for documentation"),
    (v6(0xfc00, 0, 0, 0, 7), "a private address"),
    (v6(0xfe80, 0, 0, 0, 10), "a link-local address"),
    (v6(0xfec0, 0, 0, 0, 10), "a site-local address"),
    (v6(0xff00, 0, 0, 0, 8), "a multicast address"),
    (v6(0, 0, 0, 0, 3), "a reserved address"),
    (v6(0x4000, 0, 0, 0, 2), "a reserved address"),
    (v6(0x8000, 0, 0, 0, 1), "a reserved address"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(address: &str) -> Option<&'static str> {
        let address: IpAddr = address.parse().expect(address);
        special(address.to_canonical()).map(|special| special.meaning)
    }

    #[test]
    fn public_addresses_are_not_special() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:200::1",
            "2620:4f:8000::1",
            "3ffe::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert_eq!(meaning(address), None, "{address}");
        }
    }

    #[test]
    fn every_special_range_is_known_at_both_ends() {
        let ends = |net: IpNet| [net.network(), net.broadcast()];
        let nets =
            V4.iter().map(|(net, _)| IpNet::from(*net)).chain(V6.iter().map(|(net, _)| IpNet::from(*net)));
        // The upper end of the translated block holds an IPv4 address too: the broadcast address.
        for address in nets.flat_map(ends) {
            assert!(special(address.to_canonical()).is_some(), "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_inside_an_ipv6_address_does_not_slip_through() {
        for (address, wanted) in [
            ("::ffff:127.0.0.1", "a loopback address"),
            ("::ffff:a9fe:a9fe", "a link-local address"),
            ("::127.0.0.1", "an IPv4-compatible address"),
            ("::8.8.8.8", "an IPv4-compatible address"),
            ("64:ff9b::10.0.0.1", "a translated address that is not public"),
            ("64:ff9b::a9fe:a9fe", "a translated address that is not public"),
            ("64:ff9b:1::10.0.0.1", "a locally translated address"),
            ("64:ff9b:1::8.8.8.8", "a locally translated address"),
            ("2002:7f00:1::", "a 6to4 address"),
            ("2002:808:808::1", "a 6to4 address"),
            ("2001:0:7f00:1::", "a Teredo address"),
            ("2001:0:808:808::f7f7:f7f7", "a Teredo address"),
            ("4000::1", "a reserved address"),
            ("5f00::1", "a reserved address"),
            ("fe80::1", "a link-local address"),
            ("fd00:ec2::254", "a private address"),
            ("ff02::1", "a multicast address"),
        ] {
            assert_eq!(meaning(address), Some(wanted), "{address}");
        }
    }

    #[test]
    fn embedded_addresses_are_found() {
        for (address, wanted) in [
            ("1.2.3.4", &[][..]),
            ("2606:4700::1", &[]),
            ("::1.2.3.4", &["1.2.3.4"]),
            ("64:ff9b::1.2.3.4", &["1.2.3.4"]),
            ("2002:102:304::1", &["1.2.3.4"]),
            ("2001:0:102:304::fafb:f8f7", &["1.2.3.4", "5.4.7.8"]),
        ] {
            let found: Vec<String> =
                embedded(address.parse().expect(address)).map(|inner| inner.to_string()).collect();
            assert_eq!(found, wanted, "{address}");
        }
    }
}
