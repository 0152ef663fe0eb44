//! One `proxy-everything attach`, running.
//!
//! Like a [`Running`] command, with several instances behind it: each is asked by its id, and its worker can be killed under it. What
//! it leaves behind is checked against the same invariants. However a test ends, keeper and workers end with it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Answer, Audit, Finished, Lab, Origin, Running, admin, processes, wait};

/// Short, because a socket's path has 107 bytes at most, and a container's id has 64.
const STATE: &str = "all";

/// An `attach` process that runs.
pub struct Attached<'a> {
    lab: &'a Lab,
    origins: Vec<&'a Origin>,
    running: Option<Running<'a>>,
    pid: u32,
}

impl Lab {
    /// Starts `attach` under a policy that reaches `origins`; `arguments` say what is attached. `attached ID` is still to be heard.
    pub fn attach<'a>(&'a self, text: &str, origins: &[&'a Origin], arguments: &[&str]) -> Attached<'a> {
        self.attach_by(self.program(), text, origins, arguments)
    }

    /// The same by another file than the product's binary, which can be replaced then.
    pub fn attach_by<'a>(
        &'a self,
        mut process: std::process::Command,
        text: &str,
        origins: &[&'a Origin],
        arguments: &[&str],
    ) -> Attached<'a> {
        let number = self.next_run();
        process.arg("attach").args(arguments).arg("--policy");
        process.arg(self.write(&format!("policy-{number}.yaml"), &self.policy(text, origins)));
        process.arg("--audit").arg(self.path(&format!("audit-{number}.jsonl")));
        process.arg("--cache-dir").arg(self.path("components"));
        process.arg("--state-dir").arg(self.path(STATE)).env("API_TOKEN", self.canary.value());
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Running::new(self, origins.to_vec(), number, &mut process);
        Attached { lab: self, origins: origins.to_vec(), pid: running.pid(), running: Some(running) }
    }
}

impl Attached<'_> {
    /// The next line that says what became of a workload: `attached ID` or `ended ID`.
    pub fn hear(&mut self) -> String {
        self.running.as_mut().expect("it runs").hear()
    }

    /// Where the instance `id` is administered.
    pub fn socket(&self, id: &str) -> PathBuf {
        self.lab.path(&format!("{STATE}/{id}.sock"))
    }

    /// One request to the admin API of an instance.
    pub fn admin(&self, id: &str, method: &str, path: &str) -> Answer {
        admin::request(&self.socket(id), method, path, "")
    }

    /// `policy apply` to one instance, with a policy that reaches the same origins.
    pub fn apply(&self, id: &str, text: &str) -> Output {
        let file = self.lab.write("next-policy.yaml", &self.lab.policy(text, &self.origins));
        let socket = self.socket(id);
        let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        self.lab.cli(&["policy", "apply", &path(&file), "--socket", &path(&socket)])
    }

    /// The process that serves now; the keeper is its parent.
    pub fn worker(&self) -> u32 {
        wait::until("a worker", || workers(self.pid).pop())
    }

    /// Kills the process that serves. Another one follows; whoever asks meanwhile waits for it.
    pub fn kill_worker(&self) {
        let worker = self.worker();
        signal(worker, Signal::SIGKILL);
        wait::until("the worker to be gone", || processes::gone(worker).then_some(()));
    }

    /// The audit records so far; only for moments when no line is being written.
    pub fn audit(&self) -> Audit {
        self.running.as_ref().expect("it runs").audit()
    }

    /// Kills the keeper, which nobody starts again.
    pub fn kill_keeper(&self) {
        signal(self.pid, Signal::SIGKILL);
    }

    /// Sends a signal to the keeper.
    pub fn signal(&self, number: Signal) {
        signal(self.pid, number);
    }

    /// Replaces the process that serves by a new one; returns once that one answers.
    pub fn upgrade(&self, id: &str) {
        let served = || self.admin(id, "GET", "/v1/status").json()["pid"].clone();
        let former = served();
        self.signal(Signal::SIGUSR2);
        wait::until("a new worker", || (served() != former).then_some(()));
    }

    /// The keeper.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What keeper and workers have said so far.
    pub fn log(&self) -> String {
        self.running.as_ref().expect("it runs").errors()
    }

    /// Waits until it ends, however it ends; records may be missing.
    pub fn finish_abrupt(mut self) -> Finished {
        self.running.take().expect("it runs").finish_abrupt()
    }

    /// Ends it, and checks that it went as it should and left what it should.
    pub fn stop(mut self) -> Finished {
        signal(self.pid, Signal::SIGTERM);
        self.running.take().expect("it runs").finish().ok()
    }

    /// The same where a worker was killed: its last records may be missing.
    pub fn stop_abrupt(mut self) -> Finished {
        signal(self.pid, Signal::SIGTERM);
        self.running.take().expect("it runs").finish_abrupt().ok()
    }

    /// Waits until it ends by itself, and checks what it left.
    pub fn finish(mut self) -> Finished {
        self.running.take().expect("it runs").finish()
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        // The keeper first, so that it starts nothing again; a `Running` that was not taken does that.
        let below = if self.running.is_some() { processes::descendants(self.pid) } else { Vec::new() };
        drop(self.running.take());
        for pid in below {
            let _ = kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), Signal::SIGKILL);
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).expect("a pid")), signal).expect("kill");
}

fn workers(keeper: u32) -> Vec<u32> {
    let is_worker = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(b"__proxy")
    };
    processes::descendants(keeper).into_iter().filter(is_worker).collect()
}
