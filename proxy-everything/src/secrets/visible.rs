//! What a workload is able to see, and to change. A secret that it was able to see is none, so a source that was not hidden from it
//! when it started is refused: the environment and the files of a running command cannot be taken back. A program that it could
//! change would be one of its own, outside of its walls.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{capture::HIDDEN_DIR, hidden::below_any, watch::Command};

/// What the workload has been able to see of ours since it started.
#[derive(Clone, Debug)]
pub enum Visible {
    /// It was started elsewhere, with an environment and a file system of its own.
    Nothing,
    /// It was started from our environment, and sees our files but for some.
    Shared(Arc<Shared>),
}

/// What a command of `run` has been able to see.
#[derive(Debug, Default)]
pub struct Shared {
    /// Names of the variables in its environment.
    variables: BTreeSet<String>,
    /// The files that were hidden from it, beside all of `/run`; every other file may be visible.
    hidden_files: BTreeMap<PathBuf, Option<FileId>>,
    /// What is shown to it of `/run` and of other hidden folders.
    kept: Vec<PathBuf>,
}

/// Device and inode. What is hidden is the file that a path leads to, and not whatever takes its place.
type FileId = (u64, u64);

impl Visible {
    /// For a command with these variables, from which `hidden_files` are about to be hidden, while `kept` is not.
    pub fn shared(variables: BTreeSet<String>, hidden_files: BTreeSet<PathBuf>, kept: Vec<PathBuf>) -> Self {
        let identified = |path: PathBuf| {
            let found = fs::metadata(&path).ok().map(|found| id(&found));
            (path, found)
        };
        let hidden_files = hidden_files.into_iter().map(identified).collect();
        Self::Shared(Arc::new(Shared { variables, hidden_files, kept }))
    }

    /// Whether the workload sees nothing at this path.
    pub(crate) fn hides_file(&self, canonical: &Path) -> bool {
        match self {
            Self::Nothing => true,
            Self::Shared(shared) => shared.in_hidden_folder(canonical) || shared.hidden(canonical).is_some(),
        }
    }

    /// Whether a variable is not in the workload's environment.
    pub(super) fn hides_variable(&self, name: &str) -> bool {
        match self {
            Self::Nothing => true,
            Self::Shared(shared) => !shared.variables.contains(name),
        }
    }

    /// Refuses a file, of which `found` is known, that the workload was able to see, or is now.
    pub(super) fn check_file(&self, path: &Path, found: &Metadata) -> Result<(), String> {
        let Self::Shared(shared) = self else { return Ok(()) };
        let shown = path.display();
        let canonical = fs::canonicalize(path).map_err(|error| failed(path, &error))?;
        if shared.in_hidden_folder(&canonical) {
            return Ok(());
        }
        match shared.hidden(&canonical) {
            None => Err(format!(
                "the file {shown} was not hidden from the workload when it started; start the workload with this policy"
            )),
            Some(Some(hidden)) if *hidden == id(found) => Ok(()),
            Some(_) => Err(format!(
                "the file {shown} was replaced since the workload started, and what has its place is not hidden from it; \
                 write in place, or keep it below {HIDDEN_DIR}"
            )),
        }
    }

    /// Refuses a program, or a file that it is given, that the workload could change.
    pub(super) fn check_program(&self, path: &Path) -> Result<(), String> {
        if matches!(self, Self::Nothing) {
            return Ok(());
        }
        let followed = Command::ours().and_then(|command| command.follow(path));
        followed.map(|_| ()).map_err(|error| error.to_string())
    }
}

impl Shared {
    fn in_hidden_folder(&self, canonical: &Path) -> bool {
        canonical.starts_with(HIDDEN_DIR) && !below_any(canonical, &self.kept)
    }

    fn hidden(&self, canonical: &Path) -> Option<&Option<FileId>> {
        self.hidden_files.get(canonical)
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn id(found: &Metadata) -> FileId {
    (found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(hidden_files: &[&Path], kept: &[&str]) -> Visible {
        let hidden = hidden_files.iter().map(|path| fs::canonicalize(path).unwrap()).collect();
        Visible::shared(BTreeSet::from(["PATH".to_owned()]), hidden, kept.iter().map(PathBuf::from).collect())
    }

    fn check(visible: &Visible, path: &Path) -> Result<(), String> {
        visible.check_file(path, &fs::metadata(path).unwrap())
    }

    #[test]
    fn a_file_must_have_been_hidden() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "value").unwrap();
        let visible = shared(&[], &[]);
        assert!(check(&visible, &path).unwrap_err().contains("was not hidden"));
        check(&Visible::Nothing, &path).unwrap();
        let hidden = shared(&[&path], &[]);
        check(&hidden, &path).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        check(&hidden, &link).expect("another way to the same file");
        assert!(visible.hides_file(Path::new("/run/secrets/later")));
        assert!(!visible.hides_file(Path::new("/running/secret")));
        let keeping = shared(&[], &["/run/secrets"]);
        assert!(!keeping.hides_file(Path::new("/run/secrets/later")));
        assert!(keeping.hides_file(Path::new("/run/secrets.d/later")));
    }

    #[test]
    fn what_takes_the_place_of_a_hidden_file_is_not_hidden() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "value").unwrap();
        let hidden = shared(&[&path], &[]);
        fs::write(&path, "in place").unwrap();
        check(&hidden, &path).unwrap();
        fs::write(directory.path().join("new"), "replaced").unwrap();
        fs::rename(directory.path().join("new"), &path).unwrap();
        assert!(check(&hidden, &path).unwrap_err().contains("was replaced"));
        let missing = BTreeSet::from([directory.path().join("later")]);
        let visible = Visible::shared(BTreeSet::new(), missing, Vec::new());
        let later = fs::canonicalize(directory.path()).unwrap().join("later");
        fs::write(&later, "value").unwrap();
        assert!(check(&visible, &later).is_err(), "there was nothing to hide");
    }

    #[test]
    fn a_variable_must_not_have_been_visible() {
        let seen = shared(&[], &[]);
        assert!(!seen.hides_variable("PATH"));
        assert!(seen.hides_variable("TOKEN"));
        assert!(Visible::Nothing.hides_variable("PATH"));
    }

    #[test]
    fn a_program_must_not_be_the_workloads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tool");
        fs::write(&path, "#!/bin/sh\n").unwrap();
        Visible::Nothing.check_program(&path).unwrap();
        assert!(shared(&[], &[]).check_program(&path).unwrap_err().contains("belongs to the command's user"));
    }
}
