//! What can go wrong while a namespace is made, and what the user can do about it.
//! Kernels and distributions forbid user namespaces in several ways; each gets one message that names the cure.

use std::{io, path::PathBuf};

use super::Doubt;

/// Capture failed. Of `run` nothing was left behind, for its namespaces die with the agent; what was attached stays closed.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// A system call of the proxy itself failed.
    #[error("cannot {step}: {source}")]
    Step {
        /// What was being done, in the infinitive.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// There is no such process, or no longer.
    #[error("there is no process {0}")]
    NoProcess(u32),
    /// A path does not lead to a network namespace that may be entered.
    #[error("cannot open the network namespace {}: {source}", .path.display())]
    NoNamespace {
        /// The path.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The namespace has a way out.
    #[error(
        "the namespace has interfaces beside `lo` ({0}): start the workload without a network (`docker run --network none`), or use \
         `sidecar`, which takes them away"
    )]
    NotSealed(String),
    /// IPv6 is off in the namespace, and may not be switched on.
    #[error(
        "cannot switch IPv6 on in the namespace ({0}): start the workload with `--sysctl net.ipv6.conf.lo.disable_ipv6=0`, or the proxy with \
         `--security-opt apparmor=unconfined`"
    )]
    Ipv6Off(io::Error),
    /// There is nothing to take away.
    #[error("the namespace has no interface beside `lo`: use `attach`")]
    NoUplink,
    /// The network cannot be sealed, and marks may not hold the workload.
    #[error(
        "cannot make a network namespace of its own, CAP_SYS_ADMIN is needed; and the network can only be shared with a workload that has \
         neither NET_RAW nor NET_ADMIN, but {0}. Let the proxy seal it (`--cap-add SYS_ADMIN`), or take both capabilities from the workload \
         (`--cap-drop NET_RAW --cap-drop NET_ADMIN`) and let the proxy see its processes (`--pid container:NAME`, shareProcessNamespace). With \
         `--accept-degraded` it starts all the same: then a workload with one of them can send what it likes past the proxy"
    )]
    NotHeld(Doubt),
    /// What tells the proxy's sockets from the workload's would not.
    #[error(
        "cannot share the network: process {0} is in the proxy's cgroup, so its packets would pass for the proxy's. Start the proxy in a \
         container of its own, or let it seal the network (`--cap-add SYS_ADMIN`)"
    )]
    SharedCgroup(u32),
    /// There is nothing to tell the proxy's sockets by.
    #[error(
        "cannot share the network, because the proxy's cgroup (version 2) cannot be told: {0}. Mount /sys/fs/cgroup, start the proxy in a cgroup of \
         its own, or let it seal the network (`--cap-add SYS_ADMIN`)"
    )]
    NoCgroup(&'static str),
    /// Somebody listens where we do.
    #[error("the namespace is attached already: another proxy serves it")]
    Taken,
    /// The agent said why it could not go on.
    #[error("{0}")]
    Agent(String),
    /// The agent ended without a word, or said something that is not in the protocol.
    #[error("the agent ended unexpectedly: {0}")]
    Handover(String),
}

impl CaptureError {
    pub(crate) fn step(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Step { step, source }
    }

    /// The sentence for the user: the step, the kernel's answer and, where it is known, the cure.
    pub(super) fn explain(&self) -> String {
        match self {
            Self::Step { source, .. } if forbidden(source) => match hint() {
                Some(hint) => format!("{self}\n  hint: {hint}"),
                None => self.to_string(),
            },
            _ => self.to_string(),
        }
    }
}

impl From<nix::errno::Errno> for CaptureError {
    fn from(errno: nix::errno::Errno) -> Self {
        Self::Step { step: "set up the namespace", source: errno.into() }
    }
}

fn forbidden(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EPERM | libc::EACCES | libc::ENOSPC | libc::EUSERS | libc::EINVAL)
    )
}

/// The cure where namespaces are forbidden, as far as it can be told.
fn hint() -> Option<&'static str> {
    if let Some(hint) = userns_hint() {
        return Some(hint);
    }
    let filtered =
        std::fs::read_to_string("/proc/self/status").is_ok_and(|text| text.contains("Seccomp:\t2"));
    filtered.then_some(
        "a seccomp filter is in force, as in a Docker container: start the container with \
         `--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`, or run outside of it",
    )
}

/// The known ways in which user namespaces are switched off, most specific first, with the cure of each.
pub fn userns_hint() -> Option<&'static str> {
    let sysctl =
        |path: &str, value: &str| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    if sysctl("/proc/sys/user/max_user_namespaces", "0") {
        return Some("user namespaces are switched off: `sysctl -w user.max_user_namespaces=15000`");
    }
    if sysctl("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return Some(
            "unprivileged user namespaces are switched off: `sysctl -w kernel.unprivileged_userns_clone=1`",
        );
    }
    if sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return Some(
            "AppArmor restricts user namespaces (Ubuntu 23.10 and later): install an AppArmor profile that grants \
             `userns` to this binary, or `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`",
        );
    }
    None
}
