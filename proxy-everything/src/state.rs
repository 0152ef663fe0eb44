//! Where a running instance can be found: a folder that only its user can enter, with one admin socket for each instance.
//! The workload never sees it.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::instance::KeptOverrides;

/// The folder of this user's running instances.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
    chosen: Chosen,
}

/// By whom the folder was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen {
    /// Somebody who means to use it again.
    ByUser,
    /// Nobody.
    ByCustom,
}

impl StateDir {
    /// `given`, or the customary place: `/run/proxy-everything` for root, else below `$XDG_RUNTIME_DIR`, else in `/tmp`.
    pub fn locate(given: Option<&Path>) -> Self {
        match given {
            Some(given) => Self {
                path: std::path::absolute(given).unwrap_or_else(|_| given.to_owned()),
                chosen: Chosen::ByUser,
            },
            None => Self { path: customary(), chosen: Chosen::ByCustom },
        }
    }

    /// Makes the folder if there is none; refuses one that somebody else made or can enter.
    pub fn prepare(&self) -> io::Result<()> {
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&self.path)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        let found = fs::symlink_metadata(&self.path)?;
        let ours = found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw();
        if !ours {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a folder of this user"));
        }
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The admin socket of instance `id`.
    pub fn socket(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.sock"))
    }

    /// Where instance `id` keeps what is set at run time: only in a folder that somebody chose.
    pub fn kept_overrides(&self, id: &str) -> Option<KeptOverrides> {
        let file = || KeptOverrides::at(self.path.join(format!("{id}.overrides.json")));
        (self.chosen == Chosen::ByUser).then(file)
    }

    /// The admin sockets of instances that answer.
    pub fn running(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten().map(|entry| entry.path());
        let sockets = entries.filter(|path| path.extension().is_some_and(|extension| extension == "sock"));
        let mut running: Vec<_> =
            sockets.filter(|path| std::os::unix::net::UnixStream::connect(path).is_ok()).collect();
        running.sort();
        running
    }
}

fn customary() -> PathBuf {
    let user = nix::unistd::geteuid();
    if user.is_root() {
        return "/run/proxy-everything".into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(runtime) if runtime.is_absolute() && runtime.is_dir() => runtime.join("proxy-everything"),
        _ => format!("/tmp/proxy-everything-{user}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_of_our_own_will_do() {
        let parent = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

        let fresh = StateDir::locate(Some(&parent.path().join("a/b")));
        fresh.prepare().unwrap();
        assert_eq!(mode(fresh.path()), 0o700);

        fs::set_permissions(fresh.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fresh.prepare().unwrap();
        assert_eq!(mode(fresh.path()), 0o700, "others are shut out again");

        let link = parent.path().join("link");
        std::os::unix::fs::symlink(fresh.path(), &link).unwrap();
        assert!(StateDir::locate(Some(&link)).prepare().is_err(), "a symbolic link may lead anywhere");

        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(StateDir::locate(Some(&file)).prepare().is_err());
    }

    #[test]
    fn only_a_folder_that_was_chosen_keeps_anything() {
        assert!(StateDir::locate(None).kept_overrides("a").is_none());
        assert!(StateDir::locate(Some(Path::new("/x"))).kept_overrides("a").is_some());
    }

    #[test]
    fn only_sockets_that_answer_are_running() {
        let parent = tempfile::tempdir().unwrap();
        let state = StateDir::locate(Some(parent.path()));
        assert!(state.running().is_empty());
        let listener = std::os::unix::net::UnixListener::bind(state.socket("a")).unwrap();
        assert_eq!(state.running(), [state.socket("a")]);
        drop(listener);
        assert!(state.running().is_empty(), "its owner is gone");
    }
}
