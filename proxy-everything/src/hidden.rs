//! What a command does not see of the file system, beside all of `/run`. Receives what is ours and what the user says, hands on
//! the paths to hide and those to keep. A socket in the file system is a way out as good as any network, so whatever somebody
//! listens at when the command starts is hidden too, wherever it is.

pub mod sockets;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::capture::{HIDDEN_DIR, INSIDE_DIR};

/// Each hidden socket is a mount; a machine has tens of them outside `/run`.
const MAX_SOCKETS: usize = 4096;
/// The command has others of these than the host, or a read-only view of them.
const NOT_TO_KEEP: [&str; 3] = ["/dev", "/proc", "/sys"];

/// The paths to hide, and those to show nevertheless.
#[derive(Debug, Default)]
pub struct Hidden {
    /// Files and folders to put empty ones over; those that do not exist need none.
    pub masked: Vec<PathBuf>,
    /// Canonical; shown although they lie in a hidden folder.
    pub kept: Vec<PathBuf>,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum HiddenError {
    /// A wish that names nothing is a mistake, and a mistake must not leave something visible.
    #[error("{flag} {}: {source}", .path.display())]
    Missing {
        /// The flag as it is typed.
        flag: &'static str,
        /// What it names.
        path: PathBuf,
        /// Why it cannot be used.
        source: io::Error,
    },
    /// The command would see what is ours.
    #[error("--keep {}: {} is never shown to the command", .path.display(), .ours.display())]
    Ours {
        /// What was to be kept.
        path: PathBuf,
        /// What it is, holds or lies in.
        ours: PathBuf,
    },
    /// There would be nothing left, or nothing hidden.
    #[error("--mask {}: the root folder cannot be hidden", .0.display())]
    Root(PathBuf),
    /// The kernel's list of sockets cannot be used.
    #[error("cannot find the sockets to hide: {0}")]
    Sockets(#[from] io::Error),
}

impl Hidden {
    /// Hides `own`, what the user wants hidden, and every known socket; of the sockets, not those that the user wants kept.
    pub fn choose(own: Vec<PathBuf>, mask: &[PathBuf], keep: &[PathBuf]) -> Result<Self, HiddenError> {
        let mask = all_existing("--mask", mask)?;
        if let Some(root) = mask.iter().find(|path| path.parent().is_none()) {
            return Err(HiddenError::Root(root.clone()));
        }
        let mut kept = all_existing("--keep", keep)?;
        refuse_ours(&own, &kept)?;
        kept.retain(|path| !below_any(path, &mask));

        let mut sockets = sockets::well_known(std::env::vars_os());
        let listening = sockets::listening()?;
        if listening.len() > MAX_SOCKETS {
            let text = format!("more than {MAX_SOCKETS} are outside of {HIDDEN_DIR}");
            return Err(HiddenError::Sockets(io::Error::other(text)));
        }
        sockets.extend(listening);
        let sockets = sockets.into_iter().filter_map(|path| fs::canonicalize(path).ok());
        let sockets = sockets.filter(|path| !below_any(path, &kept));
        let masked = own.into_iter().chain(sockets).chain(mask).collect();
        Ok(Self { masked, kept })
    }
}

/// Whether `path` is one of `folders`, or lies in one of them.
pub fn below_any(path: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

fn all_existing(flag: &'static str, paths: &[PathBuf]) -> Result<Vec<PathBuf>, HiddenError> {
    let existing = |path: &PathBuf| {
        fs::canonicalize(path).map_err(|source| HiddenError::Missing { flag, path: path.clone(), source })
    };
    paths.iter().map(existing).collect()
}

fn refuse_ours(own: &[PathBuf], kept: &[PathBuf]) -> Result<(), HiddenError> {
    let inside = [INSIDE_DIR].iter().chain(&NOT_TO_KEEP).map(PathBuf::from);
    let ours: Vec<_> = own.iter().map(|path| canonical(path)).chain(inside).collect();
    for path in kept {
        if let Some(ours) = ours.iter().find(|ours| path.starts_with(ours) || ours.starts_with(path)) {
            return Err(HiddenError::Ours { path: path.clone(), ours: ours.clone() });
        }
    }
    Ok(())
}

/// Also of a file that is yet to be made.
fn canonical(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let in_folder = |path: &Path| Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?));
    fs::canonicalize(&absolute).ok().or_else(|| in_folder(&absolute)).unwrap_or(absolute)
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    /// A folder with `own/audit`, `others/socket` (which somebody listens at) and `link` to `others`.
    fn machine() -> (tempfile::TempDir, PathBuf, UnixListener) {
        let directory = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(directory.path()).unwrap();
        for folder in ["own", "others"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        symlink(root.join("others"), root.join("link")).unwrap();
        let listener = UnixListener::bind(root.join("others/socket")).unwrap();
        (directory, root, listener)
    }

    #[test]
    fn what_is_ours_is_never_kept() {
        let (_directory, root, _listener) = machine();
        let own = vec![root.join("own/audit")];
        for (keep, refused) in [
            ("own", true),
            ("", true),
            ("others", false),
            ("others/socket", false),
            ("link", false),
            ("missing", true),
        ] {
            let result = Hidden::choose(own.clone(), &[], &[root.join(keep)]);
            assert_eq!(result.is_err(), refused, "{keep}: {result:?}");
        }
        fs::write(root.join("own/audit"), "").unwrap();
        symlink(root.join("own/audit"), root.join("others/linked")).unwrap();
        for keep in [root.join("own/audit"), root.join("others/linked"), "/".into(), "/dev/null".into()] {
            let error = Hidden::choose(own.clone(), &[], std::slice::from_ref(&keep)).unwrap_err();
            assert!(matches!(error, HiddenError::Ours { .. }), "{}: {error}", keep.display());
        }
    }

    #[test]
    fn sockets_are_hidden_unless_kept_and_masks_win() {
        let (_directory, root, _listener) = machine();
        let (folder, socket) = (root.join("others"), root.join("others/socket"));
        let link = root.join("link/socket");
        for (mask, keep, masked, kept) in [
            (None, None, Some(&socket), None),
            (None, Some(&socket), None, Some(&socket)),
            (None, Some(&link), None, Some(&socket)),
            (None, Some(&folder), None, Some(&folder)),
            (Some(&socket), Some(&socket), Some(&socket), None),
            (Some(&folder), Some(&socket), Some(&folder), None),
            (Some(&link), Some(&folder), Some(&socket), Some(&folder)),
        ] {
            let list = |path: Option<&PathBuf>| path.into_iter().cloned().collect::<Vec<_>>();
            let hidden = Hidden::choose(Vec::new(), &list(mask), &list(keep)).unwrap();
            let ours = hidden.masked.iter().any(|path| path.starts_with(&root));
            assert_eq!(ours, masked.is_some(), "{mask:?} {keep:?}: {hidden:?}");
            assert!(masked.is_none_or(|path| hidden.masked.contains(path)), "{mask:?} {keep:?}: {hidden:?}");
            assert_eq!(hidden.kept, list(kept), "{mask:?} {keep:?}");
        }
        for mask in ["/", "/no/such/file"] {
            assert!(Hidden::choose(Vec::new(), &[mask.into()], &[]).is_err(), "{mask}");
        }
    }
}
