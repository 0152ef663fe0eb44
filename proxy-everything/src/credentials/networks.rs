//! Where secrets may be sent without TLS. Receives the networks of each secret that a request carries, and says of an address whether all
//! of them may go there.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

/// Networks into which a connection without TLS may lead. A clone is cheap.
#[derive(Clone, Debug)]
pub struct Networks(Arc<[Vec<IpNet>]>);

impl Networks {
    /// A list for each secret.
    pub fn new<'a>(of_secrets: impl Iterator<Item = &'a [IpNet]>) -> Self {
        Self(of_secrets.map(<[IpNet]>::to_vec).collect())
    }

    /// Whether an address is in one network of each list.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().all(|networks| networks.iter().any(|network| network.contains(&address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_must_be_allowed_there() {
        let list = |text: &str| -> Vec<IpNet> {
            text.split_whitespace().map(|network| network.parse().unwrap()).collect()
        };
        for (lists, address, expected) in [
            (&["10.0.0.0/8"][..], "10.1.2.3", true),
            (&["10.0.0.0/8"], "::ffff:10.1.2.3", true),
            (&["10.0.0.0/8"], "11.0.0.1", false),
            (&["10.0.0.0/8 fd00::/8"], "fd00::1", true),
            (&["10.0.0.0/8", "10.1.0.0/16"], "10.1.0.1", true),
            (&["10.0.0.0/8", "10.1.0.0/16"], "10.2.0.1", false),
            (&["10.0.0.0/8", ""], "10.2.0.1", false),
        ] {
            let lists: Vec<_> = lists.iter().map(|text| list(text)).collect();
            let networks = Networks::new(lists.iter().map(Vec::as_slice));
            assert_eq!(networks.contain(address.parse().unwrap()), expected, "{lists:?} {address}");
        }
    }
}
