//! The system calls that would lead round the namespaces, forbidden to the command for good. Namespaces separate interfaces and
//! addresses, but not every family of sockets, and not the terminal; a filter with three rules closes what they leave open.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::CaptureError;

/// Families that belong to the network namespace, and unix sockets. Others, AF_VSOCK first, reach the host or a hypervisor.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
/// Terminal requests that put characters into the input of the shell which started us (ioctl_tty(2)); it would run them.
const TERMINAL_INPUT: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// Installs the filter in this process and all that it will start. Programs for another architecture (32 bits) cannot run
/// under it. Needs `no_new_privs`, which is set before.
pub(super) fn install() -> Result<(), CaptureError> {
    let program =
        program().map_err(|error| CaptureError::Handover(format!("make the system call filter: {error}")))?;
    let program = [without_x32(), program].concat();
    seccompiler::apply_filter(&program)
        .map_err(|error| CaptureError::Handover(format!("install the system call filter: {error}")))
}

/// On x86-64 a kernel may offer every call a second time, under a number with this bit (the x32 ABI); no rule would match it.
#[cfg(target_arch = "x86_64")]
fn without_x32() -> BpfProgram {
    const X32_SYSCALL_BIT: u32 = 0x4000_0000;
    let instruction = |code: u32, jt, jf, k| seccompiler::sock_filter { code: code as u16, jt, jf, k };
    vec![
        // The number is the first word of what the filter sees (seccomp(2)).
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32_SYSCALL_BIT),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn without_x32() -> BpfProgram {
    BpfProgram::new()
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let condition = |argument, op, value| SeccompCondition::new(argument, Dword, op, value);
    let other_family = FAMILIES
        .iter()
        .map(|family| condition(0, SeccompCmpOp::Ne, *family as u64))
        .collect::<Result<Vec<_>, _>>()?;
    let other_family = || SeccompRule::new(other_family.clone());
    let terminal_input = TERMINAL_INPUT
        .iter()
        .map(|request| SeccompRule::new(vec![condition(1, SeccompCmpOp::Eq, *request)?]))
        .collect::<Result<Vec<_>, _>>()?;
    let rules = BTreeMap::from([
        (libc::SYS_socket, vec![other_family()?]),
        (libc::SYS_socketpair, vec![other_family()?]),
        (libc::SYS_ioctl, terminal_input),
        // It makes sockets too, and no filter sees which.
        (libc::SYS_io_uring_setup, Vec::new()),
    ]);
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?.try_into()
}
