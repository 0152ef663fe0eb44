//! An object on its way into the folder: a file of its own, gone with this value unless it was finished.
//! Receives the pieces of a body, hands on the name that makes them an object.

use std::{
    fs::File,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use handlers::StoreError;
use rustix::{
    fs::{Dir, XattrFlags, fsetxattr},
    io::Errno,
};

use super::{TYPE_ATTRIBUTE, UPLOADS, beneath::Beneath, failed};
use crate::stores::{blocking, unavailable};

/// How much is gathered before it is written.
const GATHER_BYTES: usize = 256 * 1024;
/// After this time without a byte, an upload was left by a process that is gone.
const LEFT: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct Upload {
    root: Arc<Beneath>,
    path: String,
    file: File,
    gathered: Vec<u8>,
}

impl Upload {
    pub(super) fn new(root: Arc<Beneath>) -> Result<Self, StoreError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let number = NUMBER.fetch_add(1, Relaxed);
        let path = format!("{UPLOADS}/{}-{started:x}-{number:x}", std::process::id());
        root.make_folder(UPLOADS).map_err(failed)?;
        let file = root.create(&path).map_err(failed)?;
        Ok(Self { root, path, file, gathered: Vec::new() })
    }

    pub(super) async fn write(mut self, data: Bytes) -> Result<Self, StoreError> {
        self.gathered.extend_from_slice(&data);
        if self.gathered.len() < GATHER_BYTES {
            return Ok(self);
        }
        blocking(move || self.flush().map(|()| self)).await
    }

    /// Puts the object in its place, on the disk.
    pub(super) fn finish(mut self, key: &str, content_type: Option<&str>) -> Result<File, StoreError> {
        self.flush()?;
        if let Some(content_type) = content_type {
            match fsetxattr(&self.file, TYPE_ATTRIBUTE, content_type.as_bytes(), XattrFlags::empty()) {
                // Where the file system has no attributes, the type is not kept.
                Ok(()) | Err(Errno::NOTSUP) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        self.file.sync_all().map_err(unavailable)?;
        self.root.place(&self.path, key).map_err(failed)?;
        self.file.try_clone().map_err(unavailable)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.file.write_all(&self.gathered).map_err(unavailable)?;
        self.gathered.clear();
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let _ = self.root.remove(&self.path);
    }
}

/// Removes what processes left that were killed.
pub(super) fn clean(root: &Beneath) -> Result<(), Errno> {
    let folder = match root.folder(UPLOADS) {
        Err(Errno::NOENT) => return Ok(()),
        folder => folder?,
    };
    for entry in Dir::new(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let path = format!("{UPLOADS}/{name}");
        let Some(file) = root.file(&path)? else { continue };
        let modified = file.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > LEFT)) {
            root.remove(&path)?;
        }
    }
    Ok(())
}
