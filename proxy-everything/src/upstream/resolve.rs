//! From an authority to the addresses that may be dialled. The proxy resolves by itself, whatever address the workload
//! chose, and judges every answer: a name that anybody can point anywhere must not lead to private networks, to
//! metadata services or to this machine. What the operator writes down (`resolve`, an address in the policy) may.

use std::{net::SocketAddr, sync::Arc};

use hickory_proto::rr::{Record, RecordType};
use policy::{AddressRefusal, Authority, CanonicalHost, Document, Policy, ResolveEntry, Scheme};

use super::{LookupError, lookup::Lookups};
use crate::{config::Limits, dns::Bounds, error::UpstreamError};

/// `resolve` entries of the document, then DNS, as far as names may be looked up.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    entries: Vec<ResolveEntry>,
    lookups: Lookups,
    bounds: Arc<Bounds>,
    limits: Limits,
}

impl Resolver {
    /// As the document of one generation says, within the bounds of its instance.
    pub fn new(document: &Document, limits: &Limits, bounds: Arc<Bounds>) -> Self {
        let lookups = Lookups::new(&document.dns.servers, limits.dns());
        Self(Arc::new(Inner { entries: document.resolve.clone(), lookups, bounds, limits: limits.clone() }))
    }

    /// Whether the document itself says where `host` is, on some port at least.
    pub fn states(&self, host: &CanonicalHost) -> bool {
        self.0.entries.iter().any(|entry| entry.host == *host)
    }

    /// What DNS says of a name: its records of `kind`, unjudged, and the aliases that led to them.
    pub async fn records(
        &self,
        host: &CanonicalHost,
        kind: RecordType,
        policy: &Policy,
    ) -> Result<Vec<Record>, UpstreamError> {
        let name = self.may_look_up(host, policy)?;
        self.0.lookups.records(name, kind).await.map_err(UpstreamError::Resolve)
    }

    /// Every address of `authority` that may be dialled for `scheme`, in the order to try; at least one.
    pub async fn resolve(
        &self,
        scheme: Option<Scheme>,
        authority: &Authority,
        policy: &Policy,
    ) -> Result<Vec<SocketAddr>, UpstreamError> {
        let judge = |address| self.judge(address, scheme, authority, policy);
        if let Some(entry) = self.entry(authority) {
            let port = |port: Option<u16>| port.unwrap_or(authority.port);
            let stated = entry.to.iter().map(|to| SocketAddr::new(to.address, port(to.port)));
            return permitted(stated, judge);
        }
        let found = match authority.host.address() {
            Some(address) => vec![address],
            None => {
                let name = self.may_look_up(&authority.host, policy)?;
                self.0.lookups.addresses(name).await.map_err(UpstreamError::Resolve)?
            }
        };
        let found = found.into_iter().map(|address| SocketAddr::new(address, authority.port));
        permitted(found, judge)
    }

    /// The name, if it is one and a resolver may be asked for it.
    fn may_look_up<'a>(&self, host: &'a CanonicalHost, policy: &Policy) -> Result<&'a str, UpstreamError> {
        self.0.bounds.look_up(host, policy, &self.0.limits).map_err(UpstreamError::NameRefused)?;
        host.name().ok_or(UpstreamError::Resolve(LookupError::NoName))
    }

    /// Whether `address` may be dialled for `authority`. One that the operator wrote down need not be public; a denial
    /// stands.
    pub fn judge(
        &self,
        address: SocketAddr,
        scheme: Option<Scheme>,
        authority: &Authority,
        policy: &Policy,
    ) -> Result<(), AddressRefusal> {
        match policy.check_address(address, scheme) {
            Err(AddressRefusal::NotPublic { .. }) if self.entry(authority).is_some() => Ok(()),
            verdict => verdict,
        }
    }

    /// An entry with a port beats one without.
    fn entry(&self, authority: &Authority) -> Option<&ResolveEntry> {
        let for_host = || self.0.entries.iter().filter(|entry| entry.host == authority.host);
        let exact = for_host().find(|entry| entry.port == Some(authority.port));
        exact.or_else(|| for_host().find(|entry| entry.port.is_none()))
    }
}

