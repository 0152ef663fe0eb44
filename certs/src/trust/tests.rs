//! The tables behind `upstream_roots` and `trust_bundle`: upstream roots and the workload's bundle, with CAs of our own
//! standing in for public ones.

use proptest::prelude::*;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_native_certs::{CertificateResult, load_certs_from_paths};

use super::{SystemRoots, add_system, trust_bundle, upstream_roots};
use crate::CertError;
use crate::testing::{accepts, ca, ca_der, dns, now};

fn count(bundle: &str) -> usize {
    CertificateDer::pem_slice_iter(bundle.as_bytes()).map(Result::unwrap).count()
}

#[test]
fn extra_roots_verify_their_own_leaves_and_no_others() {
    let (first, second, instance) = (ca(), ca(), ca());
    let both = format!("# two\n{}{}", first.pem(), second.pem());
    let roots = upstream_roots(SystemRoots::Ignore, &[&both]).unwrap();
    assert_eq!(roots.len(), 2);
    for (signer, trusted) in [(&first, true), (&second, true), (&instance, false)] {
        let leaf = signer.issue(&dns("up.test"), now()).unwrap();
        assert_eq!(accepts(&roots, &leaf.key.cert[0], "up.test", now()).is_ok(), trusted);
    }
}

#[test]
fn without_system_and_extra_nobody_is_trusted() {
    assert!(upstream_roots(SystemRoots::Ignore, &[]).unwrap().is_empty());
}

#[test]
fn system_roots_come_beside_extra_ones() {
    let extra = ca();
    let system = upstream_roots(SystemRoots::Use, &[]).unwrap();
    let both = upstream_roots(SystemRoots::Use, &[extra.pem()]).unwrap();
    assert!(!system.is_empty());
    assert_eq!(both.len(), system.len() + 1);
}

#[test]
fn a_system_store_must_hold_something_usable() {
    let good = ca_der(&ca());
    let odd = CertificateDer::from(vec![0x30, 0]);
    let missing = load_certs_from_paths(Some("/nowhere/ca.pem".as_ref()), None);
    let found = |certs: &[&CertificateDer<'static>]| {
        let mut found = CertificateResult::default();
        found.certs = certs.iter().copied().cloned().collect();
        found
    };
    let table = [
        (found(&[&odd, &good]), None),
        (found(&[]), Some("nothing found")),
        (found(&[&odd]), Some("nothing usable among 1 found")),
        (missing, Some("/nowhere/ca.pem")),
    ];
    for (found, expected) in table {
        match (add_system(&mut RootCertStore::empty(), found), expected) {
            (Ok(()), None) => {}
            (Err(CertError::SystemRoots { reason }), Some(part)) => {
                assert!(reason.contains(part), "{reason}")
            }
            (other, _) => panic!("{other:?}, but expected {expected:?}"),
        }
    }
}

#[test]
fn a_bad_extra_root_is_named_by_its_place() {
    let good = ca();
    let key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let unfinished = "-----BEGIN CERTIFICATE-----\nMAA=\n";
    let second_bad = format!("{}{not_a_certificate}", good.pem());
    let table = [
        ("", "it holds no certificate"),
        ("/etc/ssl/certs/ca.pem", "it holds no certificate"),
        (key, "it holds no certificate"),
        (unfinished, "it is not PEM"),
        (not_a_certificate, "certificate 0 (counted from 0) cannot be a root"),
        (&second_bad, "certificate 1 (counted from 0) cannot be a root"),
    ];
    for (bad, expected) in table {
        let Err(CertError::ExtraRoot { index, reason }) =
            upstream_roots(SystemRoots::Ignore, &[good.pem(), bad])
        else {
            panic!("{bad:?} was taken")
        };
        assert_eq!(index, 1);
        assert!(reason.starts_with(expected), "{bad:?}: {reason}");
    }
}

#[test]
fn the_bundle_is_the_system_followed_by_the_ca() {
    let (system, instance) = (ca(), ca());
    for ending in ["", "\n", "\n\n", "\r\n"] {
        let text = format!("{}{ending}", system.pem().trim_end());
        let bundle = trust_bundle(&text, instance.pem());
        assert!(bundle.starts_with(&text));
        assert!(bundle.ends_with(instance.pem()));
        assert_eq!(count(&bundle), 2, "{ending:?}");
    }
    assert_eq!(trust_bundle("", instance.pem()), instance.pem());
}

#[test]
fn a_ca_that_is_in_the_bundle_is_not_added_again() {
    let (system, instance) = (ca(), ca());
    let bundle = trust_bundle(system.pem(), instance.pem());
    for same in [bundle.clone(), bundle.replace('\n', "\r\n"), format!("{}{}", instance.pem(), system.pem())]
    {
        assert_eq!(trust_bundle(&same, instance.pem()), same);
    }
}

proptest! {
    #[test]
    fn bundling_twice_is_bundling_once(system in "(?s).{0,80}") {
        let instance = ca();
        let once = trust_bundle(&system, instance.pem());
        prop_assert!(once.contains(instance.pem()));
        prop_assert_eq!(trust_bundle(&once, instance.pem()), once);
    }
}
