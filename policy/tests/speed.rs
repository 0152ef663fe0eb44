//! A decision costs the same whether there are ten rules or a hundred thousand, and so many are read within a second.
//!
//! The bounds are generous, for machines that do something else too; `make bench-policy` measures.
#![allow(clippy::expect_used, reason = "tests fail by panicking")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use policy::{CanonicalHost, Document, Overrides, Policy, RequestFacts, Scheme};

/// Unoptimised code is that much slower.
const SLOWER: u32 = if cfg!(debug_assertions) { 10 } else { 1 };

fn compiled(rules: usize) -> Policy {
    let lines: Vec<String> = (0..rules).map(|place| format!("- host-{place}.example.com\n")).collect();
    let document = Document::parse(&format!("allowedHosts:\n{}", lines.concat())).expect("a policy");
    Policy::compile(&document, &Overrides::default())
}

/// A thousand decisions about rules from one end to the other, at best.
fn thousand(rules: usize) -> Duration {
    let policy = compiled(rules);
    let host = |place: usize| {
        CanonicalHost::parse(&format!("host-{}.example.com", place * rules / 1_000)).expect("a host")
    };
    let hosts: Vec<_> = (0..1_000).map(host).collect();
    let round = || {
        let start = Instant::now();
        for host in &hosts {
            let facts = RequestFacts { scheme: Scheme::Https, host, port: 443, method: "GET", path: "/" };
            black_box(policy.decide(black_box(&facts)));
        }
        start.elapsed()
    };
    (0..50).map(|_| round()).min().expect("rounds")
}

#[test]
fn a_decision_does_not_grow_with_the_rules() {
    let [few, many] = [10, 100_000].map(thousand);
    assert!(many <= 3 * few, "{few:?} became {many:?}");
    assert!(many <= SLOWER * Duration::from_millis(1), "{many:?} for a thousand");
}

#[test]
fn a_hundred_thousand_rules_are_read_within_a_second() {
    let read = || {
        let start = Instant::now();
        drop(compiled(100_000));
        start.elapsed()
    };
    let best = (0..3).map(|_| read()).min().expect("rounds");
    assert!(best <= SLOWER * Duration::from_secs(1), "{best:?}");
}
