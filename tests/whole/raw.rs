//! An origin that reads to the letter and says anything, for tests of how messages are framed.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use harness::{HOST, Lab, User};
use serde_json::Value;

use crate::programs::{PYTHON, RAW_ORIGIN};

/// `raw_origin.py`, outside of the sandbox.
pub(crate) struct RawOrigin {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    port: String,
}

impl RawOrigin {
    /// `PLAIN` or `TLS`.
    pub(crate) fn start(lab: &Lab, transport: &str) -> Self {
        let file = lab.write("raw.pem", &lab.ca.server_pem(HOST));
        let mut command = User::Root.command(PYTHON);
        command.args(["-c", RAW_ORIGIN, transport]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, mut lines) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut port = String::new();
        lines.read_line(&mut port).unwrap();
        Self { child, stdin, lines, port: port.trim().to_owned() }
    }

    /// A policy that reaches it: `text` and its address.
    pub(crate) fn policy(&self, text: &str) -> String {
        format!("{text}\nresolve: {{ {HOST}: \"127.0.0.1:{}\" }}", self.port)
    }

    /// Ends it, and says what it has read.
    pub(crate) fn seen(mut self) -> Vec<Value> {
        drop(self.stdin.take());
        self.lines.by_ref().lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    }
}

impl Drop for RawOrigin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
