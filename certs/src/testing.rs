//! What the unit tests of several files share: a fixed moment, a CA made at it, and the judgement of
//! webpki (rustls' own verifier, code that shares nothing with the one that writes our certificates).

use std::num::NonZeroUsize;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::validity::at;
use crate::{InstanceCa, SubjectName};

/// 2027-01-15 08:00:00 UTC.
pub(crate) const NOW_SECS: u64 = 1_800_000_000;
pub(crate) const HOUR_SECS: u64 = 3600;

pub(crate) fn now() -> UnixTime {
    at(NOW_SECS)
}

pub(crate) fn ca() -> InstanceCa {
    InstanceCa::new("test", now()).unwrap()
}

pub(crate) fn dns(name: &str) -> SubjectName {
    SubjectName::Dns(name.to_owned())
}

pub(crate) fn ip(address: &str) -> SubjectName {
    SubjectName::Ip(address.parse().unwrap())
}

pub(crate) fn capacity(leaves: usize) -> NonZeroUsize {
    NonZeroUsize::new(leaves).unwrap()
}

/// A DNS name of exactly `len` characters, in labels of at most 50.
pub(crate) fn name_of(len: usize) -> String {
    (0..len).map(|i| if i % 50 == 49 && i + 1 < len { '.' } else { 'a' }).collect()
}

pub(crate) fn ca_der(ca: &InstanceCa) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()
}

pub(crate) fn roots_of(ca: &InstanceCa) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(ca_der(ca)).unwrap();
    roots
}

/// Whether a TLS client that trusts `roots` accepts this leaf for this server at that moment.
pub(crate) fn accepts(
    roots: &RootCertStore,
    leaf: &CertificateDer<'_>,
    server: &str,
    moment: UnixTime,
) -> Result<(), webpki::Error> {
    let leaf = EndEntityCert::try_from(leaf)?;
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    leaf.verify_for_usage(algorithms, &roots.roots, &[], moment, KeyUsage::server_auth(), None, None)?;
    leaf.verify_is_valid_for_subject_name(&ServerName::try_from(server).unwrap())
}
