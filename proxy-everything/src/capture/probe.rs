//! What the doctor's probe does that no safe crate offers: system calls that the command's filter must refuse, a frame on `lo`, and
//! taking the proxy's own rules away. Each is tried inside a scratch network, never on the host.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd},
};

use nftnl::{Batch, MsgType, ProtoFamily, Table};

use super::{nft, routes, syscall::check};

/// Fails by the filter; without one it makes a ring, which ends with the process.
pub(crate) fn make_io_uring() -> io::Result<()> {
    // SAFETY: a null pointer for the parameters; the kernel refuses it.
    check(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, std::ptr::null_mut::<u8>()) })
        .map(drop)
        .or_else(|error| if error.raw_os_error() == Some(libc::EFAULT) { Ok(()) } else { Err(error) })
}

/// The filter looks at the request before anybody looks at the descriptor, which is no terminal here: nothing is ever typed.
pub(crate) fn type_into_terminal() -> io::Result<()> {
    let nowhere = File::open("/dev/null")?;
    // SAFETY: the request reads one byte from a valid pointer.
    let result = unsafe { libc::ioctl(nowhere.as_raw_fd(), libc::TIOCSTI, c"x".as_ptr()) };
    check(result.into())
        .map(drop)
        .or_else(|error| if error.raw_os_error() == Some(libc::ENOTTY) { Ok(()) } else { Err(error) })
}

/// One frame of a type that nobody speaks.
pub(crate) fn send_frame_on_lo(socket: &impl AsFd) -> io::Result<()> {
    const LOCAL_EXPERIMENTAL: u16 = 0x88b5;
    let mut frame = [0; 60];
    if let Some(kind) = frame.get_mut(12..14) {
        kind.copy_from_slice(&LOCAL_EXPERIMENTAL.to_be_bytes());
    }
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: LOCAL_EXPERIMENTAL.to_be(),
        sll_ifindex: routes::LO_INDEX as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    };
    let length = size_of_val(&address) as libc::socklen_t;
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: both pointers are valid for the call, with their lengths.
    let sent = unsafe {
        libc::sendto(descriptor, frame.as_ptr().cast(), frame.len(), 0, (&raw const address).cast(), length)
    };
    check(sent as libc::c_long).map(drop)
}

/// What `nft delete table` does; the workload must not be able to, or must gain nothing by it.
pub(crate) fn remove_rules() -> io::Result<()> {
    let mut batch = Batch::new();
    batch.add(&Table::new(nft::TABLE, ProtoFamily::Inet), MsgType::Del);
    nft::send(&batch.finalize()).map(drop)
}
