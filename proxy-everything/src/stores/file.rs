//! A key-value store in one file, which survives restarts and a process that is killed: what was acknowledged is on the disk.
//!
//! The file belongs to one process at a time, and all who open it there share one handle.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use handlers::{KeyPage, KeyValue, StoreError, Storing};
use redb::{AccessGuard, Database, DatabaseError, ReadableDatabase, ReadableTable, Table, TableDefinition};

use super::{DISK_DEADLINE, blocking, in_time, keys, unavailable};

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys");
/// What of each file is kept in memory.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// For those in front in the queue, and then for the disk.
const WRITE_DEADLINE: Duration = DISK_DEADLINE.saturating_mul(2);

/// The files that this process has open, and how many hold each.
static OPEN: Mutex<BTreeMap<PathBuf, (usize, Arc<Shared>)>> = Mutex::new(BTreeMap::new());

struct Shared {
    database: Database,
    /// The file has one writer at a time; those who wait shall not each block a thread.
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// The store.
#[derive(Clone)]
pub struct KeyFile(Arc<Handle>);

impl KeyFile {
    /// Opens the file, or makes it, readable for its owner only. Waits for the disk.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let handle =
            Handle::open(path).map_err(|reason| unavailable(format!("{}: {reason}", path.display())));
        Ok(Self(Arc::new(handle?)))
    }

    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&redb::ReadOnlyTable<&str, &[u8]>) -> Result<T, StoreError> + Send + 'static,
    ) -> Storing<T> {
        let handle = Arc::clone(&self.0);
        Box::pin(blocking(move || {
            let transaction = handle.shared()?.database.begin_read().map_err(unavailable)?;
            work(&transaction.open_table(TABLE).map_err(unavailable)?)
        }))
    }

    /// What `work` did is undone if it fails, and on the disk when this returns.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Table<'_, &str, &[u8]>) -> Result<T, StoreError> + Send + 'static,
    ) -> Storing<T> {
        let handle = Arc::clone(&self.0);
        Box::pin(in_time(WRITE_DEADLINE, async move {
            let turn = Arc::clone(&handle.shared()?.writing).lock_owned().await;
            blocking(move || {
                let _turn = turn;
                let transaction = handle.shared()?.database.begin_write().map_err(unavailable)?;
                let result = work(&mut transaction.open_table(TABLE).map_err(unavailable)?)?;
                transaction.commit().map_err(unavailable)?;
                Ok(result)
            })
            .await
        }))
    }
}

impl KeyValue for KeyFile {
    fn get(&self, keys: Vec<String>) -> Storing<Vec<Option<Bytes>>> {
        self.read(move |table| {
            keys::check_keys(&keys)?;
            let value =
                |key: &String| Ok::<_, StoreError>(table.get(key.as_str()).map_err(unavailable)?.map(bytes));
            keys::collect(keys.iter().map(value))
        })
    }

    fn set(&self, entries: Vec<(String, Bytes)>) -> Storing<()> {
        self.write(move |table| {
            keys::check_entries(&entries)?;
            for (key, value) in &entries {
                table.insert(key.as_str(), value.as_ref()).map_err(unavailable)?;
            }
            Ok(())
        })
    }

    fn delete(&self, keys: Vec<String>) -> Storing<()> {
        self.write(move |table| {
            keys::check_keys(&keys)?;
            for key in &keys {
                table.remove(key.as_str()).map_err(unavailable)?;
            }
            Ok(())
        })
    }

    fn list(&self, prefix: String, after: Option<u64>) -> Storing<KeyPage> {
        self.read(move |table| {
            keys::check_prefix(&prefix)?;
            let mut page = keys::Page::new(after);
            for entry in table.range(prefix.as_str()..).map_err(unavailable)? {
                let (key, _) = entry.map_err(unavailable)?;
                if !key.value().starts_with(&prefix) {
                    break;
                }
                page.add(key.value());
            }
            Ok(page.end())
        })
    }

    fn increment(&self, key: String, by: u64) -> Storing<u64> {
        self.write(move |table| {
            keys::check_key(&key)?;
            let stored = table.get(key.as_str()).map_err(unavailable)?.map(bytes);
            let sum = keys::add(stored.as_deref(), by)?;
            table.insert(key.as_str(), sum.to_string().as_bytes()).map_err(unavailable)?;
            Ok(sum)
        })
    }
}

/// One that holds the file.
struct Handle {
    path: PathBuf,
    /// Gone only while it is dropped.
    shared: Option<Arc<Shared>>,
}

impl Handle {
    fn open(path: &Path) -> Result<Self, String> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(|error| error.to_string())?;
        let path = fs::canonicalize(path).map_err(|error| error.to_string())?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = match open.get_mut(&path) {
            Some((holders, shared)) => {
                *holders += 1;
                Arc::clone(shared)
            }
            None => {
                let shared = Arc::new(Shared { database: database(file)?, writing: Arc::default() });
                open.insert(path.clone(), (1, Arc::clone(&shared)));
                shared
            }
        };
        Ok(Self { path, shared: Some(shared) })
    }

    fn shared(&self) -> Result<&Arc<Shared>, StoreError> {
        self.shared.as_ref().ok_or_else(|| unavailable("it is closed"))
    }
}

impl Drop for Handle {
    /// The last one closes the file before anyone can open it anew.
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((holders, _)) = open.get_mut(&self.path) {
            *holders -= 1;
            if *holders == 0 {
                open.remove(&self.path);
            }
        }
        self.shared = None;
    }
}

fn database(file: fs::File) -> Result<Database, String> {
    let opened = redb::backends::FileBackend::new(file)
        .and_then(|file| Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file));
    let database = opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => "another process has it open".to_owned(),
        error => error.to_string(),
    })?;
    // So that reading finds it.
    let made = database.begin_write().map_err(|error| error.to_string())?;
    made.open_table(TABLE).map_err(|error| error.to_string())?;
    made.commit().map_err(|error| error.to_string())?;
    Ok(database)
}

fn bytes(value: AccessGuard<'_, &[u8]>) -> Bytes {
    Bytes::copy_from_slice(value.value())
}
