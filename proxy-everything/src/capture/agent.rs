//! The agent: a re-exec of this binary with a single thread, because entering namespaces needs one, which does one task in the
//! workload's namespace and hands the result back over a socket. For `run` it makes the namespaces and stays with the command; for
//! a workload that runs already it enters the namespace, seals it, and is gone.

use std::{
    os::{
        fd::{BorrowedFd, RawFd},
        unix::net::UnixStream,
    },
    process::ExitCode,
};

use nix::{
    sched::{CloneFlags, setns},
    sys::{
        prctl,
        socket::{setsockopt, sockopt},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    CaptureError, Seal, Sockets,
    cgroup::Cgroup,
    handover, marks,
    nft::{self, Earlier, Installed},
    routes, scratch, sealed, syscall, uplink,
};

/// The proxy's own failure, as `env`, `timeout` and `docker run` report theirs.
pub(super) const FAILURE: u8 = 125;

/// What an agent is for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// Make namespaces, and run the command in them.
    Run { seal: Seal, inward: usize },
    /// Enter the namespaces behind these descriptors, and seal the network there.
    Attach { network: RawFd, user: Option<RawFd>, inward: usize },
    /// The same, after moving its uplink into the namespace that the agent starts in.
    Unplug { network: RawFd, inward: usize },
    /// Stay in the network that the agent starts in, and keep what is not the proxy's from leaving it. `published`: listeners that
    /// answer to the outside.
    Share { inward: usize, published: Vec<RawFd> },
    /// Make and seal a network for the doctor, and become the command.
    Scratch,
}

/// `proxy-everything __agent DESCRIPTOR -- COMMAND...`; never returns to the caller's program.
pub fn main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    // `ps` would else show the name of the link that was executed, `exe`. A name is no reason to fail.
    let _ = prctl::set_name(c"proxy-everything");
    let socket = arguments.next().and_then(|text| syscall::inherited(text.parse().ok()?));
    let Some(socket) = socket else { return ExitCode::from(FAILURE) };
    let command = arguments.skip(1).collect();
    let reply = socket.try_clone();
    match work(command, socket) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if let Ok(reply) = reply {
                handover::send_error(&reply, &error);
            }
            ExitCode::from(FAILURE)
        }
    }
}

fn work(command: Vec<String>, socket: UnixStream) -> Result<u8, CaptureError> {
    super::close_on_exec_from(3).map_err(CaptureError::step("close inherited descriptors"))?;
    let (sockets, _installed) = match handover::receive_task(&socket)? {
        Task::Run { seal, inward } => return sealed::start(&seal, inward, command, socket),
        Task::Scratch => return scratch::become_command(socket, &command),
        Task::Attach { network, user, inward } => {
            enter(borrowed(network), user.map(borrowed))?;
            seal(inward, Earlier::Rules)?
        }
        Task::Unplug { network, inward } => {
            uplink::take(borrowed(network))?;
            seal(inward, Earlier::Rules)?
        }
        Task::Share { inward, published } => {
            let published: Vec<_> = published.into_iter().map(borrowed).collect();
            share(inward, &published)?
        }
    };
    handover::send_sockets(&socket, &sockets)?;
    Ok(0)
}

/// Seals the namespace that this process has entered. Safe to repeat, but with [`Earlier::Nothing`].
pub(super) fn seal(inward: usize, earlier: Earlier) -> Result<(Sockets, Installed), CaptureError> {
    routes::seal()?;
    let sockets = Sockets::bind(inward)?;
    Ok((sockets, nft::install(earlier)?))
}

/// Turns everything but the proxy's own packets back, in the namespace that this process was started in. Safe to repeat. The mark is
/// nowhere but in the kernel once this process has ended.
fn share(inward: usize, published: &[BorrowedFd<'_>]) -> Result<(Sockets, Installed), CaptureError> {
    let cgroup = Cgroup::own()?;
    let mark = marks::random()?;
    let devices = routes::divert()?;
    let sockets = Sockets::bind(inward)?;
    for listener in published {
        setsockopt(listener, sockopt::Mark, &mark)
            .map_err(|errno| CaptureError::step("mark a published port")(errno.into()))?;
    }
    Ok((sockets, marks::install(&cgroup, mark, &devices)?))
}

/// Enters the network namespace; by way of the user namespace that owns it where we have no right to it otherwise, as with
/// rootless containers.
pub(super) fn enter(network: BorrowedFd<'_>, user: Option<BorrowedFd<'_>>) -> Result<(), CaptureError> {
    let entered = match (setns(network, CloneFlags::CLONE_NEWNET), user) {
        (Err(nix::errno::Errno::EPERM), Some(user)) => {
            setns(user, CloneFlags::CLONE_NEWUSER).and_then(|()| setns(network, CloneFlags::CLONE_NEWNET))
        }
        (entered, _) => entered,
    };
    entered.map_err(|errno| CaptureError::step("enter the network namespace")(errno.into()))
}

/// The proxy let this descriptor through our exec and keeps it open, for as long as this process lives.
fn borrowed(descriptor: RawFd) -> BorrowedFd<'static> {
    // SAFETY: nothing in this process closes it.
    unsafe { BorrowedFd::borrow_raw(descriptor) }
}
