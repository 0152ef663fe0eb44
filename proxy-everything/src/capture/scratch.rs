//! A network as `attach` prepares one, for the doctor to try: the routes, sockets and rules of a sealed network, around a command that
//! keeps every capability of its user. Needs root.

use std::{
    os::unix::{net::UnixStream, process::CommandExt},
    process::{Child, Command, Stdio},
};

use nix::sched::{CloneFlags, unshare};

use super::{
    CaptureError, Sockets,
    agent::{self, FAILURE, Task},
    handover,
    nft::Earlier,
};

/// The sockets of such a network, and the command in it.
#[derive(Debug)]
pub struct Scratch {
    /// Where everything arrives.
    pub sockets: Sockets,
    /// The command.
    pub child: Child,
}

/// Starts `command` in a network of its own, with every capability.
pub fn start(command: &[String], output: Stdio) -> Result<Scratch, CaptureError> {
    let (mut child, socket) = super::start(&Task::Scratch, &[], command, &[], output)?;
    match handover::receive_sockets(&socket) {
        Ok(sockets) => Ok(Scratch { sockets, child }),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// The agent's part: prepares the network, and becomes the command. Never the command in a network that is not the scratch one.
pub(super) fn become_command(socket: UnixStream, command: &[String]) -> Result<u8, CaptureError> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let (sockets, _) = agent::seal(0, Earlier::Nothing)?;
    handover::send_sockets(&socket, &sockets)?;
    drop(socket);
    let Some((program, arguments)) = command.split_first() else { return Ok(FAILURE) };
    let error = Command::new(program).args(arguments).exec();
    eprintln!("proxy-everything: {program}: {error}");
    Ok(FAILURE)
}
