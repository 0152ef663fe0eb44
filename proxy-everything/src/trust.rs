//! The instance CA in the trust store of a container that is running already. Receives the container's root folder and PEM text; hands
//! on what was changed and what was refused. The container is hostile and may change anything meanwhile, so every path is resolved
//! inside its root and on its root file system only (`root.rs`), and no file is written in place: a new one takes its name.
//!
//! Not done: the links by subject hash in `/etc/ssl/certs`. OpenSSL as distributions build it reads a bundle as well.

mod block;
mod error;
mod root;

#[cfg(test)]
mod tests;

use std::{
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
};

pub use error::TrustError;
use policy::Compat;

use crate::capture::{INSIDE_BUNDLE, INSIDE_CA, INSIDE_DIR, INSIDE_JAVA};
use root::{Place, Root};

/// Where distributions keep the bundle that their TLS libraries read: Debian and Alpine, Fedora (three), SUSE (two), Alpine and BSD.
/// On most, several are links to one file.
pub const BUNDLES: [&str; 7] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Where distributions keep the truststore that their Java runtimes read: Debian, Fedora.
pub const JAVA_STORES: [&str; 2] =
    ["/etc/ssl/certs/java/cacerts", "/etc/pki/ca-trust/extracted/java/cacerts"];
/// Made where there is no bundle at all: Go, curl and OpenSSL look here first.
const CUSTOMARY: &str = "/etc/ssl/certs/ca-certificates.crt";
/// What `update-ca-certificates` and its kin add to the bundle when they write it anew, as installing a package does: Debian and Alpine,
/// Fedora, SUSE, Arch.
const ANCHORS: [&str; 4] = [
    "/usr/local/share/ca-certificates/proxy-everything.crt",
    "/etc/pki/ca-trust/source/anchors/proxy-everything.pem",
    "/etc/pki/trust/anchors/proxy-everything.pem",
    "/etc/ca-certificates/trust-source/anchors/proxy-everything.crt",
];

/// Where images that were made for Cloudflare's containers look for the CA when they start.
const CLOUDFLARE: &str = "/etc/cloudflare/certs/cloudflare-containers-ca.crt";

/// What was done, for the log and the admin API.
#[derive(Debug, Default)]
pub struct Installed {
    /// Files that were written; empty if all were current.
    pub changed: Vec<PathBuf>,
    /// Files that were left as they are, and why.
    pub refused: Vec<(PathBuf, TrustError)>,
}

/// The bundle of the file system that this process sees; empty if there is none.
pub fn system_bundle() -> String {
    BUNDLES.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
}

/// Makes programs below `root` trust the CA `ca_pem`. An older one of ours is replaced; nothing is written where all is current.
/// `root` may be an `O_PATH` descriptor. `compat` adds the place where images for another system look. Takes as long as the container's file system does, so call it where blocking is allowed.
pub fn install(root: BorrowedFd<'_>, ca_pem: &str, system_bundle: &str, compat: Compat) -> Installed {
    let mut installed = Installed::default();
    let root = match Root::new(root) {
        Ok(root) => root,
        Err(error) => {
            installed.refused.push(("/".into(), error));
            return installed;
        }
    };
    let mut present = false;
    for path in BUNDLES {
        present |= installed.note(path, extend(&root, path, ca_pem));
    }
    if !present {
        let text = block::with_block(system_bundle.as_bytes(), ca_pem);
        installed.note(CUSTOMARY, root.create(Path::new(CUSTOMARY)).and_then(|place| put(&place, &text)));
    }
    for path in ANCHORS {
        installed.note(path, anchor(&root, path, ca_pem));
    }
    if compat == Compat::Cloudflare {
        let place = root.create(Path::new(CLOUDFLARE));
        installed.note(CLOUDFLARE, place.and_then(|place| put(&place, ca_pem.as_bytes())));
    }
    // Variables such as `NODE_EXTRA_CA_CERTS` name these, as in a command of `run`.
    let bundle = certs::trust_bundle(system_bundle, ca_pem);
    let java = certs::java_trust_store(&bundle);
    for (path, text) in
        [(INSIDE_CA, ca_pem.as_bytes()), (INSIDE_BUNDLE, bundle.as_bytes()), (INSIDE_JAVA, &java)]
    {
        installed.note(path, inside(&root, path, text));
    }
    installed
}

/// What became of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Absent,
    Current,
    Changed,
}

impl Installed {
    /// Whether there was something at `path`.
    fn note(&mut self, path: &str, outcome: Result<Outcome, TrustError>) -> bool {
        match outcome {
            Ok(Outcome::Absent) => return false,
            Ok(Outcome::Current) => {}
            Ok(Outcome::Changed) => self.changed.push(path.into()),
            Err(error) => self.refused.push((path.into(), error)),
        }
        true
    }
}

fn extend(root: &Root<'_>, path: &str, ca_pem: &str) -> Result<Outcome, TrustError> {
    let Some(place) = root.find(Path::new(path))? else { return Ok(Outcome::Absent) };
    let Some(old) = place.read()? else { return Ok(Outcome::Absent) };
    // A link may name any file of the container; what is no bundle is none of our business.
    if !block::is_bundle(&old) {
        return Err(TrustError::NoBundle);
    }
    let new = block::with_block(&old, ca_pem);
    if new == old { Ok(Outcome::Current) } else { place.replace(&new).map(|()| Outcome::Changed) }
}

/// Only where the distribution has a folder for the folder of anchors.
fn anchor(root: &Root<'_>, path: &str, ca_pem: &str) -> Result<Outcome, TrustError> {
    let path = Path::new(path);
    match path.parent().and_then(Path::parent) {
        Some(distribution) if root.has_directory(distribution)? => {
            put(&root.create(path)?, ca_pem.as_bytes())
        }
        _ => Ok(Outcome::Absent),
    }
}

fn inside(root: &Root<'_>, path: &str, text: &[u8]) -> Result<Outcome, TrustError> {
    let name = Path::new(path).strip_prefix(INSIDE_DIR).unwrap_or_else(|_| Path::new(path));
    put(&root.create_inside(name)?, text)
}

fn put(place: &Place, text: &[u8]) -> Result<Outcome, TrustError> {
    let current = place.read()?.is_some_and(|old| old == text);
    if current { Ok(Outcome::Current) } else { place.replace(text).map(|()| Outcome::Changed) }
}
