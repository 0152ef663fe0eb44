//! Network namespaces, entered by threads and commands.
//!
//! A [`Network`] is one that a process holds: of a container engine, of a container, or a new one of its own, which is gone when
//! it is dropped. Sockets that a thread makes in it stay there.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use nix::sched::{CloneFlags, setns};

use crate::engine::printed;
use crate::{User, wait};

/// The network namespace of a process.
pub struct Network {
    pid: u32,
    holder: Option<Child>,
}

impl Network {
    /// That of a process.
    pub fn of(pid: u32) -> Self {
        Self { pid, holder: None }
    }

    /// A new one, with `lo` up.
    pub fn fresh() -> Self {
        let mut holder = User::Root.command("unshare");
        holder.args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).stdout(Stdio::null());
        let holder = holder.spawn().expect("run unshare");
        let network = Self { pid: holder.id(), holder: Some(holder) };
        let own = link("self");
        let path = network.pid.to_string();
        wait::until("a namespace", || (link(&path).is_some() && link(&path) != own).then_some(()));
        network.ask(&["ip", "link", "set", "lo", "up"]);
        network
    }

    /// The process that holds it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Calls `work` on a thread that has entered it.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/proc/{}/ns/net", self.pid)).expect("a namespace");
        let inside = || {
            setns(&file, CloneFlags::CLONE_NEWNET).expect("enter the namespace");
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join().expect("the thread in the namespace"))
    }

    /// A command in it, which has not started yet.
    pub fn command(&self, command: &[&str]) -> Command {
        let mut inside = User::Root.command("nsenter");
        inside.args(["--net", "--target", &self.pid.to_string(), "--"]).args(command).stdin(Stdio::null());
        inside
    }

    /// What a command in it prints; panics unless it succeeds.
    pub fn ask(&self, command: &[&str]) -> String {
        printed(command, self.command(command).output().expect("run nsenter"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.holder {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

fn link(pid: &str) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}
