//! The one socket pair between proxy and agent. Towards the agent: the seal as JSON, then end of file.
//! Back come two messages, each a tag byte, a text, and descriptors (SCM_RIGHTS): `L` with the four listeners, then `C`
//! with a pidfd of the command; or, at any point, `E` with the reason why there will be none.

use std::{
    io::{IoSlice, IoSliceMut},
    net::{TcpListener, UdpSocket},
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::{CaptureError, listeners::Listeners, syscall::Pidfd};

const LISTENERS: u8 = b'L';
const COMMAND: u8 = b'C';
const ERROR: u8 = b'E';
/// Longest reason that is passed back, in bytes.
const MAX_TEXT: usize = 4096;

pub(super) fn pair() -> std::io::Result<(UnixStream, UnixStream)> {
    UnixStream::pair()
}

pub(super) fn send_listeners(socket: &UnixStream, listeners: &Listeners) -> Result<(), CaptureError> {
    let [t4, t6] = &listeners.tcp;
    let [u4, u6] = &listeners.dns;
    send(socket, &[LISTENERS], &[t4.as_raw_fd(), t6.as_raw_fd(), u4.as_raw_fd(), u6.as_raw_fd()])
}

pub(super) fn send_command(socket: &UnixStream, command: BorrowedFd<'_>) -> Result<(), CaptureError> {
    send(socket, &[COMMAND], &[command.as_raw_fd()])
}

pub(super) fn send_error(socket: &UnixStream, error: &CaptureError) {
    let mut message = vec![ERROR];
    message.extend(error.explain().bytes().take(MAX_TEXT - 1));
    // If this fails the proxy sees the end of the socket, which it treats as an error too.
    let _ = send(socket, &message, &[]);
}

fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[RawFd]) -> Result<(), CaptureError> {
    let rights = [ControlMessage::ScmRights(descriptors)];
    let rights = if descriptors.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], rights, MsgFlags::MSG_NOSIGNAL, None)
        .map_err(|errno| CaptureError::Step { step: "hand descriptors over", source: errno.into() })?;
    Ok(())
}

/// Waits for both messages of the agent.
pub(super) fn receive(
    socket: &UnixStream,
) -> Result<([TcpListener; 2], [UdpSocket; 2], Pidfd), CaptureError> {
    let (tcp, dns) = receive_listeners(socket)?;
    let command = receive_tagged(socket, COMMAND)?;
    let [command] = <[OwnedFd; 1]>::try_from(command).map_err(|_| wrong("one pidfd"))?;
    Ok((tcp, dns, Pidfd::from(command)))
}

/// Waits for the first message, where it is the only one.
pub(super) fn receive_listeners(
    socket: &UnixStream,
) -> Result<([TcpListener; 2], [UdpSocket; 2]), CaptureError> {
    let listeners = receive_tagged(socket, LISTENERS)?;
    let [t4, t6, u4, u6] = <[OwnedFd; 4]>::try_from(listeners).map_err(|_| wrong("four listeners"))?;
    Ok(([t4.into(), t6.into()], [u4.into(), u6.into()]))
}

fn receive_tagged(socket: &UnixStream, tag: u8) -> Result<Vec<OwnedFd>, CaptureError> {
    let mut first = [0];
    let mut iov = [IoSliceMut::new(&mut first)];
    let mut space = nix::cmsg_space!([RawFd; 4]);
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let received = message.bytes;
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(rights) = control {
            // SAFETY: the kernel has just made these descriptors for us; nobody else owns them.
            descriptors.extend(rights.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    match (received, first) {
        (1, [t]) if t == tag => Ok(descriptors),
        (1, [ERROR]) => {
            let mut text = String::new();
            let _ =
                std::io::Read::read_to_string(&mut std::io::Read::take(socket, MAX_TEXT as u64), &mut text);
            Err(CaptureError::Agent(text))
        }
        _ => Err(wrong(if tag == LISTENERS { "listeners" } else { "the command" })),
    }
}

fn wrong(wanted: &str) -> CaptureError {
    CaptureError::Handover(format!("it did not send {wanted}"))
}
