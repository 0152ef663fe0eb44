//! Real servers that hand out secrets, each on a port of its own. They end with the value.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value as Json, json};

/// What `make` puts below `target`.
pub(super) fn built(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(path);
    assert!(path.exists(), "{} is not there: `make test` makes it, or `make test-vault`", path.display());
    path
}

/// Servers in Python.
pub(super) struct Servers {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(super) hello: Json,
}

impl Servers {
    pub(super) fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/secrets/tests/servers.py");
        let mut command = Command::new(built("token-servers/bin/python"));
        command.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().expect("start the servers");
        let (orders, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut servers = Self { child, orders, answers, hello: Json::Null };
        servers.hello = servers.line();
        servers
    }

    /// Something of the first line.
    pub(super) fn told(&self, name: &str) -> &str {
        self.hello[name].as_str().unwrap()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.hello["plain"])
    }

    pub(super) fn secure(&self, host: &str) -> String {
        format!("https://{host}:{}/token", self.hello["secure"])
    }

    /// Gives an order, and what the servers have seen until then.
    pub(super) fn order(&mut self, order: Json) -> Json {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        self.line()
    }

    /// What was asked of `path`, in order.
    pub(super) fn seen(&mut self, path: &str) -> Vec<Json> {
        self.order(json!({}))["seen"][path].as_array().cloned().unwrap_or_default()
    }

    fn line(&mut self) -> Json {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("the servers' words")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
