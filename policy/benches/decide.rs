//! What a decision costs, and reading a policy, by the number of its rules: `make bench-policy`.
//!
//! Each policy is decided upon for the hosts of its own rules and for as many that it does not know, in an order that no cache
//! likes. Prints one line for each policy, and the ratio between the largest and the smallest.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use policy::{Authority, Document, Overrides, Policy, RequestFacts, Scheme};

const DECISIONS: usize = 1_000_000;
/// The best of so many counts: what else the machine does makes nothing faster.
const ROUNDS: usize = 5;

fn main() {
    println!("{:<28} {:>12} {:>12} {:>14}", "rules", "read", "compile", "decide");
    let exact = [10, 1_000, 100_000].map(|rules| measure(&format!("{rules} names"), &names(rules), rules));
    measure("100000 mixed", &mixed(100_000), 100_000);
    let [few, _, many] = exact;
    println!("ratio of 100000 names to 10: {:.1}", many.as_secs_f64() / few.as_secs_f64());
}

fn measure(what: &str, text: &str, rules: usize) -> Duration {
    let (mut read, mut compile, mut decide) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let document = Document::parse(text).expect("a valid policy");
        read = read.min(start.elapsed());
        let start = Instant::now();
        let policy = Policy::compile(&document, &Overrides::default());
        compile = compile.min(start.elapsed());
        decide = decide.min(decisions(&policy, rules));
    }
    println!("{what:<28} {read:>12.1?} {compile:>12.1?} {decide:>14.1?}");
    decide
}

/// One decision, on average.
fn decisions(policy: &Policy, rules: usize) -> Duration {
    // A prime step walks through all of them.
    let places = (0..10_000).map(|step| step * 7_919 % (2 * rules));
    let hosts: Vec<Authority> = places.map(|place| authority(&host(place))).collect();
    let start = Instant::now();
    for authority in hosts.iter().cycle().take(DECISIONS) {
        let Authority { host, port } = authority;
        let facts =
            RequestFacts { scheme: Scheme::Https, host, port: *port, method: "GET", path: "/repos/a/issues" };
        black_box(policy.decide(black_box(&facts)));
    }
    start.elapsed() / u32::try_from(DECISIONS).expect("a small number")
}

fn authority(text: &str) -> Authority {
    Authority::parse(text, Scheme::Https).expect("a host")
}

/// Every fourth is an address.
fn host(place: usize) -> String {
    match place % 4 {
        3 => format!("11.{}.{}.1", place / 4 / 256, place / 4 % 256),
        2 => format!("www.zone-{place}.example.com"),
        _ => format!("host-{place}.example.com"),
    }
}

fn names(rules: usize) -> String {
    list((0..rules).map(|place| format!("host-{place}.example.com")))
}

/// Names, globs and networks; every tenth name with methods and paths.
fn mixed(rules: usize) -> String {
    list((0..rules).map(|place| match place % 4 {
        3 => format!("11.{}.{}.0/24", place / 4 / 256, place / 4 % 256),
        2 => format!("'*.zone-{place}.example.com'"),
        _ if place % 10 == 0 => {
            format!("{{ host: host-{place}.example.com, methods: [GET], paths: [/repos/**, /v1] }}")
        }
        _ => format!("host-{place}.example.com"),
    }))
}

fn list(rules: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = rules.map(|rule| format!("- {rule}\n")).collect();
    format!("allowedHosts:\n{}", lines.concat())
}
