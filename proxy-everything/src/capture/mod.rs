//! Capture: getting a workload's packets. Receives a command to run, or a workload that runs already; hands on the sockets that
//! its every connection and DNS question arrives at. The work is done by the *agent*, a single-threaded re-exec of this
//! binary that makes or enters the namespaces and passes the descriptors back, so that the proxy itself never enters them.
//! The only module with `unsafe`: system calls and nftnl expressions that no safe crate offers.

mod agent;
mod cgroup;
mod company;
mod datagram;
mod error;
mod expressions;
mod filter;
mod handover;
mod init;
mod inward;
mod kept;
mod listeners;
mod marks;
mod mounts;
mod namespace;
mod nft;
mod own_code;
mod passing;
mod privileges;
pub(crate) mod probe;
mod raw_paths;
mod routes;
mod scratch;
mod sealed;
mod syscall;
mod uplink;

use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::{
        fd::{AsRawFd, BorrowedFd, RawFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde::{Deserialize, Serialize};

use agent::Task;
pub use agent::main as agent_main;
pub use company::{Accept, Doubt, mode_of_sharing};
pub use datagram::{Question, TransparentSocket};
pub use error::{CaptureError, userns_hint};
pub use inward::{Inward, Lent};
pub use listeners::Sockets;
pub use namespace::Namespace;
pub use own_code::unmap_code;
pub use passing::{receive as receive_descriptors, send as send_descriptors};
pub(crate) use routes::FALLBACK_TUNNELS;
pub use scratch::{Scratch, start as scratch};
pub use syscall::{
    Pidfd, close_on_exec_from, harden, inherited, keep_across_exec, leave_network, raise_descriptor_limit,
};

/// The workload's own addresses on `lo`, the source of everything it sends.
/// The IPv4 dummy address (RFC 7600) and the discard prefix (RFC 6666): no real peer can own either.
const OWN_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 8);
/// Where the listeners live: foreign to the namespace, so that the workload cannot address them by loopback.
pub(crate) const LISTEN_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 255, 1);
pub(crate) const LISTEN_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0xffff);
/// Above the ephemeral range (60,999 by default), so that no outgoing connection of the workload is in its way.
pub(crate) const LISTEN_PORT: u16 = 61_001;
const DNS_PORT: u16 = 53;

/// Whether packets to `address` never leave the workload's namespace, so that they cannot reach who is meant by it outside.
pub fn stays_inside(address: IpAddr) -> bool {
    let ours: [IpAddr; 4] = [OWN_V4.into(), OWN_V6.into(), LISTEN_V4.into(), LISTEN_V6.into()];
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified() || ours.contains(&address)
}

/// Hidden from the workload as a whole: nearly all it holds is sockets, and secret managers put their files there.
pub const HIDDEN_DIR: &str = "/run";
/// Where the files that the workload may read are put: a tmpfs of its own mount namespace, never the host's disk.
pub const INSIDE_DIR: &str = "/run/proxy-everything";
/// The instance CA alone, for variables that *extend* a trust store.
pub const INSIDE_CA: &str = "/run/proxy-everything/ca.pem";
/// System bundle and instance CA, for variables that *replace* a trust store.
pub const INSIDE_BUNDLE: &str = "/run/proxy-everything/ca-bundle.pem";
/// The same as Java reads it.
pub const INSIDE_JAVA: &str = "/run/proxy-everything/cacerts";

/// What holds a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Its network has no way out.
    Sealed,
    /// Its network has one, which rules leave to the proxy; it cannot change or pass them.
    Shared,
    /// The same, but that it may be able to pass them.
    Degraded,
}

/// What the agent needs to know, sent to it as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seal {
    /// The instance CA's certificate, PEM.
    pub ca_pem: String,
    /// Files and folders that the workload must not see: replaced by empty ones.
    #[serde(with = "raw_paths")]
    pub masked: Vec<PathBuf>,
    /// Canonical; shown as they are, although they lie in `/run` or in a masked folder. Masks inside of them hold.
    #[serde(with = "raw_paths")]
    pub kept: Vec<PathBuf>,
    /// Files that the workload may read but never change.
    #[serde(with = "raw_paths")]
    pub read_only: Vec<PathBuf>,
    /// What it may change of all the others.
    pub writable: Writable,
}

/// What a workload can write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Writable {
    /// What its user can.
    AsUser,
    /// A `/tmp` of its own, and nothing of the host's.
    Scratch,
}

