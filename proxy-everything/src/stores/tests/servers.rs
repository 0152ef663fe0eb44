//! Real servers, each on a port of its own. They end with the value, and at the latest with the thread that started them.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use handlers::Secret;
use rustls::RootCertStore;

use crate::stores::{
    redis::{Redis, RedisServer},
    s3::{S3, S3Bucket},
};

pub(crate) struct RedisProcess {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
    password: &'static str,
}

impl RedisProcess {
    pub(crate) fn start(password: &'static str) -> Self {
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let directory = tempfile::tempdir().unwrap();
            // Somebody else may have taken the port meanwhile.
            if let Some(child) = redis(port, password, directory.path()) {
                return Self { child, port, directory, password };
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = redis(self.port, self.password, self.directory.path()).expect("the port is free again");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub(crate) fn store(&self, password: &str, prefix: &str) -> Redis {
        let password = (!password.is_empty()).then(|| Arc::new(Secret::new(password.to_owned())));
        Redis::new(RedisServer { url: self.url(), username: None, password, prefix: prefix.into() }).unwrap()
    }
}

impl Drop for RedisProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn redis(port: u16, password: &str, directory: &Path) -> Option<Child> {
    let mut command = mortal("redis-server");
    command.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--requirepass",
        password,
    ]);
    command.arg("--dir").arg(directory).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("start redis-server");
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.contains("Ready to accept connections"));
    if !ready {
        let _ = child.wait();
    }
    ready.then_some(child)
}

pub(super) struct S3Process {
    /// Its standard input ends when this process does.
    child: Child,
    pub(super) endpoint: String,
    pub(super) id: String,
    pub(super) key: String,
}

impl S3Process {
    pub(super) fn start() -> Self {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/moto/bin/python");
        let mut command = Command::new(&python);
        command.args(["-c", include_str!("s3_server.py")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).expect("the server's words");
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        Self { child, endpoint: text("endpoint"), id: text("id"), key: text("key") }
    }

    pub(super) fn bucket(&self) -> S3Bucket {
        S3Bucket {
            bucket: "bucket".into(),
            endpoint: Some(self.endpoint.clone()),
            region: "us-east-1".into(),
            access_key_id: Arc::new(Secret::new(self.id.clone())),
            secret_access_key: Arc::new(Secret::new(self.key.clone())),
            prefix: "x/".into(),
            roots: Arc::new(RootCertStore::empty()),
        }
    }

    pub(super) fn store(&self) -> S3 {
        S3::new(self.bucket()).unwrap()
    }
}

impl Drop for S3Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that does not outlive the thread which starts it.
pub(crate) fn mortal(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
