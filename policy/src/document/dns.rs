//! How names are looked up: by which servers, and which types of record beside addresses.
//!
//! Only types that mean something to programs of our day are known by name, and none that is made for carrying arbitrary
//! data or whole zones (NULL, AXFR, ANY).

use std::net::SocketAddr;

use super::{read::target, source::DnsWords};
use crate::{
    Fault,
    fault::{clip, did_you_mean},
};

/// The port of DNS.
const PORT: u16 = 53;
/// Types that may be listed (IANA, Resource Record (RR) TYPEs); addresses, CNAME, PTR, HTTPS and SVCB are answered anyway.
const TYPES: [(&str, u16); 13] = [
    ("NS", 2),
    ("SOA", 6),
    ("MX", 15),
    ("TXT", 16),
    ("SRV", 33),
    ("NAPTR", 35),
    ("DS", 43),
    ("SSHFP", 44),
    ("DNSKEY", 48),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("OPENPGPKEY", 61),
    ("CAA", 257),
];

/// What stands under `dns`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// The resolvers to ask, in order; empty means those of the system.
    pub servers: Vec<SocketAddr>,
    /// Types of record that are looked up although they may carry anything.
    pub types: Vec<DnsType>,
}

/// A type of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsType(u16);

impl DnsType {
    /// Its number on the wire.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Its name in the registry.
    pub fn as_str(self) -> &'static str {
        TYPES.iter().find(|(_, code)| *code == self.0).map_or("", |(name, _)| name)
    }
}

impl Dns {
    /// Servers take the place of earlier ones, types go behind them.
    pub(super) fn read(words: DnsWords, earlier: Self) -> Result<Self, Fault> {
        let server = |word| target(word).map(|to| SocketAddr::new(to.address, to.port.unwrap_or(PORT)));
        let servers: Vec<_> = words.servers.iter().map(server).collect::<Result<_, _>>()?;
        let servers = if servers.is_empty() { earlier.servers } else { servers };
        let mut types = earlier.types;
        for word in words.types {
            let Some(&(_, code)) = TYPES.iter().find(|(name, _)| *name == word.value) else {
                let known = TYPES.iter().map(|&(name, _)| name);
                let list = || Some(format!("write one of {}", known.clone().collect::<Vec<_>>().join(", ")));
                let message = format!("`{}` is no type of record that can be let through", clip(&word.value));
                let cure = did_you_mean(&word.value, known.clone()).or_else(list);
                return Err(Fault::new(word.referenced.into(), message).suggesting(cure));
            };
            types.push(DnsType(code));
        }
        Ok(Self { servers, types })
    }
}
