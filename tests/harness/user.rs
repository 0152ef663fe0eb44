//! Who runs the proxy.
//!
//! The product promises the same to root and to an ordinary user, so every test is a function of a [`User`]. The tests
//! themselves run as root, because only root can become somebody else.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Gid, Uid, chown, geteuid};

/// `nobody` and `nogroup`: no home, no groups, no rights.
const NOBODY: u32 = 65534;

/// The user that a run belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// uid 0.
    Root,
    /// uid 65534, without any capability.
    Nobody,
    /// Whoever runs the demo.
    Myself,
}

impl User {
    /// A command that will run as this user, with no environment but a plain `PATH`.
    pub fn command(self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        match self {
            Self::Root => assert!(geteuid().is_root(), "the whole-system tests must be run as root"),
            Self::Nobody => drop(command.uid(NOBODY).gid(NOBODY)),
            Self::Myself => {}
        }
        command
    }

    /// Gives a file or directory to this user.
    pub fn own(self, path: &Path) {
        if self == Self::Nobody {
            chown(path, Some(Uid::from_raw(NOBODY)), Some(Gid::from_raw(NOBODY))).expect("chown");
        }
    }
}

/// Makes two tests, `root::NAME` and `nobody::NAME`, of each function that takes a [`User`].
#[macro_export]
macro_rules! for_each_user {
    ($($name:ident),+ $(,)?) => {
        mod root { $(#[test] fn $name() { super::$name($crate::User::Root); })+ }
        mod nobody { $(#[test] fn $name() { super::$name($crate::User::Nobody); })+ }
    };
}
