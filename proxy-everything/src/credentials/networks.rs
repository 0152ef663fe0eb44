//! Where secrets may be sent without TLS. Receives what the policy says of each secret that a request carries, and says of an address
//! whether all of them may go there.

use std::{net::IpAddr, sync::Arc};

use policy::SecretUse;

/// Networks into which a connection without TLS may lead. A clone is cheap.
#[derive(Clone)]
pub struct Networks(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl Networks {
    /// Those that all secrets may go into; none if the request has TLS, or no secrets.
    pub fn of(uses: &[SecretUse<'_>]) -> Option<Self> {
        let networks = |one: &SecretUse<'_>| match one {
            SecretUse::Plaintext(networks) => Some(networks.to_vec()),
            SecretUse::OverTls | SecretUse::NotBound | SecretUse::NotWithoutTls => None,
        };
        let lists: Vec<_> = uses.iter().filter_map(networks).collect();
        let contain = move |address: IpAddr| {
            lists.iter().all(|networks| networks.iter().any(|network| network.contains(&address)))
        };
        uses.iter().any(|one| networks(one).is_some()).then(|| Self(Arc::new(contain)))
    }

    /// Whether they have this address.
    pub fn contain(&self, address: IpAddr) -> bool {
        (self.0)(address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use policy::{Authority, Document, InstanceFacts, Overrides, Policy, RequestFacts, Scheme};

    use super::*;

    #[test]
    fn every_secret_must_be_allowed_there() {
        for (lists, address, expected) in [
            (&["10.0.0.0/8"][..], "10.1.2.3", Some(true)),
            (&["10.0.0.0/8"], "::ffff:10.1.2.3", Some(true)),
            (&["10.0.0.0/8"], "11.0.0.1", Some(false)),
            (&["10.0.0.0/8, 'fd00::/8'"], "fd00::1", Some(true)),
            (&["10.0.0.0/8", "10.1.0.0/16"], "10.1.0.1", Some(true)),
            (&["10.0.0.0/8", "10.1.0.0/16"], "10.2.0.1", Some(false)),
            (&[], "10.2.0.1", None),
        ] {
            let secret = |(number, list): (usize, &&str)| {
                format!("  S{number}: {{ env: S, hosts: [a.test], allowPlaintext: [{list}] }}\n")
            };
            let secrets: String = lists.iter().enumerate().map(secret).collect();
            let document = Document::parse(&format!("secrets:\n  TLS: {{ env: S }}\n{secrets}")).unwrap();
            let policy = Policy::compile(&document, &Overrides::default());
            let Authority { host, port } = Authority::parse("a.test", Scheme::Http).unwrap();
            let facts = RequestFacts { scheme: Scheme::Http, host: &host, port, method: "GET", path: "/" };
            let who = InstanceFacts { id: "i", class: "c" };
            let uses: Vec<_> = (0..lists.len())
                .map(|number| policy.secret_use(&format!("S{number}"), &facts, &who))
                .collect();
            let networks = Networks::of(&uses);
            let contains = networks.map(|networks| networks.contain(address.parse().unwrap()));
            assert_eq!(contains, expected, "{lists:?} {address}");
        }
    }
}
