//! What a document's secrets are read of on this machine. Receives the document, hands on the variables and files that a command must
//! not see, before there is one.

use std::{collections::BTreeSet, fs, path::PathBuf};

use policy::{Document, InstanceFacts, SecretSource, VaultAuth};

use super::file::credential;

/// The variables that feed secrets.
pub fn variables(document: &Document) -> BTreeSet<String> {
    let variable = |secret: &policy::Secret| match &secret.source {
        SecretSource::Env(variable) => Some(variable.clone()),
        _ => None,
    };
    document.secrets.values().filter_map(variable).collect()
}

/// The files that feed secrets of an instance, and those with private keys of ours; canonical where they exist.
pub fn files(document: &Document, who: &InstanceFacts<'_>) -> BTreeSet<PathBuf> {
    let file = |secret: &policy::Secret| {
        let path = match &secret.source {
            SecretSource::File(path) => path.render(who).ok()?.into(),
            SecretSource::Credential(name) => credential(&name.render(who).ok()?).ok()?,
            SecretSource::Vault(vault) => match &vault.auth {
                VaultAuth::Kubernetes { jwt_file, .. } => PathBuf::from(jwt_file),
                VaultAuth::Token(_) | VaultAuth::AppRole { .. } => return None,
            },
            _ => return None,
        };
        Some(path)
    };
    let identities = document.upstream_tls.iter().filter_map(|entry| entry.client_certificate.as_ref());
    let keys = identities.map(|files| files.key.clone());
    let all = document.secrets.values().filter_map(file).chain(keys);
    all.map(|path| fs::canonicalize(&path).unwrap_or(path)).collect()
}
