//! A container's root folder, used from outside. Receives absolute paths as the container means them, hands on places: a name in an open
//! folder. Links are resolved inside the root, magic links and other mounts are refused (openat2(2), Linux 5.6): a volume may be the
//! host's, and a file system that the container serves may never answer. Nothing is opened before it is known to be a regular file.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat, renameat},
    sys::{
        stat::{FileStat, Mode, SFlag, fchmod, fstat, major, minor, mkdirat, stat},
        statfs::{TMPFS_MAGIC, fstatfs},
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchown, geteuid, unlinkat},
};

use super::TrustError;
use crate::capture::{HIDDEN_DIR, INSIDE_DIR};

/// Largest file that is read, in bytes; the bundles of distributions have 200 to 500 KiB.
pub(super) const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Symbolic links at the end of one path.
const MAX_LINKS: usize = 8;
/// How often a path is tried whose folders are being moved while the kernel follows it.
const MAX_TRIES: usize = 16;
const NEW_FOLDER: Mode = Mode::from_bits_truncate(0o755);
const NEW_FILE: Mode = Mode::from_bits_truncate(0o644);

/// The container's root folder.
pub(super) struct Root<'a>(BorrowedFd<'a>);

/// A name in a folder, and the regular file that it is, if there is one.
#[derive(Debug)]
pub(super) struct Place {
    directory: OwnedFd,
    name: OsString,
    file: Option<OwnedFd>,
}

enum Found {
    Nothing,
    Link(PathBuf),
    File(OwnedFd),
}

impl<'a> Root<'a> {
    /// Refuses our own root folder, which a process that shares our mount namespace has.
    pub(super) fn new(root: BorrowedFd<'a>) -> Result<Self, TrustError> {
        let theirs = fstat(root).map_err(TrustError::step("look at the root folder"))?;
        let ours = stat("/").map_err(TrustError::step("look at the proxy's own root folder"))?;
        if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino) {
            return Err(TrustError::OwnRoot);
        }
        Ok(Self(root))
    }

    /// What `path` leads to by way of links; `None` if its folder does not exist.
    pub(super) fn find(&self, path: &Path) -> Result<Option<Place>, TrustError> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let (parent, name) = split(&path)?;
            let Some(directory) = self.directory(parent)? else { return Ok(None) };
            match look(&directory, name)? {
                Found::Link(target) => path = parent.join(target),
                Found::File(file) => {
                    return Ok(Some(Place { directory, name: name.to_owned(), file: Some(file) }));
                }
                Found::Nothing => return Ok(Some(Place { directory, name: name.to_owned(), file: None })),
            }
        }
        Err(TrustError::Links)
    }

    /// The place of exactly this name, with its folders made; a link there will be replaced.
    pub(super) fn create(&self, path: &Path) -> Result<Place, TrustError> {
        let (parent, name) = split(path)?;
        Place::exactly(self.make(parent)?, name)
    }

    /// A place in [`INSIDE_DIR`], to which no link leads. `/run` may be a tmpfs of the container's own.
    pub(super) fn create_inside(&self, name: &Path) -> Result<Place, TrustError> {
        let run = match self.directory(Path::new(HIDDEN_DIR)) {
            Ok(Some(run)) => run,
            Ok(None) => self.make(Path::new(HIDDEN_DIR))?,
            Err(TrustError::OtherMount) => self.own_tmpfs()?,
            Err(error) => return Err(error),
        };
        let (_, folder) = split(Path::new(INSIDE_DIR))?;
        Place::exactly(make_below(&run, folder)?, name.as_os_str())
    }

    pub(super) fn has_directory(&self, path: &Path) -> Result<bool, TrustError> {
        Ok(self.directory(path)?.is_some())
    }

    fn directory(&self, path: &Path) -> Result<Option<OwnedFd>, TrustError> {
        let resolve =
            ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_NO_XDEV;
        existing(open(self.0, path, how(OFlag::O_PATH | OFlag::O_DIRECTORY, resolve)))
    }

    /// Step by step; folders that are there already may be links to others.
    fn make(&self, path: &Path) -> Result<OwnedFd, TrustError> {
        if let Some(directory) = self.directory(path)? {
            return Ok(directory);
        }
        let (parent, name) = split(path)?;
        make_below(&self.make(parent)?, name)
    }

    /// `/run`, if it is a tmpfs that is not mounted where we are: one that is, is the host's.
    fn own_tmpfs(&self) -> Result<OwnedFd, TrustError> {
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS;
        let run = open(self.0, Path::new(HIDDEN_DIR), how(OFlag::O_PATH | OFlag::O_DIRECTORY, resolve))
            .map_err(TrustError::step("open /run"))?;
        let kind = fstatfs(&run).map_err(TrustError::step("look at /run"))?.filesystem_type();
        let device = fstat(&run).map_err(TrustError::step("look at /run"))?.st_dev;
        let device = format!("{}:{}", major(device), minor(device));
        let mounts = std::fs::read_to_string("/proc/self/mountinfo");
        // Its third field is the device, proc_pid_mountinfo(5).
        let ours = |mounts: String| {
            mounts.lines().any(|line| line.split(' ').nth(2).is_some_and(|mounted| mounted == device))
        };
        if kind == TMPFS_MAGIC && mounts.is_ok_and(|mounts| !ours(mounts)) {
            Ok(run)
        } else {
            Err(TrustError::OtherMount)
        }
    }
}

impl Place {
    fn exactly(directory: OwnedFd, name: &OsStr) -> Result<Self, TrustError> {
        let file = match look(&directory, name)? {
            Found::File(file) => Some(file),
            Found::Link(_) | Found::Nothing => None,
        };
        Ok(Self { directory, name: name.to_owned(), file })
    }

