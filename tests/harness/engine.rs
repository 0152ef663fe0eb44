//! Real container engines, each one's own world.
//!
//! Docker, podman and rootless podman are started once for all tests of a process, in a directory and a network namespace of
//! their own: their bridges, firewall rules and forwarding are not the host's, and nothing in it leads out. All three are spoken
//! to by Docker's client. However the tests end, a guard removes the containers, the engine and its directory.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::rootfs::Image;
use crate::{User, wait};

const GUARD: &str = include_str!("engine/guard.sh");
const NOBODY: u32 = 65534;

/// What the engines inherit from the distribution is not needed, and this works where limits cannot be raised and where
/// cgroups v1 and v2 are mixed, which `crun` refuses.
const PODMAN: &str = "[containers]\ndefault_ulimits = [LIMITS]\n[engine]\nruntime = \"runc\"\n\
                      cgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";

/// A container engine that runs.
pub struct Engine {
    directory: PathBuf,
    /// Its standard input ends when this process does.
    guard: Child,
}

impl Engine {
    /// Docker.
    pub fn docker() -> &'static Self {
        static DOCKER: OnceLock<Engine> = OnceLock::new();
        DOCKER.get_or_init(|| {
            let directory = directory();
            let mut daemon = User::Root.command("dockerd");
            daemon.args(["--data-root", &path(&directory, "data"), "--exec-root", &path(&directory, "exec")]);
            daemon.args(["--pidfile", &path(&directory, "pid"), "--host", &address(&directory)]);
            Self::start(directory, &daemon)
        })
    }

    /// Podman's API, as root.
    pub fn podman() -> &'static Self {
        static PODMAN: OnceLock<Engine> = OnceLock::new();
        PODMAN.get_or_init(|| {
            let directory = directory();
            let daemon = podman(&directory, &[], "\"nofile=4096:4096\", \"nproc=4096:4096\"");
            Self::start(directory, &daemon)
        })
    }

    /// Podman's API, as nobody: without capabilities, subordinate ids, or a home of its own.
    pub fn rootless_podman() -> &'static Self {
        static ROOTLESS: OnceLock<Engine> = OnceLock::new();
        ROOTLESS.get_or_init(|| {
            let directory = directory();
            let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
            let daemon = podman(&directory, &nobody, "");
            chown(&directory, Some(NOBODY), Some(NOBODY)).expect("chown");
            chown(directory.join("run-user"), Some(NOBODY), Some(NOBODY)).expect("chown");
            Self::start(directory, &daemon)
        })
    }

    /// The socket of its API.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("engine.sock")
    }

    /// A process in the network of the engine itself, where its bridges are.
    pub fn pid(&self) -> u32 {
        self.guard.id()
    }

    /// Docker's client.
    pub fn client(&self) -> Command {
        let mut command = User::Root.command("docker");
        command.args(["--host", &address(&self.directory)]).stdin(Stdio::null());
        // No configuration of whoever runs the tests.
        command.env("DOCKER_CONFIG", &self.directory).env("HOME", &self.directory);
        command
    }

    /// What a command of the client prints; panics unless it succeeds.
    pub fn ask(&self, arguments: &[&str]) -> String {
        printed(arguments, self.client().args(arguments).output().expect("run docker"))
    }

    fn start(directory: PathBuf, daemon: &Command) -> Self {
        let client = format!("docker --host {}", address(&directory));
        let mut guard = User::Root.command("unshare");
        guard.args(["--net", "--mount", "--propagation", "slave", "sh", "-c", GUARD, "guard"]);
        guard.arg(&directory).arg(client).arg(daemon.get_program()).args(daemon.get_args());
        guard.envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // A ctrl-C is for the tests; the guard then sees that they are gone.
        guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let engine = Self { guard: guard.spawn().expect("start the engine"), directory };
        let answers = || engine.client().arg("version").output().is_ok_and(|output| output.status.success());
        if wait::within(wait::DEADLINE, || answers().then_some(())).is_none() {
            let log = std::fs::read_to_string(engine.directory.join("log")).unwrap_or_default();
            panic!("{daemon:?} does not answer: {log}");
        }
        for image in Image::ALL {
            engine.import(image);
        }
        engine
    }

    fn import(&self, image: Image) {
        let root = TempDir::with_prefix("proxy-everything-image-").expect("temporary directory");
        image.unpack(root.path());
        let archive = self.directory.join(image.name());
        let mut tar = Command::new("tar");
        tar.args(["--owner=0", "--group=0", "-cf"]).arg(&archive).arg("-C").arg(root.path()).arg(".");
        assert!(tar.status().expect("run tar").success());
        self.ask(&["import", &archive.display().to_string(), image.name()]);
        std::fs::remove_file(archive).expect("remove the archive");
    }
}

fn podman(directory: &Path, prefix: &[&str], limits: &str) -> Command {
    let configuration = directory.join("containers.conf");
    std::fs::write(&configuration, PODMAN.replace("LIMITS", limits)).expect("write containers.conf");
    let user = path(directory, "run-user");
    std::fs::create_dir(&user).expect("make a directory");
    let words: Vec<_> = prefix.iter().copied().chain(["podman"]).collect();
    let mut command = User::Root.command(words[0]);
    command.args(&words[1..]).args([
        "--root",
        &path(directory, "data"),
        "--runroot",
        &path(directory, "run"),
    ]);
    command.args(["system", "service", "--time", "0", &address(directory)]);
    command.env("CONTAINERS_CONF", configuration).env("HOME", directory).env("XDG_RUNTIME_DIR", user);
    command
}

/// Kept: the guard removes it, after everything that is mounted in it.
fn directory() -> PathBuf {
    TempDir::with_prefix("proxy-everything-engine-").expect("temporary directory").keep()
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).display().to_string()
}

fn address(directory: &Path) -> String {
    format!("unix://{}", path(directory, "engine.sock"))
}

/// What a command printed, without the last line end.
pub(crate) fn printed(arguments: &[&str], output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed with {}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}
