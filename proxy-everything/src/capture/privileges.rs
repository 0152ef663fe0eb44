//! Giving up every privilege for good, before the command's first instruction: no capability in any set, none regained by a
//! set-uid binary, none by becoming root in a nested way. What remains is an ordinary, unprivileged process.

use std::io;

/// SECBIT_NOROOT, NO_SETUID_FIXUP and KEEP_CAPS locked as they are: uid 0 grants nothing (capabilities(7)).
const SECUREBITS: libc::c_ulong = 0b10_1111;
/// _LINUX_CAPABILITY_VERSION_3: two words of 32 bits for each set.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
/// More than any kernel has; the first one that it does not know ends the loop.
const MAX_CAPABILITY: libc::c_ulong = 63;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Drops everything. Cannot be undone.
pub(super) fn drop_all() -> io::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    for capability in 0..=MAX_CAPABILITY {
        // SAFETY: a prctl without pointers. EINVAL: the kernel knows no capability of this number or above.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } != 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::EINVAL) {
                break;
            }
            return Err(error);
        }
    }
    let header = Header { version: CAPABILITY_VERSION, pid: 0 };
    let none = [Sets { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: prctls without pointers, then a capset whose structures have the layout of version 3.
    unsafe {
        check(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0))?;
        check(libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) as i32)
    }
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
