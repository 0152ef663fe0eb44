//! The workload's view of the file system: the host's, with the trust bundle and the resolver's configuration bound over, secrets and
//! our own state hidden, and what the kernel exposes read-only. Originals are never written to: everything new lives in a
//! tmpfs that only this mount namespace has. `/run` as a whole is hidden, because nearly all it holds is sockets, and a unix
//! socket (container engine, user bus, resolver daemon) is a way out as good as any network.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use nix::mount::{MsFlags, mount};

use super::{
    CaptureError, HIDDEN_DIR, INSIDE_BUNDLE, INSIDE_CA, INSIDE_DIR, INSIDE_JAVA, Seal, Writable,
    kept::{self, Kept},
    syscall,
};
use crate::trust;

/// Any server would do, since every question is ours to answer; this one belongs to nobody (RFC 2544).
const RESOLVER: &str = "nameserver 198.18.255.53\n";
/// Devices that a program may expect anywhere; disks, tunnels and the like are not among them.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// What a container runtime also keeps from its workload; a root user without capabilities could still write to some.
const PROC_READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
const PROC_MASKED: [&str; 6] =
    ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list"];

/// Rearranges the mount namespace that the calling process has just made.
pub(super) fn arrange(seal: &Seal) -> Result<(), CaptureError> {
    let directory = std::env::current_dir().ok();
    attempt("make mounts private", || {
        bare_mount(None::<&str>, "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)
    })?;
    let bundles: Vec<PathBuf> = existing(&trust::BUNDLES);
    let java_stores = existing(&trust::JAVA_STORES);
    // Where all is read-only, each policy is.
    let read_only = if seal.writable == Writable::AsUser { &*seal.read_only } else { &[] };
    let (masked, read_only) = (existing(&seal.masked), existing(read_only));
    let kept = kept::open(&seal.kept).map_err(CaptureError::step("open what is kept"))?;
    let system = trust::system_bundle();
    let terminal = nix::unistd::ttyname(io::stdin()).ok();
    let resolver = fs::canonicalize("/etc/resolv.conf").ok();

    if seal.writable == Writable::Scratch {
        // First: what is mounted from here on is the workload's own.
        attempt("make the file system read-only", || syscall::set_read_only(Path::new("/")))?;
        attempt("make /tmp", || tmpfs(Path::new("/tmp"), "mode=1777"))?;
    }
    attempt("hide /run", || tmpfs(Path::new(HIDDEN_DIR), "mode=0755,size=16m"))?;
    attempt("fill /run", || inside_files(seal, &system, &kept))?;
    attempt("make /dev", || devices(terminal.as_deref()))?;
    attempt("make /sys read-only", || syscall::set_read_only(Path::new("/sys")))?;
    for bundle in &bundles {
        attempt("bind the trust bundle", || bind_read_only(Path::new(INSIDE_BUNDLE), bundle))?;
    }
    for store in &java_stores {
        attempt("bind Java's truststore", || bind_read_only(Path::new(INSIDE_JAVA), store))?;
    }
    if let Some(resolver) = resolver {
        attempt("bind resolv.conf", || bind_resolver(&resolver))?;
    }
    attempt("hide secrets and sockets", || hide(&masked, &kept))?;
    let hidden =
        |path: &PathBuf| path.starts_with(HIDDEN_DIR) || masked.iter().any(|masked| path.starts_with(masked));
    let shown = |path: &PathBuf| !hidden(path) || kept.iter().any(|kept| kept.holds(path));
    for path in read_only.into_iter().filter(shown) {
        attempt("protect the policy", || bind_read_only(&path, &path))?;
    }
    // By name, so that a working directory below a hidden one is not kept open.
    let back = directory.is_some_and(|directory| std::env::set_current_dir(directory).is_ok());
    if !back {
        attempt("change directory", || std::env::set_current_dir("/"))?;
    }
    Ok(())
}

/// The workload's own `/proc`; called by the first process of its pid namespace.
pub(super) fn proc() -> Result<(), CaptureError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    attempt("mount /proc", || bare_mount(Some("proc"), "/proc", Some("proc"), flags, None))?;
    for path in existing(&PROC_READ_ONLY) {
        attempt("make /proc read-only", || bind_read_only(&path, &path))?;
    }
    for path in existing(&PROC_MASKED) {
        attempt("hide kernel internals", || mask(&path, &[]))?;
    }
    Ok(())
}

/// What was in `/run` is hidden already; what is there now is the workload's, or about to be shown again.
fn hide(masked: &[PathBuf], kept: &[Kept]) -> io::Result<()> {
    let (inside_kept, mut masked): (Vec<&PathBuf>, Vec<_>) =
        masked.iter().partition(|path| kept.iter().any(|kept| kept.holds(path)));
    masked.retain(|path| !path.starts_with(HIDDEN_DIR));
    // Sorted, a folder stands before all that is in it; and what is in a hidden folder is gone.
    masked.dedup_by(|path, folder| path.starts_with(folder));
    for path in &masked {
        mask(path, kept)?;
    }
    let is_hidden = |kept: &&Kept| {
        kept.lies_in(Path::new(HIDDEN_DIR)) || masked.iter().any(|folder| kept.lies_in(folder))
    };
    for kept in kept.iter().filter(is_hidden) {
        kept.show()?;
    }
    inside_kept.into_iter().try_for_each(|path| mask(path, &[]))
}

