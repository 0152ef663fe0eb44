//! The files of `upstreamTls` and `upstreamRoots`: roots, identities and revocation lists. Receives the document's paths, hands on how
//! TLS is spoken with each host, or the file that is wrong, and why. A private key is a credential: it is read from a file that the
//! workload does not see, and no copy of it stays here.

use std::{
    fmt::Display,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use certs::{CertError, SystemRoots, upstream_roots};
use policy::{ClientCertificate, Unlisted, UpstreamTlsIndex};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
        pem::{Error as PemError, PemObject},
    },
    sign::CertifiedKey,
};
use zeroize::Zeroize;

use super::{ConfigError, Document};
use crate::{
    secrets::{Visible, secret_text},
    upstream::{UpstreamTls, client, verifier},
};

/// Largest file with certificates or revocation lists, in bytes.
const MAX_PEM: u64 = 16 * 1024 * 1024;

/// How TLS is spoken with every host; with those of no entry by `roots`.
pub(super) fn upstream_tls(
    document: &Document,
    roots: &Arc<RootCertStore>,
    visible: &Visible,
) -> Result<Arc<UpstreamTls>, ConfigError> {
    let entries = &document.parsed.upstream_tls;
    let special = entries.iter().map(|entry| special(entry, roots, visible)).collect::<Result<_, _>>()?;
    let usual = client(verifier(roots, Vec::new(), Unlisted::Accept).map_err(unusable)?, None);
    Ok(Arc::new(UpstreamTls::new(usual, special, UpstreamTlsIndex::new(entries))))
}

fn special(
    entry: &policy::UpstreamTls,
    usual: &Arc<RootCertStore>,
    visible: &Visible,
) -> Result<ClientConfig, ConfigError> {
    let mut roots = Arc::clone(usual);
    if !entry.roots.is_empty() {
        let mut own = RootCertStore::empty();
        for path in &entry.roots {
            let text = read(path)?;
            let more = upstream_roots(SystemRoots::Ignore, &[&text]).map_err(|error| match error {
                CertError::ExtraRoot { reason, .. } => wrong(path, reason),
                other => wrong(path, other),
            })?;
            own.extend(more.roots);
        }
        roots = own.into();
    }
    let mut crls = Vec::new();
    for path in &entry.crls {
        let text = read(path)?;
        let list = all::<CertificateRevocationListDer<'_>>(path, text.as_bytes(), "revocation list")?;
        // By itself first, so that the fault has a file.
        verifier(&roots, list.clone(), entry.unlisted).map_err(|error| wrong(path, error))?;
        crls.extend(list);
    }
    let identity = entry.client_certificate.as_ref().map(|files| identity(files, visible)).transpose()?;
    Ok(client(verifier(&roots, crls, entry.unlisted).map_err(unusable)?, identity))
}

fn identity(files: &ClientCertificate, visible: &Visible) -> Result<CertifiedKey, ConfigError> {
    let ClientCertificate { certificate, key } = files;
    let chain = all::<CertificateDer<'_>>(certificate, read(certificate)?.as_bytes(), "certificate")?;
    let text = secret_text(key, visible).map_err(|reason| wrong(key, reason))?;
    // What the library says of broken text may repeat it.
    let mut parsed = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        PemError::NoItemsFound if text.contains("ENCRYPTED") => {
            wrong(key, "its key is encrypted; write it without a passphrase")
        }
        PemError::NoItemsFound => wrong(key, "it holds no private key"),
        _ => wrong(key, "it is not PEM"),
    })?;
    let signer = any_supported_type(&parsed);
    parsed.zeroize();
    let certified = CertifiedKey::new(chain, signer.map_err(|error| wrong(key, error))?);
    certified.keys_match().map_err(|_| wrong(key, "it is not the key of the certificate"))?;
    let others = 0o077;
    if fs::metadata(key).is_ok_and(|found| found.mode() & others != 0) {
        tracing::warn!("the private key {} can be read by others than its owner", key.display());
    }
    Ok(certified)
}

/// Everything of one kind that stands in a file; at least one.
fn all<T: PemObject>(path: &Path, text: &[u8], kind: &str) -> Result<Vec<T>, ConfigError> {
    let found = T::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| wrong(path, format_args!("it is not PEM: {error}")))?;
    if found.is_empty() { Err(wrong(path, format_args!("it holds no {kind}"))) } else { Ok(found) }
}

/// The text of a regular file of at most 16 MiB.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |error| ConfigError::File { path: path.to_owned(), error };
    // Opening a pipe waits for somebody who writes.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let mut text = String::new();
    let size = file.take(MAX_PEM + 1).read_to_string(&mut text).map_err(failed)?;
    if size as u64 > MAX_PEM { Err(failed(io::Error::other("it has more than 16 MiB"))) } else { Ok(text) }
}

fn unusable(error: impl Display) -> ConfigError {
    ConfigError::UpstreamTls { path: None, reason: error.to_string() }
}

fn wrong(path: &Path, reason: impl Display) -> ConfigError {
    ConfigError::UpstreamTls { path: Some(path.to_owned()), reason: reason.to_string() }
}
