//! A network that a proxy and a workload share, as the containers of a pod do.
//!
//! Two namespaces with a cable between them: the node, and the pod with a pid namespace of its own, in which a process without any
//! capability holds everything. Commands run in it with the capabilities and in the cgroup (version 2) that the test says. Dropping it
//! ends everything in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Network, User, processes, wait};

/// The addresses of the node, and those of the pod.
pub const NODE: [&str; 2] = ["10.5.0.1", "fd00:5::1"];
/// See [`NODE`].
pub const POD: [&str; 2] = ["10.5.0.2", "fd00:5::2"];

/// Which cgroup a command of a pod is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroup {
    /// The proxy's.
    Proxy,
    /// The workload's.
    Workload,
    /// That of the tests.
    Ours,
}

/// A pod and its node.
pub struct Pod {
    /// Where packets go that leave the pod.
    pub node: Network,
    /// The pod's network, as seen by the node's root.
    pub network: Network,
    holder: Child,
    cgroups: [PathBuf; 2],
}

impl Pod {
    /// A new one, with a default route over the node.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let cgroups = ["proxy", "workload"].map(|name| {
            let name = format!("proxy-everything-test-{}-{number}-{name}", std::process::id());
            let path = hierarchy().join(name);
            fs::create_dir(&path).expect("make a cgroup");
            path
        });
        let mut holder = User::Root.command("unshare");
        holder.args(["--net", "--pid", "--mount-proc", "--fork", "setpriv"]);
        holder.args(without_capabilities()).args(["sleep", "infinity"]);
        let holder = holder.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let holder = holder.expect("run unshare");
        let first = wait::until("the pod's first process", || {
            let first = processes::descendants(holder.id()).first().copied()?;
            (processes::program(first) == "sleep").then_some(first)
        });
        let pod = Self { node: Network::fresh(), network: Network::of(first), holder, cgroups };
        pod.plug("node0", "eth0", NODE, POD);
        pod.ip(&["route", "add", "default", "via", NODE[0]]);
        pod.ip(&["-6", "route", "add", "default", "via", NODE[1]]);
        pod
    }

    /// A cable more.
    pub fn plug(&self, outer: &str, inner: &str, outside: [&str; 2], inside: [&str; 2]) {
        let pid = self.network.pid().to_string();
        let cable = ["link", "add", outer, "type", "veth", "peer", "name", inner, "netns", &pid];
        self.node.ask(&[&["ip"], &cable[..]].concat());
        self.ip(&["link", "set", "lo", "up"]);
        for (network, device, addresses) in [(&self.node, outer, outside), (&self.network, inner, inside)] {
            let ip = |arguments: &[&str]| network.ask(&[&["ip"], arguments].concat());
            // Link-local addresses, and what is said about them, would be in the way of whoever looks for packets.
            ip(&["link", "set", device, "addrgenmode", "none"]);
            ip(&["link", "set", device, "up"]);
            for (address, length) in addresses.iter().zip(["24", "64"]) {
                ip(&["addr", "add", &format!("{address}/{length}"), "dev", device, "nodad"]);
            }
        }
    }

    /// `ip` in the pod's network.
    pub fn ip(&self, arguments: &[&str]) -> String {
        self.network.ask(&[&["ip"], arguments].concat())
    }

    /// A command in the pod, as root with no capability but `capabilities` (`net_raw`, …), which has not started yet.
    pub fn root(&self, cgroup: Cgroup, capabilities: &[&str], command: &[&str]) -> Command {
        let bounding = format!("--bounding-set=-all{}", prefixed(capabilities));
        self.command(cgroup, &[&["setpriv", &bounding, "--inh-caps=-all"], command].concat())
    }

    /// A command of the workload: any user, no capability, a cgroup of its own.
    pub fn workload(&self, command: &[&str]) -> Command {
        let setpriv = without_capabilities();
        self.command(Cgroup::Workload, &[&["setpriv"], &setpriv[..], command].concat())
    }

    fn command(&self, cgroup: Cgroup, command: &[&str]) -> Command {
        let mut inside = User::Root.command("sh");
        let join = match cgroup {
            Cgroup::Ours => "exec \"$@\"",
            _ => "echo $$ > \"$0\" && exec \"$@\"",
        };
        let [proxy, workload] = &self.cgroups;
        let directory = if cgroup == Cgroup::Workload { workload } else { proxy };
        inside.args(["-c", join]).arg(directory.join("cgroup.procs"));
        let target = self.network.pid().to_string();
        inside.args(["nsenter", "--net", "--pid", "--mount", "--target", &target, "--"]).args(command);
        inside.stdin(Stdio::null());
        inside
    }
}

impl Default for Pod {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // The first process of a pid namespace takes all others with it.
        let first = i32::try_from(self.network.pid()).expect("a pid");
        let _ = kill(Pid::from_raw(first), Signal::SIGKILL);
        let _ = self.holder.wait();
        for cgroup in &self.cgroups {
            wait::within(wait::DEADLINE / 4, || fs::remove_dir(cgroup).ok());
        }
    }
}

fn without_capabilities() -> [&'static str; 7] {
    ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
}

fn prefixed(capabilities: &[&str]) -> String {
    capabilities.iter().map(|name| format!(",+{name}")).collect()
}

/// Where cgroups of version 2 are, on machines that have only those and on machines that have both.
pub fn hierarchy() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let mount =
        mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields[2] == "cgroup2");
    Path::new(mount.expect("a mount of cgroup2")[1]).to_owned()
}
