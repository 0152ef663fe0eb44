//! The CA of one instance.
//!
//! Receives the instance's name and the time, hands on a certificate for the workload's trust store, and
//! signs leaves (`leaf.rs` says what is in them). Its key never leaves memory and dies with the instance:
//! stolen trust in one workload is worth nothing in another.

use std::fmt;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose};
use rustls::pki_types::UnixTime;
use rustls::sign::SigningKey;

use crate::key::P256Key;
use crate::leaf::{self, Leaf};
use crate::validity::{CA_LIFE_SECS, Validity, to_date};
use crate::{CertError, SubjectName};

/// RFC 5280 appendix A.1, ub-common-name, in characters. Stricter clients refuse longer ones.
pub(crate) const COMMON_NAME_MAX_CHARS: usize = 64;

/// Signs leaves for one instance. Holds two keys in memory: its own, and the one all its leaves share
/// (so that a new name costs one signature and no key generation).
pub struct InstanceCa {
    pub(crate) issuer: Issuer<'static, P256Key>,
    pub(crate) leaf_key: P256Key,
    pub(crate) tls_signer: Arc<dyn SigningKey>,
    pub(crate) validity: Validity,
    pem: String,
}

impl InstanceCa {
    /// Makes a CA with fresh keys for the instance of that name.
    pub fn new(instance: &str, now: UnixTime) -> Result<Self, CertError> {
        let key = P256Key::generate()?;
        let leaf_key = P256Key::generate()?;
        let validity = Validity::starting(now, CA_LIFE_SECS);
        let params = ca_params(instance, validity)?;
        let pem = params.self_signed(&key)?.pem();
        let tls_signer = leaf_key.tls_signer()?;
        Ok(Self { issuer: Issuer::new(params, key), leaf_key, tls_signer, validity, pem })
    }

    /// The CA's certificate, and nothing else, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Mints a leaf for exactly this name.
    pub fn issue(&self, name: &SubjectName, now: UnixTime) -> Result<Leaf, CertError> {
        leaf::mint(self, name, now)
    }
}

impl fmt::Debug for InstanceCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceCa").field("validity", &self.validity).finish_non_exhaustive()
    }
}

fn ca_params(instance: &str, validity: Validity) -> Result<CertificateParams, CertError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(instance)?;
    params.serial_number = Some(leaf::random_serial()?);
    params.not_before = to_date(validity.not_before)?;
    params.not_after = to_date(validity.not_after)?;
    // Path length 0: a leaf can never become an intermediate.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn subject(instance: &str) -> Result<DistinguishedName, CertError> {
    let refuse = |reason| Err(CertError::Instance { name: instance.to_owned(), reason });
    if instance.is_empty() {
        return refuse("it is empty");
    }
    if instance.chars().any(char::is_control) {
        return refuse("it holds a control character");
    }
    let common_name: String =
        format!("proxy-everything {instance}").chars().take(COMMON_NAME_MAX_CHARS).collect();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "proxy-everything");
    subject.push(DnType::CommonName, common_name);
    Ok(subject)
}

#[cfg(test)]
mod tests;