/// A command in its sealed namespace, already running, and the sockets it can reach.
#[derive(Debug)]
pub struct Captured {
    /// Where everything arrives.
    pub sockets: Sockets,
    /// The agent; it ends with the command's exit code.
    pub agent: Child,
    /// The command itself, for passing signals on.
    pub command: Pidfd,
}

/// Starts `command` in a fresh user, network, mount, pid and IPC namespace that leads nowhere but to the returned sockets.
///
/// The command sees exactly the environment that is given here, and its standard output goes to `output`. It is killed when the
/// calling *thread* ends, so call this from the main thread. `inward`: how many pairs of sockets for published ports are wanted.
pub fn run(
    command: &[String],
    environment: &[(OsString, OsString)],
    seal: Seal,
    inward: usize,
    output: Stdio,
) -> Result<Captured, CaptureError> {
    let task = Task::Run { seal, inward };
    let (mut agent, socket) = start(&task, &[], command, environment, output)?;
    let received = || Ok((handover::receive_sockets(&socket)?, handover::receive_command(&socket)?));
    match received() {
        Ok((sockets, command)) => Ok(Captured { sockets, agent, command }),
        Err(error) => {
            // The agent has said why, or died: either way it must not linger.
            let _ = agent.kill();
            let _ = agent.wait();
            Err(error)
        }
    }
}

/// Seals `namespace`, which must have no interface but `lo`, so that it leads nowhere but to the returned sockets. What was sealed
/// before is sealed again. Blocks for some milliseconds; needs CAP_NET_ADMIN and CAP_SYS_ADMIN over the namespace.
pub fn attach(namespace: &Namespace, inward: usize) -> Result<Sockets, CaptureError> {
    let (network, user) = (namespace.network.as_raw_fd(), namespace.user.as_ref().map(AsRawFd::as_raw_fd));
    let kept: Vec<RawFd> = user.into_iter().chain([network]).collect();
    seal(&Task::Attach { network, user, inward }, &kept)
}

/// Takes the interfaces of `namespace`, with their addresses and routes, into the namespace of the calling process, and seals what
/// is left of it.
pub fn unplug(namespace: &Namespace, inward: usize) -> Result<Sockets, CaptureError> {
    let network = namespace.network.as_raw_fd();
    seal(&Task::Unplug { network, inward }, &[network])
}

/// Stays in the namespace of the calling process, and keeps whatever is not the proxy's from leaving it, but what `published` answers.
/// See [`mode_of_sharing`] for what that is worth.
pub fn share(published: &[BorrowedFd<'_>], inward: usize) -> Result<Sockets, CaptureError> {
    let published: Vec<RawFd> = published.iter().map(AsRawFd::as_raw_fd).collect();
    seal(&Task::Share { inward, published: published.clone() }, &published)
}

fn seal(task: &Task, kept: &[RawFd]) -> Result<Sockets, CaptureError> {
    let (mut agent, socket) = start(task, kept, &[], &[], Stdio::null())?;
    let sockets = handover::receive_sockets(&socket);
    if sockets.is_err() {
        let _ = agent.kill();
        agent.wait().map_err(CaptureError::step("wait for the agent"))?;
        return sockets;
    }
    // All is done that the kernel was asked for; only what it frees takes its time.
    let ended = std::thread::Builder::new().name("agent".into()).spawn(move || agent.wait());
    ended.map_err(CaptureError::step("wait for the agent"))?;
    sockets
}

/// Starts this binary again as the agent, with the descriptors of `kept` still open, and gives it its task.
fn start(
    task: &Task,
    kept: &[RawFd],
    command: &[String],
    environment: &[(OsString, OsString)],
    output: Stdio,
) -> Result<(Child, UnixStream), CaptureError> {
    let (ours, theirs) = UnixStream::pair().map_err(CaptureError::step("create a socket pair"))?;
    let mut agent = Command::new("/proc/self/exe");
    agent.arg0("proxy-everything").arg(AGENT_VERB).arg(theirs.as_raw_fd().to_string());
    agent.arg("--").args(command).stdout(output);
    agent.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    keep_across_exec(&mut agent, [kept, &[theirs.as_raw_fd()]].concat());
    let mut child = agent.spawn().map_err(CaptureError::step("start the agent"))?;
    drop(theirs);
    if let Err(error) = handover::send_task(&ours, task) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok((child, ours))
}

/// The hidden first argument that makes this binary the agent.
pub const AGENT_VERB: &str = "__agent";
