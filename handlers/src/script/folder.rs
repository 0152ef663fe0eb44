//! A folder that is ours alone, and the files in it.
//!
//! Receives a path; hands on reads and writes of files by name. The folder is opened once and every file by its name in
//! what was opened, so that nobody who moves or replaces a path on the way changes what is read. A file counts only if it
//! is a regular one of this user that nobody else may open; files are replaced as a whole, never written to.

use std::{
    fs::{DirBuilder, File},
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timestamps},
    process::geteuid,
};

/// What files are called before they are whole.
const UNFINISHED: &str = ".tmp-";

/// Age after which nobody is still writing an unfinished file.
const ABANDONED: Duration = Duration::from_secs(600);

/// What others may do with a file or folder.
const OTHERS: u32 = 0o077;

/// An open folder.
pub(super) struct Folder(OwnedFd);

/// A file, as the folder lists it.
pub(super) struct Entry {
    pub(super) name: String,
    /// Bytes.
    pub(super) size: u64,
    /// Seconds since 1970, and nanoseconds.
    pub(super) used: (i64, u64),
}

/// What becomes of a file that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Replace,
    Keep,
}

impl Folder {
    /// Opens the folder, and makes it if there is none.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Ends without an error if there is something already; what that is, is looked at below.
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty())?;
        refuse_others(&rustix::fs::fstat(&folder)?)?;
        Ok(Self(folder))
    }

    /// The bytes of a file, which now counts as used; none if there is no such file.
    pub(super) fn read(&self, name: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        let Some((file, size)) = self.file(name, max)? else { return Ok(None) };
        let mut bytes = Vec::with_capacity(size);
        file.take(max).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// A file to be read, and its size in bytes. It counts as used now.
    pub(super) fn file(&self, name: &str, max: u64) -> io::Result<Option<(File, usize)>> {
        // Opening a pipe would wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&self.0, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let found = rustix::fs::fstat(&file)?;
        refuse_others(&found)?;
        let size = u64::try_from(found.st_size).unwrap_or(u64::MAX);
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || size > max {
            return Err(io::Error::other("no regular file, or too large"));
        }
        rustix::fs::futimens(&file, &now())?;
        Ok(Some((file.into(), usize::try_from(size).unwrap_or(usize::MAX))))
    }

    /// Writes a file; others see all of it or nothing.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]], existing: Existing) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unfinished =
            format!("{UNFINISHED}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.0, &*unfinished, flags, Mode::from(0o600))?);
        let written = parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| match existing {
            Existing::Replace => Ok(rustix::fs::renameat(&self.0, &*unfinished, &self.0, name)?),
            Existing::Keep => {
                match rustix::fs::linkat(&self.0, &*unfinished, &self.0, name, AtFlags::empty()) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
        });
        if written.is_err() || existing == Existing::Keep {
            self.remove(&unfinished);
        }
        written
    }

    /// Removes a file. One that cannot be removed is in nobody's way: it is not believed either.
    pub(super) fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.0, name, AtFlags::empty());
    }

    /// All files, without those that are being written. Those that were never finished are removed.
    pub(super) fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for found in Dir::read_from(&self.0)? {
            let found = found?;
            let Ok(name) = found.file_name().to_str() else { continue };
            let Ok(stat) = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                continue;
            }
            if name.starts_with(UNFINISHED) {
                if is_abandoned(&stat) {
                    self.remove(name);
                }
                continue;
            }
            let size = u64::try_from(stat.st_size).unwrap_or_default();
            entries.push(Entry { name: name.to_owned(), size, used: (stat.st_mtime, stat.st_mtime_nsec) });
        }
        Ok(entries)
    }
}

fn refuse_others(found: &Stat) -> io::Result<()> {
    if found.st_uid != geteuid().as_raw() || found.st_mode & OTHERS != 0 {
        let text =
            "it is not this user's alone: another owner, or open to others (it must have mode 0700 or 0600)";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(())
}

fn is_abandoned(stat: &Stat) -> bool {
    let seconds = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
    let age = SystemTime::UNIX_EPOCH
        .checked_add(seconds)
        .and_then(|written| SystemTime::now().duration_since(written).ok());
    age.is_some_and(|age| age > ABANDONED)
}

fn now() -> Timestamps {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    Timestamps { last_access: now, last_modification: now }
}
