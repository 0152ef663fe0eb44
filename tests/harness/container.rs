//! One container of a real engine.
//!
//! Made from one of the two images that the harness has; tells its id and pid, runs commands in it, and removes it when it is
//! dropped.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::engine::Engine;
use crate::rootfs::Image;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A container, running or not.
pub struct Container {
    engine: &'static Engine,
    name: String,
    id: String,
}

impl Engine {
    /// Starts a container in the background; `options` are those of `docker run`.
    pub fn run(&'static self, options: &[&str], image: Image, command: &[&str]) -> Container {
        let name = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut arguments = vec!["run", "--detach", "--name", &name];
        if image == Image::Host {
            arguments.extend(["--volume", "/usr:/usr:ro"]);
        }
        arguments.extend(options);
        arguments.push(image.name());
        arguments.extend(command);
        let id = self.ask(&arguments);
        Container { engine: self, name, id }
    }
}

impl Container {
    /// The unique name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The full id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first process, as the host knows it; another one after each start.
    pub fn pid(&self) -> u32 {
        let pid = self.engine.ask(&["inspect", "--format", "{{.State.Pid}}", &self.id]);
        pid.parse().expect("a pid")
    }

    /// What a command in the container prints; panics unless it succeeds.
    pub fn ask(&self, command: &[&str]) -> String {
        crate::engine::printed(command, self.exec(command))
    }

    /// Runs a command in the container to its end.
    pub fn exec(&self, command: &[&str]) -> Output {
        self.command(&[], command).output().expect("run docker")
    }

    /// A command in the container that has not started yet; `options` are those of `docker exec`.
    pub fn command(&self, options: &[&str], command: &[&str]) -> Command {
        let mut client = self.engine.client();
        client.arg("exec").args(options).arg(&self.id).args(command);
        client
    }

    /// What its first process wrote, standard error too.
    pub fn logs(&self) -> String {
        let output = self.engine.client().args(["logs", &self.id]).output().expect("run docker");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Kills it; it can be started again.
    pub fn stop(&self) {
        self.engine.ask(&["stop", "-t", "0", &self.id]);
    }

    /// Starts it again.
    pub fn start(&self) {
        self.engine.ask(&["start", &self.id]);
    }

    /// Stops and starts it.
    pub fn restart(&self) {
        self.engine.ask(&["restart", "-t", "0", &self.id]);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Fails where a test has removed it.
        let _ = self.engine.client().args(["rm", "--force", "--volumes", &self.id]).output();
    }
}
