//! Whom a leaf is for.
//!
//! Receives the name that the workload's TLS client asked for, already canonical, and checks once more
//! that a certificate may carry it: this is the last door before a signature, so it trusts nobody.

use std::net::IpAddr;

use rustls::pki_types::DnsName;

use crate::CertError;

/// The one subject of a leaf.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubjectName {
    /// A DNS name, already canonical: lower case, ASCII (punycode), no trailing dot, no wildcard.
    Dns(String),
    /// An address, for URLs whose host is an IP literal. It becomes an iPAddress name: no client accepts
    /// an address that is written as a DNS name.
    Ip(IpAddr),
}

impl SubjectName {
    /// Refuses what must never be signed.
    pub(crate) fn check(&self) -> Result<(), CertError> {
        let Self::Dns(name) = self else { return Ok(()) };
        let reason = if name.contains('*') {
            "wildcards are never minted"
        } else if name.bytes().any(|b| b.is_ascii_uppercase()) {
            "it is not in lower case"
        } else if name.ends_with('.') {
            "it ends with a dot"
        } else if DnsName::try_from(name.as_str()).is_err() {
            "it is not a DNS name"
        } else {
            return Ok(());
        };
        Err(CertError::Name { reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(name: &str) -> Option<&'static str> {
        match SubjectName::Dns(name.into()).check() {
            Ok(()) => None,
            Err(CertError::Name { reason }) => Some(reason),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn names_that_may_be_signed() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", &label[..61]);
        assert_eq!(longest.len(), 253);
        for name in
            ["localhost", "api.example.com", "xn--bcher-kva.example", "_dmarc.a_b.test", "1.2.3.4x", "9.a"]
        {
            assert_eq!(reason(name), None, "{name}");
        }
        assert_eq!(reason(&longest), None);
    }

    #[test]
    fn names_that_may_not() {
        let wildcard = Some("wildcards are never minted");
        let not_dns = Some("it is not a DNS name");
        let long_label = format!("{}.com", "a".repeat(64));
        let long_name = "a.".repeat(126) + "com";
        let table = [
            ("*", wildcard),
            ("*.example.com", wildcard),
            ("a.*.com", wildcard),
            ("w*.com", wildcard),
            ("Example.com", Some("it is not in lower case")),
            ("example.com.", Some("it ends with a dot")),
            (".", Some("it ends with a dot")),
            ("", not_dns),
            ("a..b", not_dns),
            (".a", not_dns),
            ("-a.com", not_dns),
            ("a-.com", not_dns),
            ("a b.com", not_dns),
            ("a\0.com", not_dns),
            ("a.com:443", not_dns),
            ("bücher.example", not_dns),
            ("1.2.3.4", not_dns),
            ("::1", not_dns),
            ("[::1]", not_dns),
            (&long_label, not_dns),
            (&long_name, not_dns),
        ];
        for (name, expected) in table {
            assert_eq!(reason(name), expected, "{name:?}");
        }
    }

    #[test]
    fn every_address_may_be_signed() {
        for ip in ["127.0.0.1", "::1", "::ffff:1.2.3.4"] {
            assert!(SubjectName::Ip(ip.parse().unwrap()).check().is_ok());
        }
    }
}
