//! The roots that upstreams are verified by. Receives the texts that a document names, hands on a store of them and the system's; the
//! same one as before for as long as neither has changed, because reading the system's, some hundreds of files, is nearly all
//! that a change of policy costs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use certs::{CertError, SystemRoots, upstream_roots};
use rustls::RootCertStore;

use crate::trust::BUNDLES;

/// Variables that say where the system's roots are.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The roots of the generation that was loaded last.
#[derive(Default)]
pub struct Roots(Mutex<Option<Made>>);

struct Made {
    extra: Vec<String>,
    changed: Vec<Option<SystemTime>>,
    store: Arc<RootCertStore>,
}

impl Roots {
    /// The system's and those in the texts `extra`.
    pub(super) fn with(&self, extra: Vec<String>) -> Result<Arc<RootCertStore>, CertError> {
        // Before they are read, so that a change meanwhile is seen the next time.
        let changed = changed();
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref().filter(|made| made.extra == extra && made.changed == changed) {
            return Ok(Arc::clone(&made.store));
        }
        let texts: Vec<&str> = extra.iter().map(String::as_str).collect();
        let store = match upstream_roots(SystemRoots::Use, &texts) {
            // Private roots are enough for a system that has no public ones.
            Err(CertError::SystemRoots { .. }) if !extra.is_empty() => {
                upstream_roots(SystemRoots::Ignore, &texts)
            }
            store => store,
        };
        let store = Arc::new(store?);
        *made = Some(Made { extra, changed, store: Arc::clone(&store) });
        Ok(store)
    }
}

/// When each file and folder that may hold the system's roots was changed last.
fn changed() -> Vec<Option<SystemTime>> {
    let named = VARIABLES.into_iter().filter_map(env::var_os);
    let named = named.flat_map(|paths| env::split_paths(&paths).collect::<Vec<PathBuf>>());
    let usual = BUNDLES.iter().map(Path::new).flat_map(|file| [Some(file), file.parent()]).flatten();
    let paths = named.chain(usual.map(Path::to_owned));
    paths.map(|path| fs::metadata(path).and_then(|found| found.modified()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_long_as_nothing_has_changed() {
        let roots = Roots::default();
        let pem = || {
            vec![certs::InstanceCa::new("a", rustls::pki_types::UnixTime::now()).unwrap().pem().to_owned()]
        };
        let (one, other) = (pem(), pem());
        let first = roots.with(one.clone()).unwrap();
        assert!(Arc::ptr_eq(&first, &roots.with(one).unwrap()));
        let second = roots.with(other.clone()).unwrap();
        assert!(!Arc::ptr_eq(&first, &second) && first.roots != second.roots);
        assert!(roots.with(vec!["nonsense".to_owned()]).is_err());
        assert!(Arc::ptr_eq(&second, &roots.with(other).unwrap()));
    }
}
