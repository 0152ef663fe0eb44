//! The proxy's own cgroup (cgroups(7), version 2), by which the kernel tells its sockets from the workload's where both share a
//! network. Receives what `/proc` says, hands on the number that nftables compares. Whatever is not certain is an error: with a wrong
//! number the workload would pass for the proxy, or the proxy for the workload.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::CaptureError;

/// What every process is below; its number would match them all.
const ROOT_ID: u64 = 1;

/// This process's cgroup.
#[derive(Debug)]
pub(super) struct Cgroup {
    /// The kernel's number for it, which is also the inode of its directory.
    pub(super) id: u64,
    /// How far it is below the root, as this process sees it.
    pub(super) level: u32,
    /// Its path, as this process sees it.
    path: String,
}

impl Cgroup {
    /// That of the calling process, which must not be the root.
    pub(super) fn own() -> Result<Self, CaptureError> {
        let path =
            path_of(Path::new("/proc/self")).map_err(|_| unknown("/proc/self/cgroup has no line `0::`"))?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(CaptureError::step("list mounts"))?;
        let directory =
            mounts.lines().filter_map(|mount| directory(mount, &path)).find(|found| holds_us(found));
        let directory =
            directory.ok_or_else(|| unknown("no file system of type cgroup2 is mounted that shows it"))?;
        let id = fs::metadata(directory).map_err(CaptureError::step("look at the cgroup"))?.ino();
        if id == ROOT_ID {
            return Err(unknown("it is in the root of the hierarchy, as every process is"));
        }
        let level = path.split('/').filter(|part| !part.is_empty()).count();
        Ok(Self { id, level: u32::try_from(level).map_err(|_| unknown("its path is too long"))?, path })
    }

    /// Whether sockets of `process` (a folder of `/proc`) pass for the proxy's.
    pub(super) fn holds(&self, process: &Path) -> io::Result<bool> {
        Ok(is_within(&path_of(process)?, &self.path))
    }
}

fn unknown(reason: &'static str) -> CaptureError {
    CaptureError::NoCgroup(reason)
}

/// The line `0::PATH`. What is outside of the cgroup namespace begins with `/..`.
fn path_of(process: &Path) -> io::Result<String> {
    let text = fs::read_to_string(process.join("cgroup"))?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::")).ok_or(io::ErrorKind::NotFound)?;
    Ok(path.to_owned())
}

fn is_within(path: &str, own: &str) -> bool {
    let below = path.strip_prefix(own.trim_end_matches('/'));
    !path.starts_with("/..") && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where `path` is to be seen, if this line of mountinfo (proc(5)) is a cgroup2 file system that shows it.
fn directory(mount: &str, path: &str) -> Option<PathBuf> {
    let (mount, kind) = mount.split_once(" - ")?;
    kind.starts_with("cgroup2 ").then_some(())?;
    let mut fields = mount.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    is_within(path, root).then_some(())?;
    let rest = path.strip_prefix(root.trim_end_matches('/'))?;
    Some(Path::new(point).join(rest.trim_start_matches('/')))
}

/// Something else may be mounted over it.
fn holds_us(directory: &Path) -> bool {
    let own = std::process::id().to_string();
    fs::read_to_string(directory.join("cgroup.procs")).is_ok_and(|text| text.lines().any(|line| line == own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within() {
        for (path, own, expected) in [
            ("/a/b", "/a/b", true),
            ("/a/b/c", "/a/b", true),
            ("/a/bc", "/a/b", false),
            ("/a", "/a/b", false),
            ("/", "/", true),
            ("/c", "/", true),
            ("/../x", "/", false),
        ] {
            assert_eq!(is_within(path, own), expected, "{path} in {own}");
        }
    }

    #[test]
    fn where_it_is_mounted() {
        let mount =
            |root: &str| format!("30 23 0:26 {root} /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup rw");
        for (line, path, expected) in [
            (mount("/"), "/a/b", Some("/sys/fs/cgroup/a/b")),
            (mount("/"), "/", Some("/sys/fs/cgroup")),
            (mount("/a"), "/a/b", Some("/sys/fs/cgroup/b")),
            (mount("/c"), "/a/b", None),
            (mount("/").replace("cgroup2 cgroup", "cgroup cgroup"), "/a/b", None),
        ] {
            assert_eq!(directory(&line, path).as_deref(), expected.map(Path::new), "{line}");
        }
    }
}
