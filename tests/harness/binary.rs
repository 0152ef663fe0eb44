//! Finding the program under test.
//!
//! Gives the path of the `proxy-everything` binary, at a place that every user can reach. A checkout in somebody's
//! private directory is normal, so the binary is then copied once for all tests that run at the same time.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

/// The binary, and the directory of its copy for as long as somebody uses it.
#[derive(Clone)]
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    _copy: Option<Arc<TempDir>>,
}

static COPY: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());

/// The binary named by `PROXY_EVERYTHING_BIN`, or the one that cargo built beside this executable.
pub(crate) fn find() -> Binary {
    let built = built();
    if reachable_by_all(&built) {
        return Binary { path: built, _copy: None };
    }
    let mut current = COPY.lock().unwrap_or_else(PoisonError::into_inner);
    let copy = current.upgrade().unwrap_or_else(|| {
        let directory = TempDir::with_prefix("proxy-everything-bin-").expect("temporary directory");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("chmod");
        fs::copy(&built, directory.path().join("proxy-everything")).expect("copy the binary");
        Arc::new(directory)
    });
    *current = Arc::downgrade(&copy);
    Binary { path: copy.path().join("proxy-everything"), _copy: Some(copy) }
}

/// Absolute, because a run happens in a directory of its own.
fn built() -> PathBuf {
    let path = std::env::var_os("PROXY_EVERYTHING_BIN").map_or_else(beside_this_executable, PathBuf::from);
    assert!(path.is_file(), "{} is missing; `make test` and `make demo` build it first", path.display());
    std::path::absolute(path).expect("an absolute path")
}

/// A test executable is `target/PROFILE/deps/NAME-HASH`, the demo is `target/PROFILE/demo`.
fn beside_this_executable() -> PathBuf {
    let executable = std::env::current_exe().expect("current executable");
    let directory = executable.parent().expect("directory of the executable");
    let profile = if directory.ends_with("deps") { directory.parent().expect("profile") } else { directory };
    profile.join("proxy-everything")
}

fn reachable_by_all(path: &Path) -> bool {
    let mode = |path: &Path| fs::metadata(path).map_or(0, |found| found.permissions().mode());
    mode(path) & 0o005 == 0o005 && path.ancestors().skip(1).all(|directory| mode(directory) & 0o001 == 0o001)
}