fn inside_files(seal: &Seal, system: &str, kept: &[Kept]) -> io::Result<()> {
    fs::create_dir(INSIDE_DIR)?;
    // Programs that keep locks there expect the folder.
    fs::create_dir("/run/lock")?;
    fs::write(INSIDE_CA, &seal.ca_pem)?;
    let bundle = certs::trust_bundle(system, &seal.ca_pem);
    fs::write(INSIDE_JAVA, certs::java_trust_store(&bundle))?;
    fs::write(INSIDE_BUNDLE, bundle)?;
    fs::write(inside("resolv.conf"), RESOLVER)?;
    fs::write(inside("empty"), "")?;
    kept::make_places(kept, Path::new(HIDDEN_DIR))
}

fn bind_resolver(target: &Path) -> io::Result<()> {
    // systemd-resolved and NetworkManager keep the file in /run, which is ours now.
    if target.starts_with(HIDDEN_DIR) {
        fs::create_dir_all(target.parent().unwrap_or(target))?;
        fs::write(target, RESOLVER)?;
    }
    bind_read_only(&inside("resolv.conf"), target)
}

/// A `/dev` of harmless devices, put together aside and then moved over the host's.
fn devices(terminal: Option<&Path>) -> io::Result<()> {
    let dev = inside("dev");
    fs::create_dir(&dev)?;
    bare_mount(
        Some("tmpfs"),
        &dev,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
        Some("mode=0755,size=64k"),
    )?;
    for device in DEVICES {
        fs::write(dev.join(device), "")?;
        bind(&Path::new("/dev").join(device), &dev.join(device))?;
    }
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        symlink(target, dev.join(link))?;
    }
    fs::create_dir(dev.join("pts"))?;
    let pts = "newinstance,ptmxmode=0666,mode=0620";
    bare_mount(
        Some("devpts"),
        dev.join("pts"),
        Some("devpts"),
        MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
        Some(pts),
    )?;
    fs::create_dir(dev.join("shm"))?;
    tmpfs(&dev.join("shm"), "mode=1777")?;
    if let Some(terminal) = terminal {
        // The other terminals of the user stay out of reach; this one the command has anyway.
        fs::write(dev.join("console"), "")?;
        bind(terminal, &dev.join("console"))?;
    }
    bare_mount(Some(&dev), "/dev", None, MsFlags::MS_MOVE, None)?;
    fs::remove_dir(&dev)
}

/// Puts an empty, unchangeable file or folder over `path`, with places for what is kept of it.
fn mask(path: &Path, kept: &[Kept]) -> io::Result<()> {
    if path.is_dir() {
        tmpfs(path, "mode=0755,size=4k")?;
        kept::make_places(kept, path)?;
        return syscall::set_read_only(path);
    }
    match bind_read_only(&inside("empty"), path) {
        // Sockets come and go; one that has just gone needs no hiding.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => Ok(()),
        result => result,
    }
}

fn bind_read_only(source: &Path, target: &Path) -> io::Result<()> {
    bind(source, target)?;
    syscall::set_read_only(target)
}

pub(super) fn bind(source: &Path, target: &Path) -> io::Result<()> {
    bare_mount(Some(source), target, None, MsFlags::MS_BIND | MsFlags::MS_REC, None)
}

fn tmpfs(target: &Path, options: &str) -> io::Result<()> {
    bare_mount(Some("tmpfs"), target, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some(options))
}

fn bare_mount<S: AsRef<Path> + ?Sized>(
    source: Option<&S>,
    target: impl AsRef<Path>,
    kind: Option<&str>,
    flags: MsFlags,
    options: Option<&str>,
) -> io::Result<()> {
    let target = target.as_ref();
    let result = mount(source.map(AsRef::as_ref), target, kind, flags, options);
    result.map_err(|errno| {
        let error = io::Error::from(errno);
        io::Error::new(error.kind(), MountFailed { target: target.into(), error })
    })
}

/// Keeps the path beside the error number.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", .target.display())]
struct MountFailed {
    target: PathBuf,
    error: io::Error,
}

/// Canonical, because a mount on a symbolic link lands on its target anyway, and without duplicates.
fn existing(paths: &[impl AsRef<Path>]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = paths.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    found.sort();
    found.dedup();
    found
}

fn inside(name: &str) -> PathBuf {
    Path::new(INSIDE_DIR).join(name)
}

fn attempt(step: &'static str, action: impl FnOnce() -> io::Result<()>) -> Result<(), CaptureError> {
    action().map_err(CaptureError::step(step))
}
