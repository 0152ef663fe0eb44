//! Who could change what a path leads to. Receives a path, follows it from the root, link by link, and hands on the file at its end
//! if a command could change no step of the way. `run --watch` needs this: the command has our user, and a file that it can write or
//! replace would be a policy of its own making.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use nix::unistd::{AccessFlags, access, getegid, geteuid, getgroups};

/// As the kernel (path_resolution(7)).
const MAX_LINKS: u32 = 40;
/// Permission bits (inode(7)).
const STICKY: u32 = 0o1000;
const BY_GROUP: u32 = 0o020;
const BY_ALL: u32 = 0o002;

/// Why a path is not watched.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The command could make it lead elsewhere, or change what is there.
    #[error("{} {why}, and could change the policy", component.display())]
    Changeable {
        /// The step that it could change.
        component: PathBuf,
        /// How.
        why: &'static str,
    },
    /// It leads to no file.
    #[error("{}: {error}", component.display())]
    Io {
        /// The step that cannot be taken.
        component: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

/// The command, as the file system sees it.
#[derive(Clone, Debug)]
pub struct Command {
    user: u32,
    groups: Vec<u32>,
}

impl Command {
    /// A command of our own user, without any capability.
    pub fn ours() -> Result<Self, GuardError> {
        let failed = |error: nix::Error| GuardError::Io { component: "/".into(), error: error.into() };
        let mut groups: Vec<u32> = getgroups().map_err(failed)?.iter().map(|group| group.as_raw()).collect();
        groups.push(getegid().as_raw());
        Ok(Self { user: geteuid().as_raw(), groups })
    }

    /// The file that `path` leads to, if the command can change neither it nor the way.
    pub fn follow(&self, path: &Path) -> Result<Metadata, GuardError> {
        let failed = |component: &Path| {
            let component = component.to_owned();
            |error| GuardError::Io { component, error }
        };
        let path = std::path::absolute(path).map_err(failed(path))?;
        let (mut at, mut left) = (PathBuf::from("/"), steps(&path));
        let mut found = self.judge(&at)?;
        let mut links = 0;
        while let Some(step) = left.pop() {
            if step == ".." {
                at.pop();
            } else {
                at.push(step);
            }
            found = self.judge(&at)?;
            if found.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(failed(&at)(io::Error::from_raw_os_error(libc::ELOOP)));
                }
                let target = fs::read_link(&at).map_err(failed(&at))?;
                at.pop();
                if target.is_absolute() {
                    at = "/".into();
                }
                left.extend(steps(&target));
            }
        }
        if found.is_file() { Ok(found) } else { Err(failed(&at)(io::Error::other("it is no regular file"))) }
    }

    fn judge(&self, component: &Path) -> Result<Metadata, GuardError> {
        let found = fs::symlink_metadata(component)
            .map_err(|error| GuardError::Io { component: component.to_owned(), error })?;
        let changeable = |why| Err(GuardError::Changeable { component: component.to_owned(), why });
        if found.uid() == self.user {
            return changeable("belongs to the command's user");
        }
        // The mode of a link means nothing, and in a sticky folder one can only take away what is one's own.
        if found.is_symlink() || found.is_dir() && found.mode() & STICKY != 0 {
            return Ok(found);
        }
        if found.mode() & BY_ALL != 0 {
            return changeable("can be written by everybody");
        }
        if found.mode() & BY_GROUP != 0 && self.groups.contains(&found.gid()) {
            return changeable("can be written by a group of the command");
        }
        if self.is_granted(component) {
            return changeable("can be written by the command");
        }
        Ok(found)
    }

    /// Access lists are not in the mode. The kernel knows them, but can be asked about ourselves only.
    fn is_granted(&self, component: &Path) -> bool {
        self.user == geteuid().as_raw() && access(component, AccessFlags::W_OK).is_ok()
    }
}

/// The last one first.
fn steps(path: &Path) -> Vec<OsString> {
    let steps = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    const USER: u32 = 4711;
    const GROUP: u32 = 4712;

    /// `a/b/file` below a folder of root's, which only root could make: these tests run as root, or as whoever owns it.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(directory.path()).unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/file"), "").unwrap();
        for name in ["", "a", "a/b"] {
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(root.join("a/b/file"), fs::Permissions::from_mode(0o644)).unwrap();
        (directory, root)
    }

    fn command() -> Command {
        Command { user: USER, groups: vec![GROUP] }
    }

    fn refused(path: &Path) -> Option<PathBuf> {
        match command().follow(path) {
            Ok(_) => None,
            Err(GuardError::Changeable { component, .. }) => Some(component),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn each_step_counts() {
        let (_directory, root) = tree();
        let file = root.join("a/b/file");
        assert_eq!(refused(&file), None);
        for name in ["a", "a/b", "a/b/file"] {
            let step = root.join(name);
            let before = fs::metadata(&step).unwrap();
            for (mode, user, group, is_refused) in [
                (0o755, 0, 0, false),
                (0o775, 0, 0, false),
                (0o775, 0, GROUP, true),
                (0o755, 0, GROUP, false),
                (0o757, 0, 0, true),
                (0o555, USER, 0, true),
            ] {
                chown(&step, Some(user), Some(group)).unwrap();
                fs::set_permissions(&step, fs::Permissions::from_mode(mode)).unwrap();
                let expected = is_refused.then(|| step.clone());
                assert_eq!(refused(&file), expected, "{name} {mode:o} {user} {group}");
            }
            chown(&step, Some(before.uid()), Some(before.gid())).unwrap();
            fs::set_permissions(&step, before.permissions()).unwrap();
        }
    }

    #[test]
    fn in_a_sticky_folder_only_ones_own_can_be_replaced() {
        let (_directory, root) = tree();
        let (folder, file) = (root.join("a/b"), root.join("a/b/file"));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(refused(&file), None);
        chown(&file, Some(USER), None).unwrap();
        assert_eq!(refused(&file), Some(file.clone()));
        chown(&file, Some(0), None).unwrap();
        chown(&folder, Some(USER), None).unwrap();
        assert_eq!(refused(&file), Some(folder));
    }

    #[test]
    fn links_are_followed_and_their_own_folders_count() {
        let (_directory, root) = tree();
        fs::create_dir(root.join("links")).unwrap();
        let link = root.join("links/link");
        symlink("../a/b/../b/file", &link).unwrap();
        assert_eq!(refused(&link), None);
        symlink(root.join("links/link"), root.join("second")).unwrap();
        assert_eq!(refused(&root.join("second")), None);
        fs::set_permissions(root.join("links"), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(refused(&root.join("second")), Some(root.join("links")));
        fs::set_permissions(root.join("links"), fs::Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(refused(&link), None);
        std::os::unix::fs::lchown(&link, Some(USER), None).unwrap();
        assert_eq!(refused(&link), Some(link.clone()), "it could be replaced");
        std::os::unix::fs::lchown(&link, Some(0), None).unwrap();
        fs::set_permissions(root.join("a"), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(refused(&link), Some(root.join("a")));
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        let (_directory, root) = tree();
        symlink("loop", root.join("loop")).unwrap();
        for name in ["loop", "missing", "a/b", "a/b/file/more"] {
            let error = command().follow(&root.join(name)).unwrap_err();
            assert!(matches!(error, GuardError::Io { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn root_owns_every_way() {
        let (_directory, root) = tree();
        let command = Command { user: 0, groups: vec![0] };
        let error = command.follow(&root.join("a/b/file")).unwrap_err();
        assert!(error.to_string().starts_with("/ belongs to the command's user"), "{error}");
    }
}
