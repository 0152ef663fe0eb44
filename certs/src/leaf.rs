//! What is in a leaf.
//!
//! Receives the CA, one name and the time, hands on a certificate with its key, ready for rustls. The
//! fields are the ones that OpenSSL, GnuTLS, strict Python, Node, Go and Java all accept; each of them
//! refuses some certificate that the others take, so none of these lines is decoration.

use std::sync::Arc;

use aws_lc_rs::rand;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
    SerialNumber,
};
use rustls::pki_types::UnixTime;
use rustls::sign::CertifiedKey;

use crate::ca::COMMON_NAME_MAX_CHARS;
use crate::validity::{LEAF_LIFE_SECS, Validity, to_date};
use crate::{CertError, InstanceCa, SubjectName};

/// A certificate for one name, with the key it is used with.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// What rustls presents. The chain is the leaf alone: the workload has the CA already.
    pub key: Arc<CertifiedKey>,
    not_before: UnixTime,
    renew_at: UnixTime,
}

impl Leaf {
    /// Whether this leaf can be presented now: `ca` minted it, it is already valid (the clock may have
    /// jumped back), and it is not due for renewal.
    pub(crate) fn serves(&self, ca: &InstanceCa, now: UnixTime) -> bool {
        Arc::ptr_eq(&self.key.key, &ca.tls_signer) && self.not_before <= now && now < self.renew_at
    }
}

pub(crate) fn mint(ca: &InstanceCa, name: &SubjectName, now: UnixTime) -> Result<Leaf, CertError> {
    name.check()?;
    if !ca.validity.contains(now) {
        return Err(CertError::OutsideCaValidity);
    }
    let validity = Validity::starting(now, LEAF_LIFE_SECS).within(ca.validity);
    let certificate = leaf_params(name, validity)?.signed_by(&ca.leaf_key, &ca.issuer)?;
    let key = CertifiedKey::new(vec![certificate.into()], ca.tls_signer.clone());
    Ok(Leaf { key: Arc::new(key), not_before: validity.not_before, renew_at: validity.renew_at(now) })
}

fn leaf_params(name: &SubjectName, validity: Validity) -> Result<CertificateParams, CertError> {
    let mut params = CertificateParams::default();
    params.serial_number = Some(random_serial()?);
    params.not_before = to_date(validity.not_before)?;
    params.not_after = to_date(validity.not_after)?;
    params.distinguished_name = subject(name);
    params.subject_alt_names = vec![match name {
        SubjectName::Dns(dns) => SanType::DnsName(dns.as_str().try_into()?),
        SubjectName::Ip(ip) => SanType::IpAddress(*ip),
    }];
    // Writes CA:FALSE and, with it, the subject key identifier.
    params.is_ca = IsCa::ExplicitNoCa;
    // An ECDSA key only signs; GnuTLS and Java refuse it for any other usage.
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Off by default in rcgen, required by Python 3.13 and later.
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A name that is too long for a common name leaves the subject empty; rcgen then marks the alternative
/// name critical, as RFC 5280 section 4.2.1.6 and Java want.
fn subject(name: &SubjectName) -> DistinguishedName {
    let common_name = match name {
        SubjectName::Dns(dns) => dns.clone(),
        SubjectName::Ip(ip) => ip.to_string(),
    };
    let mut subject = DistinguishedName::new();
    if common_name.len() <= COMMON_NAME_MAX_CHARS {
        subject.push(DnType::CommonName, common_name);
    }
    subject
}

/// 126 random bits below a leading `01`: positive, never zero, always 16 bytes long, and never repeated
/// (NSS refuses two certificates of one issuer with the same serial).
pub(crate) fn random_serial() -> Result<SerialNumber, CertError> {
    let mut bytes = [0u8; 16];
    rand::fill(&mut bytes).map_err(|_| CertError::Crypto("make a random number"))?;
    let [first, ..] = &mut bytes;
    *first = *first & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests;
