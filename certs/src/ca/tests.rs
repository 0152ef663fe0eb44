//! The fields of the CA certificate, one by one, as x509-parser reads them back.

use x509_parser::prelude::*;

use crate::testing::{HOUR_SECS, NOW_SECS, accepts, ca, ca_der, dns, now, roots_of};
use crate::validity::at;
use crate::{CertError, InstanceCa};

fn common_name(ca: &InstanceCa) -> String {
    let der = ca_der(ca);
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let name = certificate.subject().iter_common_name().next().unwrap();
    name.as_str().unwrap().to_owned()
}

#[test]
fn every_field_is_as_strict_clients_want_it() {
    let ca = ca();
    let der = ca_der(&ca);
    let (rest, certificate) = X509Certificate::from_der(&der).unwrap();
    assert!(rest.is_empty());
    assert_eq!(certificate.version(), X509Version::V3);
    assert_eq!(certificate.subject().to_string(), "O=proxy-everything, CN=proxy-everything test");
    assert_eq!(certificate.subject(), certificate.issuer());
    assert_eq!(certificate.signature_algorithm.algorithm.to_id_string(), "1.2.840.10045.4.3.2");

    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.to_string(), "Key Cert Sign, CRL Sign");
    let names: Vec<_> = certificate.iter_extensions().map(|e| e.oid.to_id_string()).collect();
    // Subject key identifier, basic constraints, key usage; nothing else.
    for oid in ["2.5.29.14", "2.5.29.19", "2.5.29.15"] {
        assert_eq!(names.iter().filter(|name| *name == oid).count(), 1, "{oid}");
    }
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn life_is_from_a_day_ago_to_thirty_days_ahead() {
    let ca = ca();
    let der = ca_der(&ca);
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let validity = certificate.validity();
    let now = NOW_SECS as i64;
    assert_eq!(validity.not_before.timestamp(), now - 24 * 3600);
    assert_eq!(validity.not_after.timestamp(), now + 30 * 24 * 3600);
}

#[test]
fn the_pem_is_one_certificate_and_no_key() {
    let ca = ca();
    assert_eq!(ca.pem().matches("-----BEGIN").count(), 1);
    assert!(ca.pem().starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(ca.pem().ends_with("-----END CERTIFICATE-----\n"));
}

#[test]
fn debug_prints_no_key() {
    let text = format!("{:?}", ca());
    assert!(text.starts_with("InstanceCa { validity:") && text.ends_with(", .. }"), "{text}");
}

#[test]
fn instance_names() {
    let long = "x".repeat(200);
    let wide = "ü".repeat(200);
    let table = [
        ("a", "proxy-everything a".to_owned()),
        ("pod/7f3 (blue)", "proxy-everything pod/7f3 (blue)".to_owned()),
        (&long, format!("proxy-everything {}", "x".repeat(47))),
        (&wide, format!("proxy-everything {}", "ü".repeat(47))),
    ];
    for (instance, expected) in table {
        assert_eq!(common_name(&InstanceCa::new(instance, now()).unwrap()), expected);
    }
    for instance in ["", "a\nb", "a\0"] {
        let refused = InstanceCa::new(instance, now());
        assert!(matches!(refused, Err(CertError::Instance { .. })), "{instance:?}");
    }
}

#[test]
fn one_instance_does_not_trust_another() {
    let (ours, theirs) = (ca(), ca());
    let leaf = theirs.issue(&dns("a.test"), now()).unwrap();
    let leaf = &leaf.key.cert[0];
    assert_eq!(accepts(&roots_of(&theirs), leaf, "a.test", now()), Ok(()));
    assert!(accepts(&roots_of(&ours), leaf, "a.test", now()).is_err());
    assert_ne!(ours.pem(), theirs.pem());
}

#[test]
fn no_leaf_is_minted_when_the_ca_is_not_valid() {
    let ca = ca();
    let day = 24 * HOUR_SECS;
    let table = [
        (NOW_SECS - day - 1, false),
        (NOW_SECS - day, true),
        (NOW_SECS + 30 * day, true),
        (NOW_SECS + 30 * day + 1, false),
        (0, false),
        (u64::MAX, false),
    ];
    for (secs, minted) in table {
        match ca.issue(&dns("a.test"), at(secs)) {
            Ok(_) => assert!(minted, "{secs}"),
            Err(CertError::OutsideCaValidity) => assert!(!minted, "{secs}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn impossible_clocks_are_errors_and_early_ones_are_not() {
    assert!(InstanceCa::new("a", at(0)).is_ok());
    for secs in [u64::MAX, i64::MAX as u64, 300_000_000_000] {
        assert!(matches!(InstanceCa::new("a", at(secs)), Err(CertError::Clock)), "{secs}");
    }
}

#[test]
fn a_kept_ca_is_the_same_ca() {
    let first = ca();
    let text = serde_json::to_string(&first.keep().unwrap()).unwrap();
    let second = InstanceCa::restore(&serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(first.pem(), second.pem());
    let leaf = second.issue(&dns("a.test"), now()).unwrap();
    assert_eq!(accepts(&roots_of(&first), &leaf.key.cert[0], "a.test", now()), Ok(()));
    let end = NOW_SECS + 30 * 24 * HOUR_SECS;
    assert!(second.issue(&dns("a.test"), at(end + 1)).is_err(), "it lives no longer than the first");
}
