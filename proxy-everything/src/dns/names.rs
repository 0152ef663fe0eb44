//! Which names the workload was given an address for. Receives every answer before it is sent; hands on, for an address
//! that the workload connects to, the names it may mean by it. A name without an address to give away gets one of its own
//! here, from networks that nobody routes.
//!
//! A name stays with its address for a day after it was last given: no TTL is longer, and connection pools dial addresses
//! again that they looked up hours ago. What is used least recently goes first when there are too many.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use policy::CanonicalHost;

use super::lru::Lru;

/// Names with an address of their own.
const MAX_SYNTHETIC: usize = 8192;
/// Addresses of the outside world.
const MAX_REAL: usize = 8192;
/// Names for which one address was given; content networks serve thousands of hosts from one.
const MAX_NAMES_EACH: usize = 16;
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Benchmarking addresses, which no network routes: 198.18.0.0/16 (RFC 2544) and 2001:2::/48 (RFC 5180). The place of a
/// name is the end of both its addresses. Neither 198.18.0.0 is given, which looks like a network, nor 198.18.255.*,
/// where the proxy listens.
const POOL_V4: u32 = Ipv4Addr::new(198, 18, 0, 0).to_bits();
const POOL_V6: u128 = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0).to_bits();
const LAST_PLACE: u32 = 0xfeff;

/// The addresses that a workload was given, and for which names.
#[derive(Debug)]
pub struct Names(Mutex<Given>);

#[derive(Debug)]
struct Given {
    synthetic: Lru<CanonicalHost, u32>,
    places: Lru<u32, CanonicalHost>,
    last_place: u32,
    real: Lru<IpAddr, Vec<(CanonicalHost, Instant)>>,
}

impl Names {
    /// For a workload that so many proxies have served before: it may still hold addresses that one of them gave for other names.
    pub fn after(predecessors: u64) -> Self {
        let used = predecessors.wrapping_mul(MAX_SYNTHETIC as u64) % u64::from(LAST_PLACE);
        Self(Mutex::new(Given {
            synthetic: Lru::new(MAX_SYNTHETIC),
            places: Lru::new(MAX_SYNTHETIC),
            last_place: u32::try_from(used).unwrap_or_default(),
            real: Lru::new(MAX_REAL),
        }))
    }

    /// The names that `address` was given for, the latest first; none if it never was, or too long ago.
    pub fn of(&self, address: IpAddr) -> Vec<CanonicalHost> {
        let address = address.to_canonical();
        self.with(|given| match place(address) {
            Some(place) => given.places.get(&place).cloned().into_iter().collect(),
            None => {
                let names = given.real.get(&address).map_or(&[][..], |names| names.as_slice());
                let fresh = names.iter().rev().filter(|(_, at)| at.elapsed() < KEPT);
                fresh.map(|(name, _)| name.clone()).collect()
            }
        })
    }

    /// The two addresses that mean `host` and nothing else; the same ones each time.
    pub fn synthetic(&self, host: &CanonicalHost) -> (Ipv4Addr, Ipv6Addr) {
        let place = self.with(|given| given.place(host));
        (Ipv4Addr::from_bits(POOL_V4 + place), Ipv6Addr::from_bits(POOL_V6 + u128::from(place)))
    }

    /// Notes that `address` is given for `host`.
    pub fn give(&self, host: &CanonicalHost, address: IpAddr) {
        let (address, now) = (address.to_canonical(), Instant::now());
        self.with(|given| match given.real.get(&address) {
            Some(names) => {
                names.retain(|(name, at)| name != host && at.elapsed() < KEPT);
                if names.len() >= MAX_NAMES_EACH {
                    names.remove(0);
                }
                names.push((host.clone(), now));
            }
            None => drop(given.real.put(address, vec![(host.clone(), now)])),
        });
    }

