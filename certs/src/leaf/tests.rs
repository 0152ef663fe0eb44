//! The fields of a leaf as x509-parser reads them back, and the verdict of webpki on it.

use std::collections::HashSet;

use proptest::prelude::*;
use x509_parser::prelude::*;

use crate::testing::{HOUR_SECS, NOW_SECS, accepts, ca, ca_der, dns, ip, name_of, now, roots_of};
use crate::validity::at;
use crate::{CertError, InstanceCa, Leaf, SubjectName};

fn parse(leaf: &Leaf) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(&leaf.key.cert[0]).unwrap();
    assert!(rest.is_empty());
    certificate
}

fn extension<'a>(certificate: &'a X509Certificate<'_>, oid: &str) -> &'a X509Extension<'a> {
    let found: Vec<_> = certificate.iter_extensions().filter(|e| e.oid.to_id_string() == oid).collect();
    assert_eq!(found.len(), 1, "{oid}");
    found[0]
}

fn key_identifier(certificate: &X509Certificate<'_>) -> Vec<u8> {
    match extension(certificate, "2.5.29.14").parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => id.0.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_field_is_as_strict_clients_want_it() {
    let ca = ca();
    let leaf = ca.issue(&dns("api.example.test"), now()).unwrap();
    assert_eq!(leaf.key.cert.len(), 1, "the chain is the leaf only");
    let certificate = parse(&leaf);
    assert_eq!(certificate.version(), X509Version::V3);
    assert_eq!(certificate.subject().to_string(), "CN=api.example.test");
    assert_eq!(certificate.issuer().to_string(), "O=proxy-everything, CN=proxy-everything test");
    // ecdsa-with-SHA256 over an id-ecPublicKey of prime256v1.
    assert_eq!(certificate.signature_algorithm.algorithm.to_id_string(), "1.2.840.10045.4.3.2");
    let spki = certificate.public_key();
    assert_eq!(spki.algorithm.algorithm.to_id_string(), "1.2.840.10045.2.1");
    let curve = spki.algorithm.parameters.as_ref().unwrap().as_oid().unwrap();
    assert_eq!(curve.to_id_string(), "1.2.840.10045.3.1.7");

    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.to_string(), "Digital Signature");
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(!constraints.value.ca && constraints.value.path_len_constraint.is_none());
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.any && !extended.client_auth && extended.other.is_empty());
    // SAN, KU, EKU, BC, SKI, AKI; no CRL or AIA pointers, which nobody would serve.
    assert_eq!(certificate.extensions().len(), 6);
}

#[test]
fn key_identifiers_link_the_leaf_to_its_ca() {
    let ca = ca();
    let leaf = ca.issue(&dns("a.test"), now()).unwrap();
    let leaf = parse(&leaf);
    let ca_der = ca_der(&ca);
    let (_, ca_certificate) = X509Certificate::from_der(&ca_der).unwrap();
    let ParsedExtension::AuthorityKeyIdentifier(authority) = extension(&leaf, "2.5.29.35").parsed_extension()
    else {
        panic!("not an AKI")
    };
    let authority = authority.key_identifier.as_ref().unwrap().0;
    assert_eq!(authority, key_identifier(&ca_certificate));
    assert_ne!(authority, key_identifier(&leaf));
    assert_eq!(authority.len(), 20);
}

