//! What the user wants shown although it lies in a folder that is hidden: a socket of an agent, a container engine's. Receives
//! its path; holds on to the original while the folder is replaced, and then binds it to the same place in the new one.

use std::{
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open as open_at_path},
    sys::stat::Mode,
};

use super::mounts;

pub(super) struct Kept {
    path: PathBuf,
    original: OwnedFd,
}

/// Before anything is hidden: no path leads to the originals afterwards.
pub(super) fn open(paths: &[PathBuf]) -> io::Result<Vec<Kept>> {
    let open = |path: &PathBuf| {
        let original = open_at_path(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Kept { path: path.clone(), original })
    };
    paths.iter().map(open).collect()
}

/// Makes a file or folder in `folder`, which is ours and still writable, for each of `kept` that lies in it.
pub(super) fn make_places(kept: &[Kept], folder: &Path) -> io::Result<()> {
    kept.iter().filter(|kept| kept.lies_in(folder)).try_for_each(Kept::make_place)
}

impl Kept {
    pub(super) fn lies_in(&self, folder: &Path) -> bool {
        self.path.starts_with(folder)
    }

    pub(super) fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.path)
    }

    fn make_place(&self) -> io::Result<()> {
        if self.source().is_dir() {
            return fs::create_dir_all(&self.path);
        }
        fs::create_dir_all(self.path.parent().unwrap_or(&self.path))?;
        fs::write(&self.path, "")
    }

    /// Binds the original to its place.
    pub(super) fn show(&self) -> io::Result<()> {
        mounts::bind(&self.source(), &self.path)
    }

    fn source(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.original.as_raw_fd()).into()
    }
}
