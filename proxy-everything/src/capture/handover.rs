//! The one socket pair between proxy and agent. Towards the agent: the task as JSON, then end of file. Back come messages, each
//! a tag byte, a text, and descriptors (SCM_RIGHTS): `L` with the sockets inside the namespace, then, if a command was to be run,
//! `C` with a pidfd of it; or, at any point, `E` with the reason why there will be none.

use std::{
    io::{Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use super::{CaptureError, Sockets, passing, syscall::Pidfd};

const LISTENERS: u8 = b'L';
const COMMAND: u8 = b'C';
const ERROR: u8 = b'E';
/// Longest reason that is passed back, in bytes.
const MAX_TEXT: usize = 4096;

/// Gives the agent its task.
pub(super) fn send_task(mut socket: &UnixStream, task: &super::agent::Task) -> Result<(), CaptureError> {
    let text = serde_json::to_vec(task).map_err(|error| CaptureError::Handover(error.to_string()))?;
    socket.write_all(&text).map_err(CaptureError::step("send the agent its task"))?;
    socket.shutdown(std::net::Shutdown::Write).map_err(CaptureError::step("send the agent its task"))
}

/// What the proxy wants.
pub(super) fn receive_task(mut socket: &UnixStream) -> Result<super::agent::Task, CaptureError> {
    let mut text = Vec::new();
    socket.read_to_end(&mut text).map_err(CaptureError::step("read the task"))?;
    serde_json::from_slice(&text).map_err(|error| CaptureError::Handover(error.to_string()))
}

pub(super) fn send_sockets(socket: &UnixStream, sockets: &Sockets) -> Result<(), CaptureError> {
    send(socket, &[LISTENERS], &sockets.descriptors())
}

pub(super) fn send_command(socket: &UnixStream, command: BorrowedFd<'_>) -> Result<(), CaptureError> {
    send(socket, &[COMMAND], &[command])
}

pub(super) fn send_error(socket: &UnixStream, error: &CaptureError) {
    let mut message = vec![ERROR];
    message.extend(error.explain().bytes().take(MAX_TEXT - 1));
    // If this fails the proxy sees the end of the socket, which it treats as an error too.
    let _ = send(socket, &message, &[]);
}

fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), CaptureError> {
    passing::send(socket.as_fd(), bytes, descriptors).map_err(CaptureError::step("hand descriptors over"))
}

/// Waits for the sockets inside the namespace.
pub(super) fn receive_sockets(socket: &UnixStream) -> Result<Sockets, CaptureError> {
    Sockets::try_from(receive_tagged(socket, LISTENERS)?).map_err(|_| wrong("four listeners"))
}

/// Waits for the command.
pub(super) fn receive_command(socket: &UnixStream) -> Result<Pidfd, CaptureError> {
    let [command] =
        <[OwnedFd; 1]>::try_from(receive_tagged(socket, COMMAND)?).map_err(|_| wrong("one pidfd"))?;
    Ok(Pidfd::from(command))
}

fn receive_tagged(socket: &UnixStream, tag: u8) -> Result<Vec<OwnedFd>, CaptureError> {
    let mut first = [0];
    let (received, descriptors) = passing::receive(socket.as_fd(), &mut first)
        .map_err(CaptureError::step("receive descriptors of the agent"))?;
    match (received, first) {
        (1, [t]) if t == tag => Ok(descriptors),
        (1, [ERROR]) => {
            let mut text = String::new();
            let _ = socket.take(MAX_TEXT as u64).read_to_string(&mut text);
            Err(CaptureError::Agent(text))
        }
        _ => Err(wrong(if tag == LISTENERS { "listeners" } else { "the command" })),
    }
}

fn wrong(wanted: &str) -> CaptureError {
    CaptureError::Handover(format!("it did not send {wanted}"))
}
