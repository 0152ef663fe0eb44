//! From an authority to the addresses that may be dialled. The proxy resolves by itself, whatever address the workload
//! chose, and judges every answer: a name that anybody can point anywhere must not lead to private networks, to
//! metadata services or to this machine. What the operator writes down (`resolve`, an address in the policy) may.

use std::{net::SocketAddr, sync::Arc};

use policy::{AddressRefusal, Authority, Policy, ResolveEntry, Scheme};

use crate::error::UpstreamError;

/// `resolve` entries of the document, then the system's resolver.
#[derive(Clone)]
pub struct Resolver(Arc<[ResolveEntry]>);

impl Resolver {
    /// With the entries of one generation.
    pub fn new(entries: &[ResolveEntry]) -> Self {
        Self(entries.into())
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
        let found: Vec<SocketAddr> = match (authority.host.address(), authority.host.name()) {
            (Some(ip), _) => vec![SocketAddr::new(ip, authority.port)],
            (None, Some(name)) => tokio::net::lookup_host((name, authority.port))
                .await
                .map_err(|_| UpstreamError::Resolve)?
                .collect(),
            (None, None) => Vec::new(),
        };
        permitted(found.into_iter(), judge)
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
        let for_host = || self.0.iter().filter(|entry| entry.host == authority.host);
        let exact = for_host().find(|entry| entry.port == Some(authority.port));
        exact.or_else(|| for_host().find(|entry| entry.port.is_none()))
    }
}

/// Keeps what may be dialled; says why if that is nothing.
fn permitted(
    addresses: impl Iterator<Item = SocketAddr>,
    check: impl Fn(SocketAddr) -> Result<(), AddressRefusal>,
) -> Result<Vec<SocketAddr>, UpstreamError> {
    let mut why = UpstreamError::Resolve;
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
    use policy::Document;

    use super::*;

    async fn resolved(document: &str, scheme: Scheme, authority: &str) -> Result<Vec<String>, &'static str> {
        let document = Document::parse(document).unwrap();
        let resolver = Resolver::new(&document.resolve);
        let authority = Authority::parse(authority, scheme).unwrap();
        let addresses = resolver.resolve(Some(scheme), &authority, &Policy::compile(&document)).await;
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
            let (resolver, policy) = (Resolver::new(&document.resolve), Policy::compile(&document));
            let authority = Authority::parse(authority, Scheme::Https).unwrap();
            let found = resolver.resolve(None, &authority, &policy).await;
            assert_eq!(found.is_ok(), expected, "{authority}");
        }
        // A new policy that says nothing of the address would not lead there.
        let authority = Authority::parse("a.test:22", Scheme::Https).unwrap();
        let silent = Policy::compile(&Document::default());
        let judged = Resolver::new(&[]).judge("127.0.0.1:22".parse().unwrap(), None, &authority, &silent);
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
        ] {
            let found = resolved(document, Scheme::Https, authority).await;
            let expected = expected.map(|list| list.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{authority} with {document}");
        }
    }
}
