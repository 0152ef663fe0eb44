//! Where compiled handlers are kept from one run to the next. Receives what the user chose, hands on an open cache, and the paths
//! that no workload may see: who can write there makes the next proxy run what he likes. The key to what is compiled lies apart, beside the
//! admin sockets, because a command can rename folders of its user's home round about a hidden one.

use std::path::{Path, PathBuf};

use handlers::Cache;

use crate::state::StateDir;

/// The folder of compiled handlers.
#[derive(Clone, Debug)]
pub struct CacheDir {
    /// None if there is no place for it.
    folder: Option<PathBuf>,
    keys: StateDir,
}

impl CacheDir {
    /// `given`, or the customary place: below `/var/cache` for root, else below `$XDG_CACHE_HOME` or `~/.cache`.
    pub fn locate(given: Option<&Path>) -> Self {
        let absolute = |given: &Path| std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
        Self { folder: given.map(absolute).or_else(customary), keys: StateDir::locate(None) }
    }

    /// Opens it, and makes it if there is none. Handlers run without it too: they are compiled each time.
    pub fn open(&self) -> Option<Cache> {
        let folder = self.folder.as_ref()?;
        let opened = self.keys.prepare().and_then(|()| Cache::open(folder, self.keys.path()));
        opened
            .inspect_err(|error| {
                tracing::warn!(%error, folder = %folder.display(), "handlers are compiled anew each time")
            })
            .ok()
    }

    /// What a workload must neither read nor change.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.folder.clone().into_iter().chain([self.keys.path().to_owned()])
    }
}

fn customary() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let parent = if nix::unistd::geteuid().is_root() {
        Some(PathBuf::from("/var/cache"))
    } else {
        variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))
    };
    Some(parent?.join("proxy-everything/components"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_is_opened_and_hidden() {
        let parent = tempfile::tempdir().unwrap();
        let chosen = CacheDir::locate(Some(&parent.path().join("a/b")));
        assert!(chosen.open().is_some());
        let paths: Vec<_> = chosen.paths().collect();
        assert_eq!(paths, [parent.path().join("a/b"), StateDir::locate(None).path().to_owned()]);

        std::fs::write(parent.path().join("file"), "").unwrap();
        let blocked = CacheDir::locate(Some(&parent.path().join("file")));
        assert!(blocked.open().is_none(), "and all goes on without");
    }
}
