//! Files beneath a folder, and nowhere else.
//! Receives names of handlers, hands on descriptors; no name and no link leads out.

use std::{fs::File, os::fd::OwnedFd, path::Path};

use rustix::{
    fs::{AtFlags, Mode, OFlags, ResolveFlags, mkdirat, open, openat2, renameat, unlinkat},
    io::Errno,
};

/// How often a folder is made anew that another call has removed because it was empty.
const ATTEMPTS: usize = 8;

/// The folder.
pub(super) struct Beneath(OwnedFd);

impl Beneath {
    pub(super) fn open(path: &Path) -> Result<Self, Errno> {
        open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map(Self)
    }

    /// A file to read; none if there is no such file.
    pub(super) fn file(&self, path: &str) -> Result<Option<File>, Errno> {
        // What is no file shall not make the one who opens it wait.
        match self.at(path, OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(file) => {
                let file = File::from(file);
                Ok(file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A new file to write.
    pub(super) fn create(&self, path: &str) -> Result<File, Errno> {
        self.at(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL).map(File::from)
    }

    /// A folder; the empty path is this one.
    pub(super) fn folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { "." } else { path };
        self.at(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    pub(super) fn make_folder(&self, path: &str) -> Result<(), Errno> {
        let (parent, name) = self.parent(path)?;
        match mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
            Err(Errno::EXIST) => Ok(()),
            made => made,
        }
    }

    /// Moves a file to its place, over what is there, and makes the folders on the way.
    pub(super) fn place(&self, from: &str, to: &str) -> Result<(), Errno> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.try_place(from, to) {
                Err(Errno::NOENT) if attempts < ATTEMPTS => {}
                placed => return placed,
            }
        }
    }

    fn try_place(&self, from: &str, to: &str) -> Result<(), Errno> {
        for (end, _) in to.match_indices('/') {
            self.make_folder(to.get(..end).unwrap_or_default())?;
        }
        let (old, name) = self.parent(from)?;
        let (new, new_name) = self.parent(to)?;
        renameat(old, name, &new, new_name)?;
        rustix::fs::fsync(new)
    }

    /// Removes a file; what is not there counts as removed, and a folder is no file.
    pub(super) fn remove(&self, path: &str) -> Result<(), Errno> {
        match self.parent(path).and_then(|(parent, name)| unlinkat(parent, name, AtFlags::empty())) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes the folders on the way to a file that are empty.
    pub(super) fn prune(&self, path: &str) {
        for (end, _) in path.rmatch_indices('/') {
            let folder = path.get(..end).unwrap_or_default();
            let removed =
                self.parent(folder).and_then(|(parent, name)| unlinkat(parent, name, AtFlags::REMOVEDIR));
            if removed.is_err() {
                break;
            }
        }
    }

    /// The folder that a path is in, and its name there.
    fn parent<'a>(&self, path: &'a str) -> Result<(OwnedFd, &'a str), Errno> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.folder(parent)?, name))
    }

    fn at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o600) } else { Mode::empty() };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.0, path, flags | OFlags::CLOEXEC, mode, resolve)
    }
}