/// Keeps what may be dialled; says why if that is nothing.
fn permitted(
    addresses: impl Iterator<Item = SocketAddr>,
    check: impl Fn(SocketAddr) -> Result<(), AddressRefusal>,
) -> Result<Vec<SocketAddr>, UpstreamError> {
    let mut why = UpstreamError::Resolve(LookupError::NoRecord);
    let mut good = Vec::new();
    for address in addresses {
        match check(address) {
            Ok(()) => good.push(address),
            Err(refusal) => why = UpstreamError::AddressRefused(refusal),
        }
    }
    if good.is_empty() { Err(why) } else { Ok(good) }
}

#[cfg(test)]
mod tests {
    use policy::Overrides;

    use super::*;

    /// Random base32.
    const TUNNEL: &str = "qw7e5rtz3uiop2asdf6ghjk4lyxcvbnm.a.test";

    fn resolver(document: &Document) -> Resolver {
        Resolver::new(document, &Limits::from(&document.limits), Arc::default())
    }

    async fn resolved(document: &str, scheme: Scheme, authority: &str) -> Result<Vec<String>, &'static str> {
        let document = Document::parse(document).unwrap();
        let resolver = resolver(&document);
        let authority = Authority::parse(authority, scheme).unwrap();
        let addresses = resolver
            .resolve(Some(scheme), &authority, &Policy::compile(&document, &Overrides::default()))
            .await;
        addresses.map(|found| found.iter().map(ToString::to_string).collect()).map_err(|error| error.kind())
    }

    #[tokio::test]
    async fn raw_bytes_and_tunnels_that_are_open_already() {
        let stated = "raw: ['a.test:22']\nresolve: {a.test: 127.0.0.1}";
        for (document, authority, expected) in [
            (stated, "a.test:22", true),
            ("raw: ['a.test:22', '127.0.0.0/8:22']", "127.0.0.1:22", true),
            ("raw: ['a.test:22', '127.0.0.0/8:23']", "127.0.0.1:22", false),
            ("raw: ['a.test:22']", "localhost:22", false),
        ] {
            let document = Document::parse(document).unwrap();
            let (resolver, policy) = (resolver(&document), Policy::compile(&document, &Overrides::default()));
            let authority = Authority::parse(authority, Scheme::Https).unwrap();
            let found = resolver.resolve(None, &authority, &policy).await;
            assert_eq!(found.is_ok(), expected, "{authority}");
        }
        // A new policy that says nothing of the address would not lead there.
        let authority = Authority::parse("a.test:22", Scheme::Https).unwrap();
        let silent = Policy::compile(&Document::default(), &Overrides::default());
        let judged =
            resolver(&Document::default()).judge("127.0.0.1:22".parse().unwrap(), None, &authority, &silent);
        assert!(matches!(judged, Err(AddressRefusal::NotPublic { .. })));
    }

    #[tokio::test]
    async fn what_may_be_dialled() {
        let stated = "resolve: {a.test: 127.0.0.1, 'a.test:8443': ['127.0.0.2:9', '[::1]:9']}";
        let denied = "resolve: {a.test: [127.0.0.1, 127.0.0.2]}\ndeniedHosts: [127.0.0.1]";
        let all_denied = "resolve: {a.test: 127.0.0.1}\ndeniedHosts: [127.0.0.0/8]";
        for (document, authority, expected) in [
            (stated, "a.test", Ok(vec!["127.0.0.1:443"])),
            (stated, "a.test:8443", Ok(vec!["127.0.0.2:9", "[::1]:9"])),
            (denied, "a.test", Ok(vec!["127.0.0.2:443"])),
            (all_denied, "a.test", Err("address_refused")),
            ("", "127.0.0.1", Err("address_refused")),
            ("", "[::1]", Err("address_refused")),
            ("", "169.254.169.254", Err("address_refused")),
            ("", "localhost", Err("address_refused")),
            ("allowedHosts: [127.0.0.1]", "127.0.0.1", Ok(vec!["127.0.0.1:443"])),
            ("allowedHosts: [127.0.0.0/8]", "127.0.0.1:8443", Ok(vec!["127.0.0.1:8443"])),
            ("allowedHosts: ['127.0.0.1:80']", "127.0.0.1:8443", Err("address_refused")),
            ("allowedHosts: ['*']", TUNNEL, Err("dns_tunnel")),
        ] {
            let found = resolved(document, Scheme::Https, authority).await;
            let expected = expected.map(|list| list.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{authority} with {document}");
        }
    }
}
