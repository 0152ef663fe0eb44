//! System calls for which no safe wrapper exists in the crates we use. Each function is one call, checked, with its
//! reason; nothing here decides anything.

use std::{
    io::{self, IoSlice},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::Command,
};

use nix::{fcntl, sys::resource, sys::signal::Signal, unistd::Pid};

pub(super) fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Makes this process opaque to others of its uid: no ptrace, no reading of its memory, no core dumps (the CA key and
/// secrets live in it), no regained privileges.
pub fn harden() -> io::Result<()> {
    nix::sys::prctl::set_dumpable(false)?;
    nix::sys::prctl::set_no_new_privs()?;
    resource::setrlimit(resource::Resource::RLIMIT_CORE, 0, 0)?;
    Ok(())
}

/// Lets this process open as many descriptors as its user may. Not before the command is started, which inherits the limit:
/// programs that use select(2) break when descriptors have numbers above 1,023.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let (_, hard) = resource::getrlimit(resource::Resource::RLIMIT_NOFILE)?;
    resource::setrlimit(resource::Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(())
}

/// Marks every descriptor from `first` on close-on-exec: an inherited one could lead out of the sealed namespace.
pub fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    // SAFETY: only flags of descriptors change.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })
        .map(drop)
}

/// Lets descriptors through the next exec of `command`, and ties the child's life to this thread.
pub fn keep_across_exec(command: &mut Command, descriptors: Vec<RawFd>) {
    let prepare = move || {
        for descriptor in &descriptors {
            // SAFETY: the descriptors outlive the spawn; they are open in the child because fork copied them.
            let descriptor = unsafe { BorrowedFd::borrow_raw(*descriptor) };
            fcntl::fcntl(descriptor, fcntl::FcntlArg::F_SETFD(fcntl::FdFlag::empty()))?;
        }
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        Ok(())
    };
    // SAFETY: the closure makes system calls and nothing else, so it is safe between fork and exec.
    unsafe { command.pre_exec(prepare) };
}

/// The unix socket that our parent opened for us under this number, and that nothing else in this process owns.
pub fn inherited(descriptor: RawFd) -> Option<UnixStream> {
    // SAFETY: the number comes from the parent's arguments, before this process has opened anything.
    (descriptor > 2).then(|| unsafe { UnixStream::from_raw_fd(descriptor) })
}

/// Moves this process into a fresh network namespace of its own, in which there is nothing yet. Call it while there is one thread.
pub fn leave_network() -> io::Result<()> {
    Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?)
}

/// Makes a TCP socket new again, whatever connection it had; its peer gets a reset if that was not over.
pub(super) fn disconnect(socket: BorrowedFd<'_>) -> io::Result<()> {
    let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
    let length = size_of_val(&nowhere) as libc::socklen_t;
    // SAFETY: the pointer is valid for the call, and the length is that of the structure (connect(2), AF_UNSPEC).
    check(unsafe { libc::connect(socket.as_raw_fd(), &raw const nowhere, length) }.into()).map(drop)
}

/// Bytes that a TCP socket has to send, or has sent and got no acknowledgement for (SIOCOUTQ, tcp(7)).
pub(super) fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<i32> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the pointer is valid for the call, which writes one int.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) }.into())?;
    Ok(bytes)
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    pub(super) fn open(process: Pid) -> io::Result<Self> {
        // SAFETY: the kernel makes a new descriptor, which we alone own.
        let descriptor = check(unsafe { libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0) })?;
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) }))
    }

    /// Returns once the process has ended, which makes its descriptor readable (pidfd_open(2)).
    pub async fn ended(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open for as long as it is registered, since `self` is borrowed.
        let descriptor = unsafe { tokio::io::unix::AsyncFd::register(self.0.as_raw_fd()) }?;
        descriptor.readable().await.map(drop)
    }

    /// Sends `signal` (a number); a process that is gone already is no error for the caller to handle.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a null siginfo means what kill(2) would send.
        check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal, none, 0) })
            .map(drop)
    }
}

impl From<OwnedFd> for Pidfd {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl AsRawFd for Pidfd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Leaves the user's session keyring for a new, empty one: keys there are secrets of the user.
pub(super) fn new_session_keyring() -> io::Result<()> {
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for a keyring without one.
    check(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, anonymous) })
        .map(drop)
        .or_else(
            // A kernel without keyrings has no keys to hide; a filter that forbids the call forbids reading them too.
            |error| {
                if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) {
                    Ok(())
                } else {
                    Err(error)
                }
            },
        )
}

/// Makes the mount at `path` read-only, and those below it. Unlike a remount this only ever adds a flag, so it works on
/// mounts whose other flags are locked by a more privileged namespace. Linux 5.12 or later.
pub(super) fn set_read_only(path: &Path) -> io::Result<()> {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
    let attributes =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: both pointers are valid for the call, and the size is that of the structure.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of_val(&attributes),
        )
    })
    .map(drop)
}

/// One datagram to the kernel (port 0) made of all `pages`.
pub(super) fn send_to_kernel(socket: RawFd, pages: &[IoSlice<'_>]) -> io::Result<()> {
    let kernel = nix::sys::socket::NetlinkAddr::new(0, 0);
    nix::sys::socket::sendmsg(socket, pages, &[], nix::sys::socket::MsgFlags::empty(), Some(&kernel))?;
    Ok(())
}
