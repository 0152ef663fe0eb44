//! What a leaf costs. Mints one for each of as many names as the proxy keeps, finds them again, and prints the processor time of
//! each, and the memory that they keep. Processor time, so that a busy machine tells the same.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{fs, num::NonZeroUsize};

use certs::{InstanceCa, LeafCache, SubjectName};
use rustls::pki_types::UnixTime;

const NAMES: usize = 16_384;

fn main() {
    let (ca, now) = (InstanceCa::new("benchmark", UnixTime::now()).unwrap(), UnixTime::now());
    let cache = LeafCache::new(NonZeroUsize::new(NAMES).unwrap());
    let names: Vec<_> =
        (0..NAMES).map(|number| SubjectName::Dns(format!("host-{number}.some.example.com"))).collect();
    let rss = resident_bytes();
    for what in ["mint", "find"] {
        let began = processor_ns();
        for name in &names {
            cache.get(&ca, name, now).unwrap();
        }
        println!("{what}: {:.1} us", (processor_ns() - began) as f64 / NAMES as f64 / 1000.0);
    }
    println!("memory: {} bytes for each of {NAMES}", (resident_bytes() - rss) / NAMES);
}

/// Of this thread.
fn processor_ns() -> u64 {
    fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse().unwrap()
}

fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