#[test]
fn exactly_one_alternative_name_of_the_right_kind() {
    let ca = ca();
    let table = [
        (dns("a.test"), GeneralName::DNSName("a.test"), "CN=a.test"),
        (ip("192.0.2.7"), GeneralName::IPAddress(&[192, 0, 2, 7]), "CN=192.0.2.7"),
        (
            ip("2001:db8::7"),
            GeneralName::IPAddress(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
            "CN=2001:db8::7",
        ),
    ];
    for (name, expected, subject) in table {
        let leaf = ca.issue(&name, now()).unwrap();
        let certificate = parse(&leaf);
        let alternative = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(alternative.value.general_names, [expected]);
        assert!(!alternative.critical);
        assert_eq!(certificate.subject().to_string(), subject);
    }
}

#[test]
fn long_names_have_no_common_name_and_a_critical_alternative_name() {
    let ca = ca();
    for (len, long) in [(3, false), (63, false), (64, false), (65, true), (200, true), (253, true)] {
        let name = name_of(len);
        assert_eq!(name.len(), len);
        let leaf = ca.issue(&dns(&name), now()).unwrap();
        let certificate = parse(&leaf);
        assert_eq!(certificate.subject().iter().count() == 0, long, "{len}");
        let alternative = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(alternative.critical, long, "{len}");
        assert_eq!(alternative.value.general_names, [GeneralName::DNSName(&name)]);
        assert_eq!(accepts(&roots_of(&ca), &leaf.key.cert[0], &name, now()), Ok(()), "{len}");
    }
}

#[test]
fn life_is_from_a_day_ago_to_two_days_ahead_and_inside_the_ca() {
    let ca = ca();
    let day = 24 * HOUR_SECS;
    let (first, last) = (NOW_SECS - day, NOW_SECS + 30 * day);
    // Minted at, starts at, ends at, due for renewal at.
    let table = [
        (first, first, first + 2 * day, first + 36 * HOUR_SECS),
        (NOW_SECS, first, NOW_SECS + 2 * day, NOW_SECS + 36 * HOUR_SECS),
        (NOW_SECS + day, NOW_SECS, NOW_SECS + 3 * day, NOW_SECS + 60 * HOUR_SECS),
        (last - day, last - 2 * day, last, last - 6 * HOUR_SECS),
        (last - 1, last - day - 1, last, last),
    ];
    for (minted, not_before, not_after, renew_at) in table {
        let leaf = ca.issue(&dns("a.test"), at(minted)).unwrap();
        let validity = parse(&leaf).validity().clone();
        assert_eq!(validity.not_before.timestamp(), not_before as i64, "{minted}");
        assert_eq!(validity.not_after.timestamp(), not_after as i64, "{minted}");
        assert_eq!(leaf.renew_at, at(renew_at), "{minted}");
    }
}

#[test]
fn clocks_that_differ_from_ours_by_ten_minutes_accept_a_new_leaf() {
    let ca = ca();
    let leaf = ca.issue(&dns("a.test"), now()).unwrap();
    for moment in [NOW_SECS - 600, NOW_SECS, NOW_SECS + 600] {
        assert_eq!(accepts(&roots_of(&ca), &leaf.key.cert[0], "a.test", at(moment)), Ok(()));
    }
}

#[test]
fn serials_are_positive_and_never_repeat() {
    let ca = ca();
    let name = dns("a.test");
    let mut seen = HashSet::new();
    for _ in 0..10_000 {
        let leaf = ca.issue(&name, now()).unwrap();
        let serial = parse(&leaf).raw_serial().to_vec();
        assert!(serial.len() == 16 && (0x40..0x80).contains(&serial[0]), "{serial:x?}");
        assert!(seen.insert(serial));
    }
}

#[test]
fn all_leaves_share_one_key_that_is_not_the_ca_key() {
    let ca = ca();
    let (a, b) = (ca.issue(&dns("a.test"), now()).unwrap(), ca.issue(&dns("b.test"), now()).unwrap());
    let public = parse(&a).public_key().raw.to_vec();
    assert_eq!(public, parse(&b).public_key().raw);
    assert_eq!(a.key.keys_match().ok(), Some(()), "certificate and signer belong together");
    let ca_der = ca_der(&ca);
    assert_ne!(public, X509Certificate::from_der(&ca_der).unwrap().1.public_key().raw);
}

#[test]
fn wrong_names_are_refused_by_the_verifier() {
    let ca = ca();
    let table = [
        (dns("a.test"), "b.test"),
        (dns("a.test"), "x.a.test"),
        (dns("a.b.test"), "b.test"),
        (ip("192.0.2.7"), "192.0.2.8"),
        (ip("2001:db8::7"), "2001:db8::8"),
        (dns("a.test"), "192.0.2.7"),
        (ip("192.0.2.7"), "a.test"),
    ];
    for (name, asked) in table {
        let leaf = ca.issue(&name, now()).unwrap();
        let verdict = accepts(&roots_of(&ca), &leaf.key.cert[0], asked, now());
        assert!(matches!(verdict, Err(webpki::Error::CertNotValidForName(_))), "{name:?} {asked}");
    }
}

#[test]
fn wildcards_are_never_minted() {
    for name in ["*", "*.test", "a.*.test", "a*.test"] {
        assert!(matches!(ca().issue(&dns(name), now()), Err(CertError::Name { .. })), "{name}");
    }
}

#[test]
fn debug_prints_no_private_key() {
    let leaf = ca().issue(&dns("a.test"), now()).unwrap();
    let text = format!("{:?}", leaf.key.key);
    assert_eq!(text, "EcdsaSigningKey { algorithm: ECDSA }");
}

/// Minting an arbitrary text must end in an orderly refusal or a leaf for exactly that text.
fn check_any_text(ca: &InstanceCa, text: &str) {
    match ca.issue(&dns(text), now()) {
        Ok(leaf) => assert_eq!(accepts(&roots_of(ca), &leaf.key.cert[0], text, now()), Ok(())),
        Err(CertError::Name { .. }) => {}
        Err(other) => panic!("{text:?}: {other}"),
    }
}

proptest! {
    #[test]
    fn valid_names_are_accepted_for_exactly_that_name(
        name in "([a-z0-9_]([a-z0-9_-]{0,30}[a-z0-9_])?\\.){0,6}[a-z][a-z0-9]{0,20}",
        other in "[a-z]{1,10}\\.invalid",
    ) {
        let ca = ca();
        let leaf = ca.issue(&dns(&name), now()).unwrap();
        prop_assert_eq!(accepts(&roots_of(&ca), &leaf.key.cert[0], &name, now()), Ok(()));
        prop_assert!(accepts(&roots_of(&ca), &leaf.key.cert[0], &other, now()).is_err());
    }

    #[test]
    fn any_address_is_accepted_for_exactly_that_address(address: std::net::IpAddr) {
        let ca = ca();
        let leaf = ca.issue(&SubjectName::Ip(address), now()).unwrap();
        let asked = address.to_string();
        prop_assert_eq!(accepts(&roots_of(&ca), &leaf.key.cert[0], &asked, now()), Ok(()));
    }

    #[test]
    fn any_text_is_signed_as_it_is_or_refused(text in "[a-zA-Z0-9*._: -]{0,20}|\\PC{0,20}") {
        check_any_text(&ca(), &text);
    }
}
