//! The stores of a document, open. Receives what the document says of them and the values of secrets; hands on what handlers are
//! granted by name. A store that is as before stays open from one generation to the next: what is in memory is not lost by a
//! change of policy, and nothing connects anew.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, OpenOptions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use handlers::{Blobs, Counts, KeyValue, Secret, StoreError};
use policy::{RateLimit, StoreSource};
use rustls::RootCertStore;

use super::{ConfigError, Document};
use crate::{
    secrets::Visible,
    stores::{
        file::KeyFile,
        folder::Folder,
        memory::Memory,
        redis::{Redis, RedisServer},
        s3::{S3, S3Bucket},
    },
};

/// Makes the files and folders of the stores of `document` that are not there yet, before a command could make them, and says
/// where they are.
pub fn make_store_paths(document: &Document) -> Result<Vec<PathBuf>, ConfigError> {
    let made = |source: &StoreSource| -> Option<Result<PathBuf, ConfigError>> {
        let (path, made) = match source {
            StoreSource::File(path) => {
                let mut options = OpenOptions::new();
                options.append(true).create(true).mode(0o600);
                (path, options.open(path).map(|_| ()))
            }
            StoreSource::Folder(path) => (path, DirBuilder::new().recursive(true).mode(0o700).create(path)),
            StoreSource::Memory | StoreSource::Redis { .. } | StoreSource::S3 { .. } => return None,
        };
        let canonical = made.and_then(|()| fs::canonicalize(path));
        Some(canonical.map_err(|error| ConfigError::File { path: path.clone(), error }))
    };
    document.parsed().stores.values().filter_map(made).collect()
}

/// A store that is open.
#[derive(Clone)]
pub enum Opened {
    /// Small values under keys.
    KeyValue(Arc<dyn KeyValue>),
    /// Objects.
    Blobs(Arc<dyn Blobs>),
}

/// Open stores by the names that the document has for them.
pub type OpenStores = BTreeMap<String, Opened>;

/// What the handlers of one instance keep between calls, from one generation to the next.
#[derive(Default)]
pub struct Stores {
    open: Mutex<Vec<Kept>>,
    limits: Mutex<Limits>,
    counts: Mutex<BTreeMap<String, Weak<Counts>>>,
}

/// Counters by handler, the name it has for them, limit and period.
type Limits = BTreeMap<(String, String, RateLimit), Weak<handlers::RateLimit>>;

struct Kept {
    name: String,
    source: StoreSource,
    secrets: Vec<Arc<Secret>>,
    opened: Opened,
}

impl Stores {
    /// Opens those of `sources`. Waits for the disk, and connects to nothing yet.
    pub(crate) fn open(
        &self,
        sources: &BTreeMap<String, StoreSource>,
        secrets: &BTreeMap<String, Arc<Secret>>,
        roots: &Arc<RootCertStore>,
        visible: &Visible,
    ) -> Result<OpenStores, ConfigError> {
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // What no generation uses, and this one will not either.
        all.retain(|kept| kept.opened.in_use() || sources.get(&kept.name) == Some(&kept.source));
        let mut open = OpenStores::new();
        for (name, source) in sources {
            // Unknown names were refused when the document was parsed.
            let own: Vec<_> = source.secrets().filter_map(|name| secrets.get(name).cloned()).collect();
            let as_before =
                |kept: &&Kept| kept.name == *name && kept.source == *source && same(&kept.secrets, &own);
            let opened = match all.iter().find(as_before) {
                Some(kept) => kept.opened.clone(),
                None => {
                    let wrong = |error: StoreError| ConfigError::Store {
                        name: name.clone(),
                        reason: error.to_string(),
                    };
                    hidden(source, visible).map_err(wrong)?;
                    let opened = Opened::new(source, &own, roots).map_err(wrong)?;
                    let (name, source) = (name.clone(), source.clone());
                    all.push(Kept { name, source, secrets: own, opened: opened.clone() });
                    opened
                }
            };
            open.insert(name.clone(), opened);
        }
        Ok(open)
    }

    /// The counters of a handler's limit: the same for as long as a generation has that limit.
    pub(super) fn rate_limit(&self, handler: &str, name: &str, limit: RateLimit) -> Arc<handlers::RateLimit> {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.retain(|_, counters| counters.strong_count() > 0);
        let key = (handler.to_owned(), name.to_owned(), limit);
        if let Some(counters) = limits.get(&key).and_then(Weak::upgrade) {
            return counters;
        }
        let period = Duration::from_millis(limit.period_ms.into());
        let counters = Arc::new(handlers::RateLimit::new(limit.limit, period));
        limits.insert(key, Arc::downgrade(&counters));
        counters
    }

    /// The counts of a handler's calls: the same for as long as a generation has it.
    pub(super) fn counts(&self, handler: &str) -> Arc<Counts> {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, counts| counts.strong_count() > 0);
        if let Some(counts) = all.get(handler).and_then(Weak::upgrade) {
            return counts;
        }
        let counts = Arc::default();
        all.insert(handler.to_owned(), Arc::downgrade(&counts));
        counts
    }
}

/// Whether the workload can neither read nor change what is kept.
fn hidden(source: &StoreSource, visible: &Visible) -> Result<(), StoreError> {
    let (StoreSource::File(path) | StoreSource::Folder(path)) = source else { return Ok(()) };
    let canonical = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    if visible.hides_file(&canonical) {
        return Ok(());
    }
    Err(StoreError::Refused(format!(
        "{} was not hidden from the workload when it started; start the workload with this policy",
        path.display()
    )))
}

fn same(left: &[Arc<Secret>], right: &[Arc<Secret>]) -> bool {
    left.iter().map(|secret| secret.expose()).eq(right.iter().map(|secret| secret.expose()))
}

impl Opened {
    /// `secrets` are those of the source, in its order.
    fn new(
        source: &StoreSource,
        secrets: &[Arc<Secret>],
        roots: &Arc<RootCertStore>,
    ) -> Result<Self, StoreError> {
        let missing = || StoreError::Refused("its secrets are missing".to_owned());
        Ok(match source {
            StoreSource::Memory => Self::KeyValue(Arc::new(Memory::default())),
            StoreSource::File(path) => Self::KeyValue(Arc::new(KeyFile::open(path)?)),
            StoreSource::Redis { url, username, password: _, prefix } => {
                let (url, username, prefix) = (url.clone(), username.clone(), prefix.clone());
                let password = secrets.first().cloned();
                Self::KeyValue(Arc::new(Redis::new(RedisServer { url, username, password, prefix })?))
            }
            StoreSource::Folder(path) => Self::Blobs(Arc::new(Folder::open(path)?)),
            StoreSource::S3 { bucket, endpoint, region, prefix, .. } => {
                let [access_key_id, secret_access_key] = secrets else { return Err(missing()) };
                Self::Blobs(Arc::new(S3::new(S3Bucket {
                    bucket: bucket.clone(),
                    endpoint: endpoint.clone(),
                    region: region.clone(),
                    access_key_id: access_key_id.clone(),
                    secret_access_key: secret_access_key.clone(),
                    prefix: prefix.clone(),
                    roots: Arc::clone(roots),
                })?))
            }
        })
    }

    /// Whether anything but the list of what is open has it.
    fn in_use(&self) -> bool {
        match self {
            Self::KeyValue(store) => Arc::strong_count(store) > 1,
            Self::Blobs(store) => Arc::strong_count(store) > 1,
        }
    }
}
