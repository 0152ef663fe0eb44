//! What the parts cost that a connection and a request are made of, each by itself: to tell what a connection speaks, to mint a leaf and
//! to find it again, to decide, and to write the record as its line. `make bench-parts`.
#![allow(clippy::expect_used, reason = "a benchmark fails by panicking")]
#![allow(missing_docs, reason = "the macros make public functions")]

use std::{
    hint::black_box,
    net::SocketAddr,
    num::NonZeroUsize,
    time::{Instant, SystemTime},
};

use certs::{InstanceCa, LeafCache, SubjectName};
use criterion::{Criterion, criterion_group, criterion_main};
use policy::{Authority, Document, Overrides, Policy, RequestFacts, Scheme};
use proxy_everything::{
    audit::{Decision, Kind, Protocol, Record, Used},
    sniff::classify,
};
use rustls::pki_types::UnixTime;

fn sniff(criterion: &mut Criterion) {
    for (name, bytes) in [
        ("TLS", &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..]),
        ("HTTP/1.1", b"GET /repos/a/issues HTTP/1.1\r\nHost: api.example.com\r\n\r\n"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("opaque", b"SSH-2.0-OpenSSH_9.2p1 Debian"),
    ] {
        criterion
            .bench_function(&format!("sniff, {name}"), |bench| bench.iter(|| classify(black_box(bytes))));
    }
}

fn mint(criterion: &mut Criterion) {
    let (ca, now) = (InstanceCa::new("benchmark", UnixTime::now()).expect("a CA"), UnixTime::now());
    let cache = LeafCache::new(NonZeroUsize::MIN);
    let mut number = 0_u64;
    criterion.bench_function("mint", |bench| {
        bench.iter(|| {
            number += 1;
            cache.get(&ca, &SubjectName::Dns(format!("host-{number}.example.com")), now).expect("a leaf")
        });
    });
    let name = SubjectName::Dns("api.example.com".into());
    criterion.bench_function("mint, the same name again", |bench| {
        bench.iter(|| cache.get(&ca, black_box(&name), now).expect("a leaf"));
    });
}

fn decide(criterion: &mut Criterion) {
    for rules in [10, 1_000, 100_000] {
        let names: String = (0..rules).map(|number| format!("  - host-{number}.example.com\n")).collect();
        let document = Document::parse(&format!("allowedHosts:\n{names}")).expect("a policy");
        let policy = Policy::compile(&document, &Overrides::default());
        let Authority { host, port } =
            Authority::parse(&format!("host-{}.example.com", rules / 2), Scheme::Https).expect("a host");
        let facts =
            RequestFacts { scheme: Scheme::Https, host: &host, port, method: "GET", path: "/repos/a/issues" };
        criterion.bench_function(&format!("decide, {rules} names"), |bench| {
            bench.iter(|| policy.decide(black_box(&facts)));
        });
    }
}

fn record(criterion: &mut Criterion) {
    let address = SocketAddr::from(([198, 18, 0, 1], 443));
    let record = Record {
        time: SystemTime::now(),
        kind: Kind::Exchange,
        instance: "run-1".into(),
        class: "agents".into(),
        generation: 1,
        connection: Some(7),
        request: Some("run-1-1234".into()),
        source: address,
        destination: address,
        protocol: Protocol::Http1,
        sni: Some("api.example.com".into()),
        scheme: Some("https"),
        method: Some("GET".to_owned()),
        authority: Some("api.example.com:443".to_owned()),
        path: Some("/repos/a/issues".to_owned()),
        decision: Some(Decision::Allow),
        rule: Some("allowedHosts[3] *.example.com (line 4)".into()),
        monitored: None,
        handlers: Used::named(&"token".into()),
        secrets: Vec::new(),
        stray: None,
        scrubbed: Vec::new(),
        status: Some(200),
        bytes_from_workload: 0,
        bytes_to_workload: 1024,
        milliseconds: 3,
        upstream: Some(address),
        error: None,
        log: Vec::new(),
        log_dropped: 0,
        began: Instant::now(),
    };
    let mut line = Vec::new();
    criterion.bench_function("record", |bench| {
        bench.iter(|| {
            line.clear();
            serde_json::to_writer(&mut line, black_box(&record)).expect("a line");
        });
    });
}

criterion_group!(parts, sniff, mint, decide, record);
criterion_main!(parts);
