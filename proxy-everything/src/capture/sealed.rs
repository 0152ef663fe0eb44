//! The agent's work for `run`: receives a seal, makes the namespaces, hands the sockets back and starts the command. Order matters:
//! routes, listeners, rules, mounts, and only then the command, so that no packet and no look-up happens before it can be
//! answered. The agent then waits for the command and ends with its exit code; it dies with the proxy, and everything in the
//! namespace dies with it.

use std::{fs, io, os::unix::net::UnixStream};

use nix::{
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, getegid, geteuid, getppid},
};

use super::{
    CaptureError, Seal,
    agent::{self, FAILURE},
    handover, init, mounts,
    nft::Earlier,
};

/// Signals that reach the whole foreground group, or that the proxy passes on to the command by its pidfd: the agent and
/// the init process leave them to the command.
const PASSED_ON: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGPIPE,
];

/// The command to start, and the signal dispositions to give back to it.
pub(super) struct Job {
    pub(super) command: Vec<String>,
    pub(super) socket: UnixStream,
    dispositions: Vec<(Signal, SigAction)>,
}

impl Job {
    /// Undoes what the agent ignores for itself, so that the command sees the dispositions its user chose.
    pub(super) fn restore_signals(&self) -> nix::Result<()> {
        for (signal, action) in &self.dispositions {
            // SAFETY: restores what was in force before; no handler of ours is involved.
            unsafe { sigaction(*signal, action) }?;
        }
        Ok(())
    }
}

/// Seals and runs `command`; gives its exit code.
pub(super) fn start(
    seal: &Seal,
    inward: usize,
    command: Vec<String>,
    socket: UnixStream,
) -> Result<u8, CaptureError> {
    enter_namespaces()?;
    let (sockets, _) = agent::seal(inward, Earlier::Nothing)?;
    mounts::arrange(seal)?;
    handover::send_sockets(&socket, &sockets)?;
    drop(sockets);

    let job = Job { command, socket, dispositions: ignore_signals()? };
    // SAFETY: this process has a single thread.
    match unsafe { fork() }? {
        ForkResult::Child => init::main(job),
        ForkResult::Parent { child } => {
            drop(job);
            wait(child)
        }
    }
}

fn enter_namespaces() -> Result<(), CaptureError> {
    let proxy = getppid();
    let (uid, gid) = (geteuid(), getegid());
    let step = |step| move |errno: nix::errno::Errno| CaptureError::Step { step, source: errno.into() };
    unshare(
        CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC,
    )
    .map_err(step("create a user namespace"))?;
    let map = |file: &str, text: String| {
        fs::write(file, text).map_err(CaptureError::step("map the user into its namespace"))
    };
    map("/proc/self/setgroups", "deny".into())?;
    map("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    map("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    // Entering the namespace changed our credentials, and that clears the signal which ties us to the proxy.
    die_with(proxy)
}

/// Makes the kernel kill this process when its parent ends, also if that has just happened.
pub(super) fn die_with(parent: Pid) -> Result<(), CaptureError> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() == parent { Ok(()) } else { Err(CaptureError::Handover("the proxy is gone".into())) }
}

fn ignore_signals() -> Result<Vec<(Signal, SigAction)>, CaptureError> {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: ignoring a signal runs no code.
    PASSED_ON.into_iter().map(|signal| Ok((signal, unsafe { sigaction(signal, &ignore) }?))).collect()
}

fn wait(init: Pid) -> Result<u8, CaptureError> {
    loop {
        match waitpid(init, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(u8::try_from(code).unwrap_or(FAILURE)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(killed_by(signal)),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => {
                return Err(CaptureError::Step {
                    step: "wait for the command",
                    source: io::Error::from(errno),
                });
            }
        }
    }
}

/// The shells' convention for a process that a signal ended.
pub(super) fn killed_by(signal: Signal) -> u8 {
    128 + signal as u8
}
