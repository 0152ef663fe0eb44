//! Secrets in files: what is written there, and the credentials that systemd and Kubernetes put there. Receives a path, hands on what
//! is in the file now: each use looks whether it is still the same file as before, unchanged, and reads it again if not. A file that
//! cannot be read, or whose text is no secret, gives nothing, and never what was there before.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use zeroize::Zeroizing;

use super::{
    value::{Good, MAX_BYTES, good},
    visible::{Visible, failed},
};
use crate::watch::Identity;

/// A file that was changed so short a time ago may be changed again without a new time: the kernel's clock for files has steps of up
/// to 10 ms.
const UNSETTLED: Duration = Duration::from_millis(50);
/// Where systemd says that a service's credentials are.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// A file with what it held when it was read last.
#[derive(Debug)]
pub(super) struct SecretFile {
    path: PathBuf,
    visible: Visible,
    read: RwLock<Option<(Identity, Good)>>,
}

/// Where the credential of this name is.
pub(super) fn credential(name: &str) -> Result<PathBuf, String> {
    let folder = std::env::var_os(CREDENTIALS).filter(|folder| !folder.is_empty());
    let folder =
        folder.ok_or_else(|| format!("{CREDENTIALS} is not set: systemd has handed us no credential"))?;
    Ok(Path::new(&folder).join(name))
}

impl SecretFile {
    pub(super) fn new(path: PathBuf, visible: Visible) -> Self {
        Self { path, visible, read: RwLock::default() }
    }

    /// What is in it now.
    pub(super) fn value(&self) -> Result<Good, String> {
        let found = fs::metadata(&self.path).map_err(|error| failed(&self.path, &error))?;
        let identity = Identity::of(&found);
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, value)) = &*read
            && *known == identity
        {
            return Ok(value.clone());
        }
        drop(read);
        let result = self.again();
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        *read = match &result {
            Ok((Some(identity), value)) => Some((*identity, value.clone())),
            _ => None,
        };
        result.map(|(_, value)| value)
    }

    /// What is in it, and by what it is known again if that can be told.
    fn again(&self) -> Result<(Option<Identity>, Good), String> {
        let (text, identity) = read(&self.path, &self.visible)?;
        let text = String::from_utf8(text.to_vec())
            .map_err(|_| format!("{}: it is not UTF-8", self.path.display()))?;
        let value = good(text).map_err(str::to_owned)?;
        Ok((identity, value))
    }
}

/// The bytes of a file that is hidden from the workload, and by what the file is known again, if it has not just been changed.
fn read(path: &Path, visible: &Visible) -> Result<(Zeroizing<Vec<u8>>, Option<Identity>), String> {
    let failed = |error| failed(path, &error);
    // Opening a pipe waits for somebody who writes.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
    let before = file.metadata().map_err(failed)?;
    if !before.is_file() {
        return Err(format!("{}: it is no regular file", path.display()));
    }
    visible.check_file(path, &before)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    (&file).take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_BYTES {
        return Err(format!("{} has more than {MAX_BYTES} bytes", path.display()));
    }
    let after = file.metadata().map_err(failed)?;
    let identity = Identity::of(&after);
    let is_settled = identity == Identity::of(&before)
        && identity.changed().and_then(|at| SystemTime::now().duration_since(at).ok()) > Some(UNSETTLED);
    Ok((bytes, is_settled.then_some(identity)))
}

/// The text of a file that proves who we are, read once; the workload must not see it.
pub fn text(path: &Path, visible: &Visible) -> Result<Zeroizing<String>, String> {
    let (bytes, _) = read(path, visible)?;
    let text = str::from_utf8(&bytes).map_err(|_| format!("{}: it is not UTF-8", path.display()))?;
    Ok(Zeroizing::new(text.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::{fs::FileTimes, os::unix::fs::symlink};

    use super::{super::value::Lines, *};

    fn exposed(file: &SecretFile) -> Result<String, String> {
        let value = file.value()?.within(Lines::One)?;
        Ok(value.expose().to_owned())
    }

    fn file(path: &Path) -> SecretFile {
        SecretFile::new(path.to_owned(), Visible::Nothing)
    }

    #[test]
    fn written_in_place_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "first\n").unwrap();
        let secret = file(&path);
        for text in ["first", "other", "third"] {
            // The same size, and within one step of the kernel's clock.
            fs::write(&path, text).unwrap();
            assert_eq!(exposed(&secret).unwrap(), text);
            assert_eq!(exposed(&secret).unwrap(), text);
        }
        fs::write(folder.path().join("new"), "newer").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(exposed(&secret).unwrap(), "newer");
    }

    #[test]
    fn as_kubernetes_does_it() {
        let folder = tempfile::tempdir().unwrap();
        for (version, text) in [("..1", "first"), ("..2", "other")] {
            fs::create_dir(folder.path().join(version)).unwrap();
            fs::write(folder.path().join(version).join("token"), text).unwrap();
        }
        symlink("..1", folder.path().join("..data")).unwrap();
        symlink("..data/token", folder.path().join("token")).unwrap();
        let secret = file(&folder.path().join("token"));
        assert_eq!(exposed(&secret).unwrap(), "first");
        symlink("..2", folder.path().join("..data_tmp")).unwrap();
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
        assert_eq!(exposed(&secret).unwrap(), "other");
    }

    #[test]
    fn what_cannot_be_read_is_not_what_was_there_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let secret = file(&path);
        assert!(exposed(&secret).unwrap_err().contains("No such file"));
        for (text, fault) in [
            (&b"value"[..], None),
            (b"", Some("empty")),
            (b"value", None),
            (b"canary\nline", Some("more than one line")),
            (b"canary\xff", Some("UTF-8")),
            (&[b'a'; MAX_BYTES + 1], Some("more than 65536 bytes")),
            (b"value", None),
        ] {
            fs::write(&path, text).unwrap();
            match (exposed(&secret), fault) {
                (Ok(value), None) => assert_eq!(value, "value"),
                (Err(error), Some(fault)) => {
                    assert!(error.contains(fault) && !error.contains("canary"), "{error}");
                }
                (result, _) => panic!("{result:?} {fault:?}"),
            }
        }
        fs::remove_file(&path).unwrap();
        assert!(exposed(&secret).is_err());
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(exposed(&secret).unwrap_err().contains("no regular file"));
    }

    #[test]
    fn a_file_that_has_long_been_the_same_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "value").unwrap();
        let settled = SystemTime::now() + UNSETTLED * 2;
        while SystemTime::now() < settled {
            std::thread::yield_now();
        }
        let secret = file(&path);
        let first = secret.value().unwrap().within(Lines::One).unwrap();
        let second = secret.value().unwrap().within(Lines::One).unwrap();
        assert!(std::sync::Arc::ptr_eq(&first, &second));
        // The times that whoever writes can choose are not the only ones that count.
        let times = FileTimes::new().set_modified(fs::metadata(&path).unwrap().modified().unwrap());
        fs::write(&path, "other").unwrap();
        File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        assert_eq!(exposed(&secret).unwrap(), "other");
    }

    #[test]
    fn the_workload_must_not_have_seen_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "value").unwrap();
        let canonical = fs::canonicalize(&path).unwrap();
        let hidden = Visible::shared([].into(), [canonical].into(), Vec::new());
        let secret = SecretFile::new(path.clone(), hidden);
        assert_eq!(exposed(&secret).unwrap(), "value");
        fs::write(folder.path().join("new"), "canary").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert!(exposed(&secret).unwrap_err().contains("was replaced"));
    }
}