    /// The file's content; `None` if there is no file.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, TrustError> {
        let Some(file) = &self.file else { return Ok(None) };
        let failed = |source| TrustError::System { step: "read it", source };
        // The descriptor is known to be a regular file, and opening it by its own name cannot lead to another. Without O_NONBLOCK a
        // lease (fcntl(2)) could hold us up.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let file = File::options().read(true).custom_flags(flags.bits()).open(path).map_err(failed)?;
        let mut content = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(failed)?;
        if content.len() as u64 > MAX_FILE { Err(TrustError::TooLarge) } else { Ok(Some(content)) }
    }

    /// A new file takes the name. It has the mode and owner of the old one; without an old one, the owner of the folder, because that is
    /// root in the container's own user namespace.
    pub(super) fn replace(&self, content: &[u8]) -> Result<(), TrustError> {
        let look_at = |descriptor| fstat(descriptor).map_err(TrustError::step("look at it"));
        let (owner, mode) = match &self.file {
            Some(file) => {
                let old = look_at(file.as_fd())?;
                (old, Mode::from_bits_truncate(old.st_mode & 0o777))
            }
            None => (look_at(self.directory.as_fd())?, NEW_FILE),
        };
        let temporary = temporary_name();
        // What a proxy of this number that was killed has left.
        let _ = unlinkat(&self.directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        let written = self.write(&temporary, content, &owner, mode);
        if written.is_err() {
            let _ = unlinkat(&self.directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        }
        written
    }

    fn write(&self, temporary: &str, content: &[u8], owner: &FileStat, mode: Mode) -> Result<(), TrustError> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        let how = how(flags, HERE).mode(Mode::S_IRUSR | Mode::S_IWUSR);
        let file = open(self.directory.as_fd(), Path::new(temporary), how);
        let mut file = File::from(file.map_err(TrustError::step("make a new file"))?);
        file.write_all(content).map_err(|source| TrustError::System { step: "write a new file", source })?;
        give(&file, owner, mode).map_err(TrustError::step("set the owner of a new file"))?;
        renameat(&self.directory, temporary, &self.directory, self.name.as_os_str())
            .map_err(TrustError::step("put a new file in its place"))
    }
}

/// For a single name: no link, no mount.
const HERE: ResolveFlag =
    ResolveFlag::RESOLVE_BENEATH.union(ResolveFlag::RESOLVE_NO_SYMLINKS).union(ResolveFlag::RESOLVE_NO_XDEV);

fn how(flags: OFlag, resolve: ResolveFlag) -> OpenHow {
    OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve)
}

/// `EAGAIN` means that folders were moved meanwhile and the kernel cannot tell whether the path stayed inside.
fn open(directory: BorrowedFd<'_>, path: &Path, how: OpenHow) -> nix::Result<OwnedFd> {
    let mut result = Err(Errno::EAGAIN);
    for _ in 0..MAX_TRIES {
        result = openat2(directory, path, how);
        if !matches!(result, Err(Errno::EAGAIN)) {
            break;
        }
    }
    result
}

fn existing(result: nix::Result<OwnedFd>) -> Result<Option<OwnedFd>, TrustError> {
    match result {
        Err(Errno::ENOENT) => Ok(None),
        result => result.map(Some).map_err(TrustError::step("open it")),
    }
}

fn split(path: &Path) -> Result<(&Path, &OsStr), TrustError> {
    path.parent().zip(path.file_name()).ok_or(TrustError::NotRegular)
}

fn look(directory: &OwnedFd, name: &OsStr) -> Result<Found, TrustError> {
    let opened = open(directory.as_fd(), Path::new(name), how(OFlag::O_PATH | OFlag::O_NOFOLLOW, HERE));
    let Some(found) = existing(opened)? else { return Ok(Found::Nothing) };
    let kind = fstat(&found).map_err(TrustError::step("look at it"))?.st_mode;
    match SFlag::from_bits_truncate(kind & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => Ok(Found::File(found)),
        SFlag::S_IFLNK => readlinkat(&found, "")
            .map(|target| Found::Link(target.into()))
            .map_err(TrustError::step("read the link")),
        _ => Err(TrustError::NotRegular),
    }
}

fn make_below(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd, TrustError> {
    let made = mkdirat(parent, name, NEW_FOLDER);
    if !matches!(made, Ok(()) | Err(Errno::EEXIST)) {
        made.map_err(TrustError::step("make its folder"))?;
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let directory = open(parent.as_fd(), Path::new(name), how(flags, HERE))
        .map_err(TrustError::step("open its folder"))?;
    let found = fstat(&directory).map_err(TrustError::step("look at its folder"))?;
    if made.is_ok() && found.st_uid == geteuid().as_raw() {
        let owner = fstat(parent).map_err(TrustError::step("look at its folder"))?;
        give(&directory, &owner, NEW_FOLDER).map_err(TrustError::step("set the owner of its folder"))?;
    }
    Ok(directory)
}

/// The mode last, because a change of owner may take bits from it; and whatever the umask is.
fn give(descriptor: impl AsFd, owner: &FileStat, mode: Mode) -> nix::Result<()> {
    let descriptor = descriptor.as_fd();
    let found = fstat(descriptor)?;
    if (found.st_uid, found.st_gid) != (owner.st_uid, owner.st_gid) {
        fchown(descriptor, Some(Uid::from_raw(owner.st_uid)), Some(Gid::from_raw(owner.st_gid)))?;
    }
    fchmod(descriptor, mode)
}

/// It may be guessed: an `O_EXCL` file is new or not at all.
fn temporary_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!(".proxy-everything-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed))
}
