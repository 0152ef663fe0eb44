//! Requests that stand for others. For each pattern of either document there is a host that it matches, if possible one that no narrower
//! pattern names; for each host the ports, methods and paths that some rule for it tells apart, and one of each that no rule names.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use crate::{CanonicalHost, Document, Entry, Policy, RequestFacts, Scheme, host::Kind, pattern::Target};

/// Most witnesses of one comparison.
const MAX_WITNESSES: usize = 200_000;
/// Most methods, paths and ports of one host.
const MAX_EACH: usize = 32;
/// Networks inside one, around which an address of its own is looked for.
const MAX_TRIED: usize = 64;

/// A request, and how it is told to people: `*` is what no rule names.
#[derive(Debug)]
pub(super) struct Witness {
    scheme: Scheme,
    host: (CanonicalHost, String),
    port: (u16, String),
    method: (String, String),
    path: (String, String),
}

impl Witness {
    pub(super) fn facts(&self) -> RequestFacts<'_> {
        let Self { scheme, host, port, method, path } = self;
        RequestFacts { scheme: *scheme, host: &host.0, port: port.0, method: &method.0, path: &path.0 }
    }

    pub(super) fn host_label(&self) -> &str {
        &self.host.1
    }

    /// Where it goes.
    pub(super) fn place(&self) -> String {
        let Self { scheme, host, port, .. } = self;
        format!("{scheme}://{}:{}", host.1, port.1)
    }

    /// What it asks for there.
    pub(super) fn request(&self) -> String {
        format!("{} {}", self.method.1, self.path.1)
    }
}

/// The witnesses for two documents, and how many there are too many.
pub(super) fn witnesses(documents: [&Document; 2], policies: &[Policy; 2]) -> (Vec<Witness>, usize) {
    let mut found = Vec::new();
    let mut left_out = 0;
    for (host, label) in hosts(documents) {
        let rules =
            documents.iter().zip(policies).map(|(document, policy)| policy.rules_for(&host, document));
        let told = Told::apart(rules);
        let host = (host, label);
        if found.len() + told.count() > MAX_WITNESSES {
            left_out += told.count();
            continue;
        }
        told.combine(&host, &mut found);
    }
    (found, left_out)
}

/// All rules about requests.
fn rules(document: &Document) -> impl Iterator<Item = &Entry> {
    let lists = document.denied_hosts.iter().chain(document.allowed_hosts.iter().flatten());
    lists.chain(document.outbound_by_host.iter().chain(&document.outbound).map(|route| &route.entry))
}

/// The hosts, each with the pattern that it stands for.
fn hosts(documents: [&Document; 2]) -> BTreeMap<CanonicalHost, String> {
    let targets: BTreeMap<String, &Target> = documents
        .iter()
        .flat_map(|document| rules(document))
        .map(|entry| (entry.pattern.target.to_string(), &entry.pattern.target))
        .collect();
    let networks: BTreeSet<IpNet> = targets
        .values()
        .filter_map(|target| match target {
            Target::Network(net) => Some(*net),
            _ => None,
        })
        .collect();
    let label = unnamed_label(&targets);
    let mut hosts = BTreeMap::new();
    let everything = CanonicalHost::parse(&format!("{label}.invalid")).map(|host| (host, "*".to_owned()));
    hosts.extend(everything);
    let public = own_address(IpNet::new_assert(IpAddr::from([1, 0, 0, 0]), 8), &networks);
    hosts.insert(public.into(), "ADDRESS".to_owned());
    for (text, target) in &targets {
        let host = match target {
            Target::Any => continue,
            Target::Name(name) => Ok(CanonicalHost(Kind::Name((*name).clone()))),
            Target::Glob(glob) | Target::Loose(glob) => {
                CanonicalHost::parse(&glob.glob().replace('*', &label))
            }
            Target::Network(net) => Ok(own_address(*net, &networks).into()),
        };
        if let Ok(host) = host {
            hosts.insert(host, text.clone());
        }
    }
    hosts
}

/// A label that no pattern has.
fn unnamed_label(targets: &BTreeMap<String, &Target>) -> String {
    let mut label = "other".to_owned();
    while targets.keys().any(|text| text.contains(&label)) {
        label.push('x');
    }
    label
}

/// An address that is in no narrower network, if one is found.
fn own_address(net: IpNet, networks: &BTreeSet<IpNet>) -> IpAddr {
    let inside = networks.range(net..).take_while(|other| net.contains(&other.network()));
    let inside: Vec<&IpNet> = inside.filter(|other| **other != net).take(MAX_TRIED).collect();
    let behind = inside.iter().filter_map(|other| match other.broadcast() {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
    });
    let is_own =
        |address: &IpAddr| net.contains(address) && !inside.iter().any(|other| other.contains(address));
    let mut tried = [net.network(), net.broadcast()].into_iter().chain(behind);
    tried.find(is_own).unwrap_or_else(|| net.network())
}

/// What the rules for a host tell apart, each with what it is called.
struct Told {
    ports: BTreeMap<u16, String>,
    methods: BTreeMap<String, String>,
    paths: BTreeMap<String, String>,
}

impl Told {
    fn apart<'a>(rules: impl Iterator<Item = Vec<&'a Entry>>) -> Self {
        let (mut ports, mut methods, mut paths) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for entry in rules.flatten() {
            let (port, condition) = (entry.pattern.port, &entry.condition);
            ports.extend(port.filter(|_| ports.len() < MAX_EACH).map(|port| (port, port.to_string())));
            methods.extend(condition.methods.iter().take(MAX_EACH).map(|name| (name.clone(), name.clone())));
            let path = |text: &str| text.replace("**", "other").replace('*', "other");
            let told = condition
                .paths
                .iter()
                .take(MAX_EACH)
                .map(|text| (path(text.as_str()), text.as_str().to_owned()));
            paths.extend(told);
        }
        ports.extend(Scheme::ALL.map(|scheme| (scheme.default_port(), scheme.default_port().to_string())));
        let unnamed = (1..=u16::MAX).rev().find(|port| !ports.contains_key(port));
        ports.extend(unnamed.map(|port| (port, "*".to_owned())));
        if methods.len() < MAX_EACH {
            methods.insert("OTHER".to_owned(), "*".to_owned());
        }
        if paths.len() < MAX_EACH {
            paths.insert("/other-than-all".to_owned(), "/**".to_owned());
        }
        Self { ports, methods, paths }
    }

    fn count(&self) -> usize {
        Scheme::ALL.len() * self.ports.len() * self.methods.len() * self.paths.len()
    }

    fn combine(&self, host: &(CanonicalHost, String), found: &mut Vec<Witness>) {
        let both = |(key, told): (&String, &String)| (key.clone(), told.clone());
        for scheme in Scheme::ALL {
            for (port, port_told) in &self.ports {
                for method in self.methods.iter().map(both) {
                    let witness = |path: (&String, &String)| Witness {
                        scheme,
                        host: host.clone(),
                        port: (*port, port_told.clone()),
                        method: method.clone(),
                        path: both(path),
                    };
                    found.extend(self.paths.iter().map(witness));
                }
            }
        }
    }
}
