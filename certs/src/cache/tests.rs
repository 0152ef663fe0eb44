//! The cache, judged from outside: a mint is a `CertifiedKey` that was not seen before.

use std::sync::Arc;
use std::thread;

use proptest::prelude::*;
use rustls::sign::CertifiedKey;

use super::LeafCache;
use crate::testing::{HOUR_SECS, NOW_SECS, ca, capacity, dns, ip, now};
use crate::validity::at;
use crate::{CertError, InstanceCa};

/// One cache, one CA, and every key handed out so far (held, so that no address is used twice).
struct Bench {
    ca: InstanceCa,
    cache: LeafCache,
    seen: Vec<Arc<CertifiedKey>>,
}

impl Bench {
    fn new(leaves: usize) -> Self {
        Self { ca: ca(), cache: LeafCache::new(capacity(leaves)), seen: Vec::new() }
    }

    /// Whether asking for this name minted a leaf.
    fn mints(&mut self, name: &str) -> bool {
        let key = self.cache.get(&self.ca, &dns(name), now()).unwrap();
        let new = !self.seen.iter().any(|seen| Arc::ptr_eq(seen, &key));
        if new {
            self.seen.push(key);
        }
        new
    }

    fn len(&self) -> usize {
        self.cache.with_leaves(|leaves| {
            assert_eq!(leaves.by_name.len(), leaves.by_use.len());
            leaves.by_name.len()
        })
    }
}

#[test]
fn a_name_is_minted_once() {
    let mut bench = Bench::new(4);
    assert!(bench.mints("a.test"));
    assert!(!bench.mints("a.test"));
    assert!(bench.mints("b.test"));
    assert!(!bench.mints("a.test"));
}

#[test]
fn an_address_and_its_text_are_different_names() {
    let (ca, cache) = (ca(), LeafCache::new(capacity(4)));
    let address = cache.get(&ca, &ip("192.0.2.7"), now()).unwrap();
    assert!(matches!(cache.get(&ca, &dns("192.0.2.7"), now()), Err(CertError::Name { .. })));
    assert!(Arc::ptr_eq(&address, &cache.get(&ca, &ip("192.0.2.7"), now()).unwrap()));
}

#[test]
fn when_full_the_least_recently_used_leaf_goes_and_only_that() {
    let mut bench = Bench::new(3);
    // What is asked for, and whether that mints.
    let dialogue = [
        ("a.test", true),
        ("b.test", true),
        ("c.test", true),
        ("a.test", false),
        ("d.test", true), // b goes
        ("a.test", false),
        ("c.test", false),
        ("d.test", false),
        ("b.test", true), // a goes
        ("c.test", false),
        ("d.test", false),
        ("a.test", true), // b goes
    ];
    for (step, (name, minted)) in dialogue.into_iter().enumerate() {
        assert_eq!(bench.mints(name), minted, "step {step}, {name}");
        assert!(bench.len() <= 3);
    }
}

#[test]
fn a_flood_of_names_costs_one_mint_each_and_spares_the_name_in_use() {
    let (ca, cache) = (ca(), LeafCache::new(capacity(64)));
    let hot = cache.get(&ca, &dns("hot.test"), now()).unwrap();
    for round in 0..2 {
        for number in 0..5_000 {
            let name = dns(&format!("{number}.flood.test"));
            let first = cache.get(&ca, &name, now()).unwrap();
            let again = cache.get(&ca, &name, now()).unwrap();
            assert!(Arc::ptr_eq(&first, &again), "round {round}, {number} was minted twice");
            assert!(Arc::ptr_eq(&hot, &cache.get(&ca, &dns("hot.test"), now()).unwrap()));
            assert!(cache.with_leaves(|leaves| leaves.by_name.len()) <= 64);
        }
    }
}

#[test]
fn capacity_of_one_works() {
    let mut bench = Bench::new(1);
    assert!(bench.mints("a.test") && bench.mints("b.test") && bench.mints("a.test"));
    assert!(!bench.mints("a.test"));
    assert_eq!(bench.len(), 1);
}

#[test]
fn leaves_are_renewed_at_three_quarters_of_their_life_and_when_the_clock_jumps_back() {
    let (ca, cache) = (ca(), LeafCache::new(capacity(4)));
    let name = dns("a.test");
    let mut last = cache.get(&ca, &name, at(NOW_SECS)).unwrap();
    let minted = NOW_SECS + 36 * HOUR_SECS;
    // The time, and whether asking then mints; each row follows the one before.
    let table = [
        (NOW_SECS + 36 * HOUR_SECS - 1, false),
        (NOW_SECS - 24 * HOUR_SECS, false),
        (minted, true),
        (minted + 1, false),
        (minted - 24 * HOUR_SECS, false),
        (minted - 24 * HOUR_SECS - 1, true),
        (NOW_SECS + 20 * 24 * HOUR_SECS, true),
    ];
    for (secs, renewed) in table {
        let key = cache.get(&ca, &name, at(secs)).unwrap();
        assert_eq!(!Arc::ptr_eq(&key, &last), renewed, "{secs}");
        last = key;
    }
    assert_eq!(cache.with_leaves(|leaves| (leaves.by_name.len(), leaves.by_use.len())), (1, 1));
}

#[test]
fn a_cached_leaf_is_not_served_once_the_ca_has_expired() {
    let (ca, cache) = (ca(), LeafCache::new(capacity(4)));
    let name = dns("a.test");
    let end = NOW_SECS + 30 * 24 * HOUR_SECS;
    assert!(cache.get(&ca, &name, at(end - 1)).is_ok());
    assert!(matches!(cache.get(&ca, &name, at(end + 1)), Err(CertError::OutsideCaValidity)));
}

#[test]
fn a_leaf_of_another_ca_is_not_served() {
    let (old, new, cache) = (ca(), ca(), LeafCache::new(capacity(4)));
    let name = dns("a.test");
    let before = cache.get(&old, &name, now()).unwrap();
    let after = cache.get(&new, &name, now()).unwrap();
    assert!(!Arc::ptr_eq(&before, &after));
    assert!(Arc::ptr_eq(&after, &cache.get(&new, &name, now()).unwrap()));
}

#[test]
fn a_refused_name_takes_no_place() {
    let mut bench = Bench::new(1);
    bench.mints("a.test");
    assert!(bench.cache.get(&bench.ca, &dns("*.test"), now()).is_err());
    assert!(!bench.mints("a.test"));
}

#[test]
fn threads_may_share_it() {
    let bench = Bench::new(8);
    thread::scope(|scope| {
        for thread in 0..4 {
            let bench = &bench;
            scope.spawn(move || {
                for number in 0..500 {
                    let name = dns(&format!("{}.test", (number * (thread + 1)) % 20));
                    bench.cache.get(&bench.ca, &name, now()).unwrap();
                }
            });
        }
    });
    assert_eq!(bench.len(), 8);
}

proptest! {
    /// The cache does what a list in order of use does.
    #[test]
    fn it_behaves_like_a_list_in_order_of_use(size in 1usize..6, names in prop::collection::vec(0u8..9, 0..60)) {
        let mut bench = Bench::new(size);
        let mut model: Vec<u8> = Vec::new();
        for name in names {
            let known = model.contains(&name);
            model.retain(|other| *other != name);
            model.push(name);
            if model.len() > size {
                model.remove(0);
            }
            prop_assert_eq!(bench.mints(&format!("{name}.n.test")), !known);
            prop_assert_eq!(bench.len(), model.len());
        }
    }
}
