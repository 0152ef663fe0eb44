//! Where unix sockets are that lead out of a sealed network: at customary places, where variables say, and where the kernel
//! says that somebody listens. Hands on paths; what becomes of them is decided elsewhere.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{ffi::OsStrExt, fs::FileTypeExt},
    path::{Path, PathBuf},
};

use crate::capture::HIDDEN_DIR;

/// Folders outside `/run` in which programs that start other programs keep their sockets.
const FOLDERS: [&str; 5] =
    ["/tmp/.X11-unix", "/tmp/screen", "/var/lib/incus", "/var/lib/lxd", "/var/snap/lxd/common/lxd"];
/// Below the home folder: gpg's agents, and folders of container engines.
const AT_HOME: [&str; 7] = [
    ".gnupg/S.gpg-agent",
    ".gnupg/S.gpg-agent.extra",
    ".gnupg/S.gpg-agent.ssh",
    ".gnupg/S.keyboxd",
    ".docker/run",
    ".docker/desktop",
    ".colima",
];
/// __SO_ACCEPTCON, as `/proc/net/unix` shows a socket that listens.
const LISTENS: u32 = 0x1_0000;
const DATAGRAM: u32 = libc::SOCK_DGRAM as u32;

/// The path that a variable leads to, for variables that name sockets.
pub fn named(variable: &OsStr, value: &OsStr) -> Option<PathBuf> {
    let text = || value.to_str();
    let path = match variable.to_str()? {
        "NOTIFY_SOCKET" | "SSH_AUTH_SOCK" | "XDG_RUNTIME_DIR" => return Some(value.into()),
        "CONTAINER_HOST" | "DOCKER_HOST" => text()?.strip_prefix("unix://")?,
        "DBUS_SESSION_BUS_ADDRESS" | "DBUS_SYSTEM_BUS_ADDRESS" => {
            text()?.strip_prefix("unix:path=")?.split([',', ';']).next()?
        }
        "GPG_AGENT_INFO" => text()?.split(':').next()?,
        _ => return None,
    };
    Some(path.into())
}

/// The sockets that `variables` lead to, and the customary ones of this user that are not below `/run`.
pub fn well_known(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<PathBuf> {
    let uid = nix::unistd::geteuid();
    let mut found: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).collect();
    found.extend([format!("/tmp/tmux-{uid}"), format!("/tmp/emacs{uid}")].map(PathBuf::from));
    for (name, value) in variables {
        found.extend(named(&name, &value));
        if name == "HOME" {
            found.extend(AT_HOME.map(|path| Path::new(&value).join(path)));
        }
    }
    found
}

/// The sockets outside `/run` that somebody of this network namespace can be reached at.
pub fn listening() -> io::Result<Vec<PathBuf>> {
    let table = fs::read("/proc/net/unix")?;
    let is_socket = |path: &&Path| fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let outside = addresses(&table).filter(|path| !path.starts_with(HIDDEN_DIR)).filter(is_socket);
    Ok(outside.map(Path::to_owned).collect())
}

/// Relative names do not say where they begin, and names that start with `@` are abstract.
fn addresses(table: &[u8]) -> impl Iterator<Item = &Path> {
    table.split(|byte| *byte == b'\n').skip(1).filter_map(address).filter(|path| path.is_absolute())
}

/// `Num RefCount Protocol Flags Type St Inode Path` (proc_net_unix(5)); a path may hold spaces, and any byte.
fn address(line: &[u8]) -> Option<&Path> {
    let (mut rest, mut fields) = (line, [0; 7]);
    for (number, value) in fields.iter_mut().enumerate() {
        let start = rest.trim_ascii_start();
        let (field, after) = start.split_at_checked(start.iter().position(|byte| *byte == b' ')?)?;
        // Flags and type are the ones that matter, both in hexadecimal.
        if matches!(number, 3 | 4) {
            *value = u32::from_str_radix(std::str::from_utf8(field).ok()?, 16).ok()?;
        }
        rest = after;
    }
    let [_, _, _, flags, kind, ..] = fields;
    let reachable = flags & LISTENS != 0 || kind == DATAGRAM;
    let path = rest.strip_prefix(b" ")?;
    reachable.then(|| Path::new(OsStr::from_bytes(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_lists() {
        for (line, expected) in [
            (&b"0000000000000000: 00000002 00000000 00010000 0001 01 80 /tmp/a"[..], Some(&b"/tmp/a"[..])),
            (b"0: 00000002 00000000 00010000 0001 01    80 /tmp/a b  c", Some(b"/tmp/a b  c")),
            (b"0: 00000002 00000000 00010000 0005 01 80808 /tmp/\xff\xfe", Some(b"/tmp/\xff\xfe")),
            (b"0: 00000002 00000000 00010000 0001 01 80  /tmp/a", None),
            (b"0: 00000002 00000000 00000000 0002 01 80 /dev/log", Some(b"/dev/log")),
            (b"0: 00000003 00000000 00000000 0001 03 80 /tmp/connected", None),
            (b"0: 00000002 00000000 00010000 0001 01 80 @/abstract", None),
            (b"0: 00000002 00000000 00010000 0001 01 80 relative", None),
            (b"0: 00000002 00000000 00010000 0001 01 80", None),
            (b"0: 00000002 00000000 nonsense 0001 01 80 /tmp/a", None),
            (b"", None),
        ] {
            let table = [b"Num       RefCount Protocol Flags    Type St Inode Path\n", line].concat();
            let found = addresses(&table).next().map(|path| path.as_os_str().as_bytes());
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn what_variables_name() {
        for (name, value, expected) in [
            ("SSH_AUTH_SOCK", "/tmp/agent", Some("/tmp/agent")),
            ("DOCKER_HOST", "unix:///tmp/docker.sock", Some("/tmp/docker.sock")),
            ("DOCKER_HOST", "tcp://127.0.0.1:2375", None),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/tmp/bus,guid=1", Some("/tmp/bus")),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:abstract=/tmp/bus", None),
            ("GPG_AGENT_INFO", "/tmp/gpg:4711:1", Some("/tmp/gpg")),
            ("PATH", "/bin", None),
        ] {
            assert_eq!(named(name.as_ref(), value.as_ref()), expected.map(PathBuf::from), "{name}={value}");
        }
    }

    #[test]
    fn a_listener_is_found_and_what_is_left_of_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("with space");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(listening().unwrap().contains(&path));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "no socket").unwrap();
        assert!(!listening().unwrap().contains(&path));
        drop(listener);
    }
}
