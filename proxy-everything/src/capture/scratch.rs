//! A network as `attach` prepares one, for the doctor to try: the routes, listeners and rules of a sealed network, around a command that
//! keeps every capability of its user. Needs root, and a process of its own, which becomes the command when all is set up.

use std::{
    net::{TcpListener, UdpSocket},
    os::{
        fd::AsRawFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Command, ExitCode, Stdio},
};

use nix::sched::{CloneFlags, unshare};

use super::{CaptureError, agent, handover, listeners::Listeners, nft, routes, syscall};

/// The hidden first argument that makes this binary prepare such a network.
pub const SCRATCH_VERB: &str = "__scratch";

/// The sockets of such a network, and the command in it.
#[derive(Debug)]
pub struct Scratch {
    /// As in [`super::Captured`].
    pub tcp: [TcpListener; 2],
    /// As in [`super::Captured`].
    pub dns: [UdpSocket; 2],
    /// The command.
    pub child: Child,
}

/// Starts `command` in a network of its own, with every capability.
pub fn start(command: &[String], output: Stdio) -> Result<Scratch, CaptureError> {
    let (ours, theirs) = handover::pair().map_err(CaptureError::step("create a socket pair"))?;
    let mut child = Command::new("/proc/self/exe");
    child.arg(SCRATCH_VERB).arg(theirs.as_raw_fd().to_string()).arg("--").args(command).stdout(output);
    syscall::keep_across_exec(&mut child, theirs.as_raw_fd());
    let mut child = child.spawn().map_err(CaptureError::step("start a process"))?;
    drop(theirs);
    match handover::receive_listeners(&ours) {
        Ok((tcp, dns)) => Ok(Scratch { tcp, dns, child }),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// `proxy-everything __scratch DESCRIPTOR -- COMMAND...`
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let Some((socket, command)) = agent::job(arguments) else { return ExitCode::FAILURE };
    if let Err(error) = prepare(&socket) {
        // Never the command in a network that is not the scratch one.
        handover::send_error(&socket, &error);
        return ExitCode::FAILURE;
    }
    drop(socket);
    let Some((program, arguments)) = command.split_first() else { return ExitCode::FAILURE };
    let error = Command::new(program).args(arguments).exec();
    eprintln!("proxy-everything: {program}: {error}");
    ExitCode::FAILURE
}

fn prepare(socket: &UnixStream) -> Result<(), CaptureError> {
    super::close_on_exec_from(3).map_err(CaptureError::step("close inherited descriptors"))?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    routes::seal()?;
    let listeners = Listeners::bind()?;
    nft::install()?;
    handover::send_listeners(socket, &listeners)
}
