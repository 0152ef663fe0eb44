//! Naming a workload that runs already: receives a process id or a path, hands on its network namespace as a descriptor, which
//! stays what it is however ids are used again, and the user namespace that owns it.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
};

use nix::unistd::Pid;

use super::{CaptureError, Pidfd};

/// A network namespace that somebody else made.
#[derive(Debug)]
pub struct Namespace {
    pub(super) network: OwnedFd,
    /// The user namespace that owns it, if that is another one than ours.
    pub(super) user: Option<OwnedFd>,
}

impl Namespace {
    /// That of a running process, together with a descriptor of the process itself.
    pub fn of_process(pid: u32) -> Result<(Self, Pidfd), CaptureError> {
        let gone = || CaptureError::NoProcess(pid);
        let raw = i32::try_from(pid).map_err(|_| gone())?;
        let process = Pidfd::open(Pid::from_raw(raw)).map_err(|_| gone())?;
        let namespace = Self::at(Path::new(&format!("/proc/{pid}/ns/net")))?;
        // Only if the process lives still is it the one that the path belonged to.
        process.signal(0).map_err(|_| gone())?;
        Ok((namespace, process))
    }

    /// The one that a path leads to: `/proc/PID/ns/net`, or what `ip netns add` makes.
    pub fn at(path: &Path) -> Result<Self, CaptureError> {
        let open = || -> io::Result<Self> {
            let network = OwnedFd::from(File::open(path)?);
            let user = owner(&network)?;
            Ok(Self { network, user })
        };
        open().map_err(|source| CaptureError::NoNamespace { path: path.to_owned(), source })
    }

    /// With a descriptor of its own.
    pub fn try_clone(&self) -> io::Result<Self> {
        let user = self.user.as_ref().map(OwnedFd::try_clone).transpose()?;
        Ok(Self { network: self.network.try_clone()?, user })
    }

    /// The descriptor, for handing it on; [`From`] is the way back.
    pub fn into_descriptor(self) -> OwnedFd {
        self.network
    }

    /// The namespace that this process is in.
    pub fn own() -> Result<Self, CaptureError> {
        Self::at(Path::new("/proc/self/ns/net"))
    }

    /// Whether this process is in it.
    pub fn is_own(&self) -> io::Result<bool> {
        let here = std::fs::metadata("/proc/self/ns/net")?.ino();
        Ok(File::from(self.network.try_clone()?).metadata()?.ino() == here)
    }
}

impl From<OwnedFd> for Namespace {
    fn from(network: OwnedFd) -> Self {
        Self { network, user: None }
    }
}

/// `ioctl_ns(2)`.
const NS_GET_USERNS: libc::c_ulong = 0xb701;

fn owner(network: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    // SAFETY: an ioctl without an argument.
    let descriptor = unsafe { libc::ioctl(network.as_raw_fd(), NS_GET_USERNS) };
    if descriptor < 0 {
        let error = io::Error::last_os_error();
        // Not in our user namespace or below it: then there is nothing to enter it by.
        return if error.raw_os_error() == Some(libc::EPERM) { Ok(None) } else { Err(error) };
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    let user = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let ours = std::fs::metadata("/proc/self/ns/user")?.ino();
    let theirs = File::from(user.try_clone()?).metadata()?.ino();
    Ok((ours != theirs).then_some(user))
}
