//! The CA of one instance.
//!
//! Receives the instance's name and the time, hands on a certificate for the workload's trust store, and
//! signs leaves (`leaf.rs` says what is in them). Its key never leaves memory and dies with the instance:
//! stolen trust in one workload is worth nothing in another. A [`KeptCa`] is the same CA for a process that follows
//! this one, because a workload's trust store cannot follow.

use std::fmt;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose};
use rustls::pki_types::UnixTime;
use rustls::sign::SigningKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::key::P256Key;
use crate::leaf::{self, Leaf};
use crate::validity::{CA_LIFE_SECS, Validity, at, to_date};
use crate::{CertError, SubjectName};

/// RFC 5280 appendix A.1, ub-common-name, in characters. Stricter clients refuse longer ones.
pub(crate) const COMMON_NAME_MAX_CHARS: usize = 64;

/// Signs leaves for one instance. Holds two keys in memory: its own, and the one all its leaves share
/// (so that a new name costs one signature and no key generation).
pub struct InstanceCa {
    instance: String,
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
        let instance = instance.to_owned();
        Ok(Self { instance, issuer: Issuer::new(params, key), leaf_key, tls_signer, validity, pem })
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

/// Everything that makes an [`InstanceCa`], its keys included; wiped when it is dropped. Never to be written to a disk.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct KeptCa {
    instance: String,
    not_before_secs: u64,
    not_after_secs: u64,
    key: Vec<u8>,
    leaf_key: Vec<u8>,
    pem: String,
}

impl InstanceCa {
    /// For [`InstanceCa::restore`].
    pub fn keep(&self) -> Result<KeptCa, CertError> {
        Ok(KeptCa {
            instance: self.instance.clone(),
            not_before_secs: self.validity.not_before.as_secs(),
            not_after_secs: self.validity.not_after.as_secs(),
            key: self.issuer.key().to_pkcs8()?,
            leaf_key: self.leaf_key.to_pkcs8()?,
            pem: self.pem.clone(),
        })
    }

    /// The CA that was kept: same certificate, same keys.
    pub fn restore(kept: &KeptCa) -> Result<Self, CertError> {
        let validity = Validity { not_before: at(kept.not_before_secs), not_after: at(kept.not_after_secs) };
        let leaf_key = P256Key::from_pkcs8(&kept.leaf_key)?;
        Ok(Self {
            instance: kept.instance.clone(),
            issuer: Issuer::new(ca_params(&kept.instance, validity)?, P256Key::from_pkcs8(&kept.key)?),
            tls_signer: leaf_key.tls_signer()?,
            leaf_key,
            validity,
            pem: kept.pem.clone(),
        })
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
