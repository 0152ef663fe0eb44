//! Watching the files of a policy. Receives their paths, and puts each change in force as `policy apply` would. It polls what the
//! paths lead to, four times a second, instead of asking the kernel for events: that works on every file system, networks and
//! overlays among them, and through every pattern of links and renames, such as a ConfigMap's `..data` or an editor's backup. What
//! changed is read once it has been the same twice, so that a half-written file is not put in force. Whatever is wrong with a file
//! leaves in force what was, and is told by `instance/changes.rs`.

mod guard;

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

pub use guard::{Command, GuardError};

use crate::{
    config::{ConfigError, Document, MAX_DOCUMENT, Part},
    instance::{Expected, Instance},
};

/// Between two looks.
const POLL: Duration = Duration::from_millis(250);

/// The files that a policy is made of, and what was read of them last.
#[derive(Debug, Serialize, Deserialize)]
pub struct PolicyFiles {
    /// Absolute.
    paths: Vec<PathBuf>,
    /// The texts that were accepted last; `None` if what is there now was refused.
    accepted: Mutex<Option<Vec<String>>>,
}

impl PolicyFiles {
    /// The files at `paths`, in their order, which nobody has read yet.
    pub fn at(paths: &[PathBuf]) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        Self { paths: paths.iter().map(absolute).collect(), accepted: Mutex::default() }
    }

    /// The same, of which `texts` were read and are in force.
    pub fn with(self, texts: Vec<String>) -> Self {
        self.accept(Some(texts));
        self
    }

    /// The document that is there now.
    pub fn document(&self) -> Result<Document, ConfigError> {
        let texts = self.read(None)?;
        let document = self.load(texts.clone())?;
        self.accept(Some(texts));
        Ok(document)
    }

    /// One document of all texts. One that is alone needs no name where its rules are told.
    fn load(&self, texts: Vec<String>) -> Result<Document, ConfigError> {
        let alone = texts.len() == 1;
        let part = |(path, text): (&PathBuf, String)| Part {
            source: (!alone).then(|| path.display().to_string()),
            base: path.parent().unwrap_or_else(|| Path::new("/")).to_owned(),
            text,
        };
        Document::merge(self.paths.iter().zip(texts).map(part).collect())
    }

    fn read(&self, command: Option<&Command>) -> Result<Vec<String>, ConfigError> {
        let one = |path: &PathBuf| {
            read(path, command).map_err(|error| ConfigError::File { path: path.clone(), error })
        };
        self.paths.iter().map(one).collect()
    }

    fn identities(&self) -> Vec<Result<Identity, io::ErrorKind>> {
        let one = |path: &PathBuf| match fs::metadata(path) {
            Ok(found) => Ok(Identity::of(&found)),
            Err(error) => Err(error.kind()),
        };
        self.paths.iter().map(one).collect()
    }

    /// How faults call it.
    fn name(&self) -> String {
        let names: Vec<_> = self.paths.iter().map(|path| path.display().to_string()).collect();
        names.join(", ")
    }

    fn is_accepted(&self, texts: &[String]) -> bool {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(texts)
    }

    fn accept(&self, texts: Option<Vec<String>>) {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = texts;
    }
}

/// What a path leads to, as far as it tells whether its text may be another one than before. Times have seconds and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// Of what was found.
    pub fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// When the kernel saw the last change.
    pub fn changed(&self) -> Option<SystemTime> {
        let (seconds, nanoseconds) = self.changed;
        let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since)
    }
}

/// The text of a regular file that the command, if there is one to beware of, cannot change.
fn read(path: &Path, command: Option<&Command>) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    // It may be another one by now, and opening a pipe waits for somebody who writes.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let opened = file.metadata()?;
    if let Some(command) = command {
        let judged = command.follow(path).map_err(io::Error::other)?;
        if Identity::of(&judged) != Identity::of(&opened) {
            return Err(io::Error::other("it was replaced while it was looked at"));
        }
    }
    let mut text = Vec::new();
    file.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut text)?;
    if text.len() > MAX_DOCUMENT {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    String::from_utf8(text).map_err(|_| io::Error::other("it is not UTF-8"))
}

/// Has `look` taken four times a second, where it may block, until this is dropped.
pub async fn again_and_again<T: Send + 'static>(
    mut watch: T,
    instance: Arc<Instance>,
    look: fn(&mut T, &Instance),
) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let instance = Arc::clone(&instance);
        let step = move || {
            look(&mut watch, &instance);
            watch
        };
        match tokio::task::spawn_blocking(step).await {
            Ok(same) => watch = same,
            Err(error) => return tracing::error!(%error, "files are not watched any more"),
        }
    }
}

/// What one look at the files gave.
#[derive(Debug)]
enum Look {
    /// Nothing new, or not yet.
    Nothing,
    /// They have changed and are the same again.
    Texts(Vec<String>),
    /// The same, and one of them cannot be read.
    Fault(ConfigError),
}

/// A watch on the files of an instance's policy.
pub struct Watch {
    files: Arc<PolicyFiles>,
    command: Option<Command>,
    seen: Vec<Result<Identity, io::ErrorKind>>,
    handled: bool,
}

impl Watch {
    /// Of `files`. Before each reading it is made sure that `command`, if there is one to beware of, cannot change them.
    pub fn new(files: Arc<PolicyFiles>, command: Option<Command>) -> Self {
        Self { files, command, seen: Vec::new(), handled: false }
    }

    /// Puts changes in force until it is dropped.
    pub async fn keep(self, instance: Arc<Instance>) {
        again_and_again(self, instance, Self::step).await;
    }

    fn step(&mut self, instance: &Instance) {
        let source = self.files.name();
        match self.look() {
            Look::Nothing => {}
            Look::Fault(error) => instance.changes.refuse(&instance.id, &source, &error),
            Look::Texts(texts) if self.files.is_accepted(&texts) => instance.changes.put_right(&source),
            Look::Texts(texts) => {
                // Before it is in force: whoever then saves the instance saves this too.
                self.files.accept(Some(texts.clone()));
                if instance.change(&source, self.files.load(texts), &Expected::Any).is_err() {
                    self.files.accept(None);
                }
            }
        }
    }

    fn look(&mut self) -> Look {
        let found = self.files.identities();
        if found != self.seen {
            self.seen = found;
            self.handled = false;
            return Look::Nothing;
        }
        if self.handled {
            return Look::Nothing;
        }
        let read = self.files.read(self.command.as_ref());
        if self.files.identities() != self.seen {
            self.seen.clear();
            return Look::Nothing;
        }
        self.handled = true;
        read.map_or_else(Look::Fault, Look::Texts)
    }
}

#[cfg(test)]
mod tests;
