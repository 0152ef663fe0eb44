//! The files that a document goes by. Receives the document, hands on where its programs, roots and certificates are: a workload that could change
//! them would be one that writes its own policy.

use std::path::PathBuf;

use policy::{ComponentSource, HandlerSource};

use super::Document;

/// Programs, roots, certificates and revocation lists of `document`: the workload must not be able to change them.
pub fn trusted_files(document: &Document) -> Vec<PathBuf> {
    let program = |source: &HandlerSource| match source {
        HandlerSource::Wasm(wasm) => match &wasm.component {
            ComponentSource::Path { path, .. } => Some(path.clone()),
            ComponentSource::Hash(_) => None,
        },
        _ => None,
    };
    let roots = document.parsed.upstream_roots.iter().cloned();
    let over_tls = document.parsed.upstream_tls.iter().flat_map(|entry| {
        let certificate = entry.client_certificate.iter().map(|files| &files.certificate);
        entry.roots.iter().chain(&entry.crls).chain(certificate).cloned()
    });
    document.parsed.handlers.values().filter_map(program).chain(roots).chain(over_tls).collect()
}
