//! Building a handler again when its source has changed. Receives looks at the project's files, as they are taken of a policy's; builds
//! once they have been the same twice, and puts what was built in force. Whatever fails leaves there what was, and is told.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use anyhow::Context;

use super::{build, console::say};
use crate::{
    instance::{Expected, Instance, Same},
    watch::Identity,
};

/// Files of one project, beside those in folders that tools fill.
const MAX_FILES: usize = 4096;
/// What tools fill, and what begins with a dot.
const FILLED: [&str; 3] = ["node_modules", "target", "__pycache__"];
const STAYS: &str = "what was there goes on serving";

type Sources = BTreeMap<PathBuf, Identity>;

/// A handler that is being written.
pub(super) struct Project {
    /// Absolute: a folder, a source file or a component.
    source: PathBuf,
    component: PathBuf,
    /// Files in the folder that are not built of.
    others: Vec<PathBuf>,
    /// As they were seen last.
    seen: Sources,
    /// As they were when they were built last.
    built: Sources,
}

impl Project {
    /// The project at `source`, whose folder may hold `policy` too. Nothing is built yet.
    pub(super) fn at(source: &Path, policy: &[PathBuf]) -> anyhow::Result<Self> {
        let source = std::path::absolute(source)?;
        let component = if is_component(&source) { source.clone() } else { build::component_of(&source) };
        let policy = policy.iter().map(std::path::absolute).collect::<io::Result<Vec<_>>>()?;
        let others = if component == source { policy } else { [policy, vec![component.clone()]].concat() };
        let mut project =
            Self { source, component, others, seen: Sources::default(), built: Sources::default() };
        project.seen = project.sources();
        let place = project.source.display();
        anyhow::ensure!(!project.seen.is_empty(), "there is nothing at {place}");
        anyhow::ensure!(project.seen.len() < MAX_FILES, "{place} has more than {MAX_FILES} files");
        Ok(project)
    }

    /// What is built.
    pub(super) fn component(&self) -> &Path {
        &self.component
    }

    /// Builds what was seen last, and says whether that went well.
    pub(super) fn build(&mut self) -> anyhow::Result<bool> {
        self.built = self.seen.clone();
        if self.component == self.source {
            return Ok(true);
        }
        // The command's own output is nothing for toolchains to write to.
        let told = io::stderr();
        let told = std::os::fd::AsFd::as_fd(&told).try_clone_to_owned().context("standard error")?;
        build::make(&self.source, &self.component, Stdio::from(told))
    }

    /// Looks at the files, and does what is to be done.
    pub(super) fn look(&mut self, instance: &Instance) {
        let found = self.sources();
        if found != self.seen {
            self.seen = found;
            return;
        }
        if self.seen == self.built {
            return;
        }
        let began = Instant::now();
        match self.build() {
            Ok(true) => self.put(instance, began),
            Ok(false) => say(&format!("not built; {STAYS}")),
            Err(error) => say(&format!("not built: {error:#}; {STAYS}")),
        }
    }

    /// The policy names the file; loading again what it names is all.
    fn put(&self, instance: &Instance, began: Instant) {
        let put = instance.change_overrides(&Expected::Any, Same::LoadedAgain, |now, _| Ok(now.clone()));
        match put {
            Ok(changed) => {
                let milliseconds = began.elapsed().as_millis();
                say(&format!("in force as generation {} after {milliseconds} ms", changed.generation()));
            }
            Err(error) => say(&format!("not loaded: {error}; {STAYS}")),
        }
    }

    fn sources(&self) -> Sources {
        let mut found = Sources::default();
        let mut left = vec![self.source.clone()];
        while let Some(path) = left.pop() {
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                let entries = fs::read_dir(&path).into_iter().flatten().flatten();
                let is_link = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_symlink());
                // A link to a folder may lead round in a circle.
                let passed_by = |entry: &fs::DirEntry| {
                    is_filled(&entry.file_name()) || is_link(entry) && entry.path().is_dir()
                };
                let wanted = entries.filter(|entry| !passed_by(entry));
                left.extend(wanted.map(|entry| entry.path()).filter(|path| !self.others.contains(path)));
            } else if found.len() < MAX_FILES {
                found.insert(path, Identity::of(&metadata));
            }
        }
        found
    }
}

fn is_component(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "wasm" || kind == "wat")
}

fn is_filled(name: &OsStr) -> bool {
    FILLED.iter().any(|filled| name == *filled) || name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_built_of_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let policy = [path("policy.yaml")];
        assert!(Project::at(&path("missing"), &[]).is_err());
        for name in ["src", "node_modules", ".git"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("file.ts"), "1").unwrap();
        }
        for name in ["handler.ts", "handler.wasm", "policy.yaml", ".swap"] {
            fs::write(path(name), "1").unwrap();
        }
        std::os::unix::fs::symlink("..", path("src/circle")).unwrap();
        let project = Project::at(folder.path(), &policy).unwrap();
        let names: Vec<_> = project.seen.keys().cloned().collect();
        assert_eq!(names, [path("handler.ts"), path("src/file.ts")]);
        fs::write(path("handler.wasm"), "22").unwrap();
        fs::write(path("policy.yaml"), "22").unwrap();
        assert_eq!(project.sources(), project.seen);
        fs::write(path("src/file.ts"), "22").unwrap();
        assert_ne!(project.sources(), project.seen);

        let alone = Project::at(&path("handler.ts"), &[]).unwrap();
        assert_eq!(alone.seen.len(), 1);
        assert_eq!(alone.component(), path("handler.wasm"));
        let mut given = Project::at(&path("handler.wasm"), &[]).unwrap();
        assert_eq!((given.seen.len(), given.component()), (1, &*path("handler.wasm")));
        assert!(given.build().unwrap(), "there is nothing to build");
    }
}
