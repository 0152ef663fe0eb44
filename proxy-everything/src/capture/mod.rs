//! Capture: getting a workload's packets. Receives the command to run and what to hide from it; hands on the listeners that
//! every connection and DNS question of that command arrives at. The work is done by the *agent*, a single-threaded re-exec
//! of this binary that makes the namespaces and passes the descriptors back, so that the proxy itself never enters them
//! and needs no privilege. The only module with `unsafe`: system calls and nftnl expressions that no safe crate offers.

mod agent;
mod datagram;
mod error;
mod expressions;
mod filter;
mod handover;
mod init;
mod listeners;
mod mounts;
mod nft;
mod privileges;
mod routes;
mod syscall;

use std::{
    ffi::OsString,
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
    os::{fd::AsRawFd, unix::process::CommandExt},
    path::PathBuf,
    process::{Child, Command},
};

use serde::{Deserialize, Serialize};

pub use agent::main as agent_main;
pub use datagram::{Question, TransparentSocket};
pub use error::CaptureError;
pub use syscall::{Pidfd, close_on_exec_from, harden, raise_descriptor_limit};

/// The workload's own addresses on `lo`, the source of everything it sends.
/// The IPv4 dummy address (RFC 7600) and the discard prefix (RFC 6666): no real peer can own either.
const OWN_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 8);
/// Where the listeners live: foreign to the namespace, so that the workload cannot address them by loopback.
const LISTEN_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 255, 1);
const LISTEN_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0xffff);
/// Above the ephemeral range (60,999 by default), so that no outgoing connection of the workload is in its way.
const LISTEN_PORT: u16 = 61_001;
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

/// What the agent needs to know, sent to it as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seal {
    /// The instance CA's certificate, PEM.
    pub ca_pem: String,
    /// Files and folders that the workload must not see: replaced by empty ones.
    pub masked: Vec<PathBuf>,
    /// Files that the workload may read but never change.
    pub read_only: Vec<PathBuf>,
}

/// A command in its sealed namespace, already running, and the sockets it can reach.
#[derive(Debug)]
pub struct Captured {
    /// TPROXY listeners, IPv4 and IPv6; an accepted socket's local address is the original destination.
    pub tcp: [TcpListener; 2],
    /// Sockets that receive every DNS question over UDP, IPv4 and IPv6.
    pub dns: [UdpSocket; 2],
    /// The agent; it ends with the command's exit code.
    pub agent: Child,
    /// The command itself, for passing signals on.
    pub command: Pidfd,
}

/// Starts `command` in a fresh user, network, mount, pid and IPC namespace that leads nowhere but to the returned sockets.
///
/// The command sees exactly the environment that was set on `command`. It is killed when the calling *thread* ends,
/// so call this from the main thread.
pub fn run(
    command: &[String],
    environment: &[(OsString, OsString)],
    seal: &Seal,
) -> Result<Captured, CaptureError> {
    let (ours, theirs) = handover::pair().map_err(CaptureError::step("create a socket pair"))?;
    let mut agent = Command::new("/proc/self/exe");
    agent
        .arg0("proxy-everything")
        .arg(AGENT_VERB)
        .arg(theirs.as_raw_fd().to_string())
        .arg("--")
        .args(command);
    agent.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    syscall::keep_across_exec(&mut agent, theirs.as_raw_fd());
    let mut agent = agent.spawn().map_err(CaptureError::step("start the agent"))?;
    drop(theirs);

    let text = serde_json::to_vec(seal).map_err(|error| CaptureError::Handover(error.to_string()))?;
    (&ours).write_all(&text).map_err(CaptureError::step("send the seal to the agent"))?;
    ours.shutdown(std::net::Shutdown::Write).map_err(CaptureError::step("send the seal to the agent"))?;
    match handover::receive(&ours) {
        Ok((tcp, dns, command)) => Ok(Captured { tcp, dns, agent, command }),
        Err(error) => {
            // The agent has said why, or died: either way it must not linger.
            let _ = agent.kill();
            let _ = agent.wait();
            Err(error)
        }
    }
}

/// The hidden first argument that makes this binary the agent.
pub const AGENT_VERB: &str = "__agent";
