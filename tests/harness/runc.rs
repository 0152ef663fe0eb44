//! A container without an engine.
//!
//! What engines themselves stand on: `runc` with a bundle that the harness writes. It has a network namespace of its own with
//! nothing in it but `lo`, and is deleted when it is dropped.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::User;
use crate::engine::printed;
use crate::rootfs::Image;

/// The id: each has a state directory of its own.
const ID: &str = "test";

/// A container of `runc` that runs.
pub struct Runc {
    directory: TempDir,
}

impl Runc {
    /// Starts a container in the background.
    pub fn run(image: Image, command: &[&str]) -> Self {
        let container =
            Self { directory: TempDir::with_prefix("proxy-everything-runc-").expect("a directory") };
        let (bundle, root) = (container.path("bundle"), container.path("bundle/rootfs"));
        std::fs::create_dir_all(&root).expect("make a directory");
        image.unpack(&root);
        let specification =
            container.runc().args(["spec", "--bundle"]).arg(&bundle).output().expect("run runc");
        printed(&["spec"], specification);
        let file = bundle.join("config.json");
        let mut config: Value =
            serde_json::from_slice(&std::fs::read(&file).expect("read config.json")).expect("JSON");
        config["process"]["args"] = json!(command);
        config["process"]["terminal"] = json!(false);
        config["root"]["readonly"] = json!(false);
        if image == Image::Host {
            let usr = json!({ "destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"] });
            config["mounts"].as_array_mut().expect("mounts").push(usr);
        }
        std::fs::write(&file, config.to_string()).expect("write config.json");
        // With pipes for its standard streams, we would wait for the container's end.
        let mut run = container.runc();
        run.args(["run", "--detach", "--bundle"]).arg(&bundle).arg(ID);
        let null = std::process::Stdio::null;
        assert!(run.stdin(null()).stdout(null()).stderr(null()).status().expect("run runc").success());
        container
    }

    /// The first process, as the host knows it.
    pub fn pid(&self) -> u32 {
        let state = printed(&["state"], self.runc().args(["state", ID]).output().expect("run runc"));
        let state: Value = serde_json::from_str(&state).expect("JSON");
        state["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid")
    }

    /// What a command in the container prints; panics unless it succeeds.
    pub fn ask(&self, command: &[&str]) -> String {
        printed(command, self.exec(command))
    }

    /// Runs a command in the container to its end.
    pub fn exec(&self, command: &[&str]) -> Output {
        self.runc().args(["exec", ID]).args(command).output().expect("run runc")
    }

    fn runc(&self) -> Command {
        let mut command = User::Root.command("runc");
        command.arg("--root").arg(self.path("state"));
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Runc {
    fn drop(&mut self) {
        let _ = self.runc().args(["delete", "--force", ID]).output();
    }
}