    /// A panic cannot leave the tables in a state that matters: at worst a name gets another address.
    fn with<T>(&self, work: impl FnOnce(&mut Given) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Given {
    /// The two maps are used together and hence forget together. A place that is free again comes last: clients may have
    /// kept it.
    fn place(&mut self, host: &CanonicalHost) -> u32 {
        if let Some(&mut place) = self.synthetic.get(host) {
            self.places.get(&place);
            return place;
        }
        loop {
            self.last_place = if self.last_place < LAST_PLACE { self.last_place + 1 } else { 1 };
            // There are eight times as many places as names, so one is found soon.
            if !self.places.contains(&self.last_place) {
                break;
            }
        }
        let place = self.last_place;
        if let Some((_, old)) = self.synthetic.put(host.clone(), place) {
            self.places.remove(&old);
        }
        self.places.put(place, host.clone());
        place
    }
}

/// Whether it could be the address of a name here, whoever else uses it.
pub(super) fn is_synthetic(address: IpAddr) -> bool {
    place(address.to_canonical()).is_some()
}

/// The place that a synthetic address stands for.
fn place(address: IpAddr) -> Option<u32> {
    let place = match address {
        IpAddr::V4(v4) => v4.to_bits().checked_sub(POOL_V4)?,
        IpAddr::V6(v6) => u32::try_from(v6.to_bits().checked_sub(POOL_V6)?).ok()?,
    };
    (1..=LAST_PLACE).contains(&place).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> CanonicalHost {
        CanonicalHost::parse(text).unwrap()
    }

    #[test]
    fn a_name_keeps_its_own_addresses() {
        let names = Names::after(0);
        let (v4, v6) = names.synthetic(&host("a.test"));
        assert_eq!((v4.to_string(), v6.to_string()), ("198.18.0.1".to_owned(), "2001:2::1".to_owned()));
        assert_ne!(names.synthetic(&host("b.test")), (v4, v6));
        assert_eq!(names.synthetic(&host("A.TEST.")), (v4, v6));
        for address in [v4.into(), v6.into(), v4.to_ipv6_mapped().into()] {
            assert_eq!(names.of(address), [host("a.test")], "{address}");
        }
    }

    #[test]
    fn a_proxy_that_follows_gives_other_addresses() {
        let given = |predecessors| Names::after(predecessors).synthetic(&host("a.test"));
        let all: std::collections::BTreeSet<_> = (0..8).map(given).collect();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn an_address_of_the_outside_has_every_name_that_it_was_given_for() {
        let names = Names::after(0);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(names.of(address), []);
        for name in ["a.test", "b.test", "a.test"] {
            names.give(&host(name), address);
        }
        assert_eq!(names.of(address), [host("a.test"), host("b.test")]);
        for number in 0..100 {
            names.give(&host(&format!("{number}.test")), address);
        }
        assert_eq!(names.of(address).len(), MAX_NAMES_EACH);
        assert_eq!(names.of(address)[0], host("99.test"));
    }

    #[test]
    fn a_flood_of_names_takes_no_more_than_the_bound_and_no_place_twice() {
        let names = Names::after(0);
        let kept = host("kept.test");
        let first = names.synthetic(&kept);
        for number in 0..2 * LAST_PLACE {
            let (v4, _) = names.synthetic(&host(&format!("{number}.test")));
            let [a, b, c, d] = v4.octets();
            assert!((a, b) == (198, 18) && c != 255 && (c, d) != (0, 0), "{v4}");
            assert_eq!(names.of(v4.into()), [host(&format!("{number}.test"))]);
            if number % 1000 == 0 {
                assert_eq!(names.synthetic(&kept), first);
            }
            // The name after the one that is kept has not been used since.
            let second = Ipv4Addr::from_bits(POOL_V4 + 2);
            let (early, late) = (MAX_SYNTHETIC as u32 / 2, MAX_SYNTHETIC as u32 + 2);
            if number == early || number == late {
                assert_eq!(names.of(second.into()).is_empty(), number == late);
            }
        }
    }
}
