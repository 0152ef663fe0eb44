//! Who is trusted, on either side.
//!
//! Receives PEM text and hands on two things: the roots that the proxy verifies upstreams with, and the
//! bundle that the workload verifies the proxy with. The instance CA is in the second and never in the
//! first: whoever held it could otherwise pose as any upstream.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_native_certs::CertificateResult;

use crate::CertError;

/// Whether upstreams may be verified against the machine's own trust store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemRoots {
    /// Trust what the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured).
    Use,
    /// Trust the extra roots only.
    Ignore,
}

/// The roots that upstreams are verified against: the system's, if asked for, and those in each text of
/// `extra_pem`. A text without a usable certificate is an error: the operator meant something by it.
pub fn upstream_roots(system: SystemRoots, extra_pem: &[&str]) -> Result<RootCertStore, CertError> {
    let mut roots = RootCertStore::empty();
    if system == SystemRoots::Use {
        add_system(&mut roots, rustls_native_certs::load_native_certs())?;
    }
    for (index, pem) in extra_pem.iter().enumerate() {
        add_extra(&mut roots, pem).map_err(|reason| CertError::ExtraRoot { index, reason })?;
    }
    Ok(roots)
}

/// The workload's trust bundle: the system's, followed by the instance CA if it is not in there already.
pub fn trust_bundle(system_pem: &str, ca_pem: &str) -> String {
    if without_spaces(system_pem).contains(&without_spaces(ca_pem)) {
        return system_pem.to_owned();
    }
    let separator = if system_pem.is_empty() || system_pem.ends_with('\n') { "" } else { "\n" };
    format!("{system_pem}{separator}{}\n", ca_pem.trim())
}

/// A single odd certificate in a system store is common and only takes trust away, so it is passed over.
fn add_system(roots: &mut RootCertStore, found: CertificateResult) -> Result<(), CertError> {
    let (added, unusable) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(());
    }
    let reason = match found.errors.first() {
        Some(error) => error.to_string(),
        None if unusable > 0 => format!("nothing usable among {unusable} found"),
        None => "nothing found".to_owned(),
    };
    Err(CertError::SystemRoots { reason })
}

fn add_extra(roots: &mut RootCertStore, pem: &str) -> Result<(), String> {
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("it is not PEM: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("certificate {found} (counted from 0) cannot be a root: {error}"))?;
        found += 1;
    }
    if found == 0 { Err("it holds no certificate".to_owned()) } else { Ok(()) }
}

/// PEM text that differs only in line breaks is the same certificate.
fn without_spaces(pem: &str) -> String {
    pem.split_ascii_whitespace().collect()
}

#[cfg(test)]
mod tests;
