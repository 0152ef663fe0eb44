//! The first process of the workload's pid namespace: mounts its `/proc`, starts the command, hands a pidfd of it to the
//! proxy, and then only reaps. It exists because a process with number 1 ignores signals that it has no handler for; the command
//! must not be that process. When it ends, with the command's exit code, the kernel ends all that the command left behind.

use std::{
    io,
    os::{fd::AsFd, unix::process::CommandExt},
    process::Command,
};

use nix::{
    sys::{
        prctl,
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork},
};

use super::{
    CaptureError, Pidfd,
    agent::FAILURE,
    filter, handover, mounts, privileges,
    sealed::{Job, die_with, killed_by},
    syscall,
};

/// As shells report a command that cannot be found, or cannot be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;
/// Only the parent outside the pid namespace, as seen from inside.
const OUTSIDE: Pid = Pid::from_raw(0);

/// Runs in the child of the agent; the process ends here.
pub(super) fn main(job: Job) -> ! {
    let code = match start(&job) {
        Ok(command) => {
            drop(job);
            reap(command)
        }
        Err(error) => {
            handover::send_error(&job.socket, &error);
            FAILURE
        }
    };
    std::process::exit(code.into())
}

fn start(job: &Job) -> Result<Pid, CaptureError> {
    die_with(OUTSIDE)?;
    // The command is of the same uid and might otherwise trace this process, or read its memory.
    prctl::set_dumpable(false)?;
    mounts::proc()?;
    syscall::new_session_keyring().map_err(CaptureError::step("leave the session keyring"))?;
    privileges::drop_all().map_err(CaptureError::step("drop capabilities"))?;
    filter::install()?;
    // SAFETY: this process has a single thread.
    match unsafe { fork() }? {
        ForkResult::Child => std::process::exit(execute(job).into()),
        ForkResult::Parent { child } => {
            let pidfd = Pidfd::open(child).map_err(CaptureError::step("open a pidfd"))?;
            handover::send_command(&job.socket, pidfd.as_fd())?;
            Ok(child)
        }
    }
}

/// Becomes the command; returns only if that fails.
fn execute(job: &Job) -> u8 {
    let Some((program, arguments)) = job.command.split_first() else { return FAILURE };
    if job.restore_signals().is_err() || prctl::set_pdeathsig(None).is_err() {
        return FAILURE;
    }
    let error = Command::new(program).args(arguments).exec();
    eprintln!("proxy-everything: {program}: {error}");
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
}

/// Reaps orphans until the command itself ends.
fn reap(command: Pid) -> u8 {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == command => {
                return u8::try_from(code).unwrap_or(FAILURE);
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == command => return killed_by(signal),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return FAILURE,
        }
    }
}
