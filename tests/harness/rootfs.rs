//! Root directories for containers, made without any registry.
//!
//! One is a static busybox under all its names. The other is the skeleton of a Debian, without `/usr`: containers get the
//! host's, read-only, so that the real curl, python3, git and node run in them although no image was ever built.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// What a container's root directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// Static busybox and nothing else.
    Busybox,
    /// The host's programs.
    Host,
}

impl Image {
    pub(crate) const ALL: [Self; 2] = [Self::Busybox, Self::Host];

    /// The name in an engine.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Busybox => "busybox:test",
            Self::Host => "host:test",
        }
    }

    /// Makes the root directory in `root`, which is empty.
    pub(crate) fn unpack(self, root: &Path) {
        for name in ["dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "var"] {
            fs::create_dir(root.join(name)).expect("make a directory");
        }
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("chmod");
        fs::write(
            root.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
        )
        .expect("write passwd");
        fs::write(root.join("etc/group"), "root:x:0:\nnogroup:x:65534:\n").expect("write group");
        for name in ["hosts", "resolv.conf"] {
            fs::write(root.join("etc").join(name), "").expect("write a file");
        }
        match self {
            Self::Busybox => busybox(root),
            Self::Host => host(root),
        }
    }
}

fn busybox(root: &Path) {
    fs::create_dir(root.join("bin")).expect("make a directory");
    let program = "/usr/bin/busybox";
    fs::copy(program, root.join("bin/busybox")).expect("busybox-static is installed");
    let list = Command::new(program).arg("--list").output().expect("busybox --list").stdout;
    for name in String::from_utf8(list).expect("names").lines().filter(|name| *name != "busybox") {
        symlink("busybox", root.join("bin").join(name)).expect("link");
    }
}

fn host(root: &Path) {
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name)).expect("link");
    }
    fs::create_dir(root.join("etc/ssl")).expect("make a directory");
    // Links in these lead to /usr, or to each other. The private keys beside them stay where they are.
    for name in ["ssl/certs", "ssl/openssl.cnf", "nsswitch.conf", "ld.so.cache", "alternatives"] {
        let (from, to) = (Path::new("/etc").join(name), root.join("etc").join(name));
        let copied = Command::new("/usr/bin/cp").arg("-a").args([from, to]).status().expect("cp");
        assert!(copied.success(), "cannot copy /etc/{name}");
    }
}
