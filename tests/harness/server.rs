//! A server of the tests that is a program: it gets a certificate of the test's CA, and prints its port, then what it was asked.
//!
//! It runs outside, and ends when it is dropped.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use crate::{Lab, User};

/// A program that serves.
pub struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    names: Vec<String>,
    port: String,
}

impl Server {
    /// Starts a server of `names`: the program with `before`, the path of its certificate, and `after`.
    pub fn start(
        lab: &Lab,
        names: &[&str],
        (before, after): (&[&str], &[&str]),
        environment: &[(&str, &str)],
    ) -> Self {
        let certificate = lab.path(&format!("{}.pem", names[0]));
        fs::write(&certificate, lab.ca.servers_pem(names)).expect("write a certificate");
        let mut command = User::Root.command(before[0]);
        command.args(&before[1..]).arg(certificate).args(after).envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("start a server");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let names = names.iter().map(ToString::to_string).collect();
        let mut server = Self { child, lines, names, port: String::new() };
        server.port = server.hear();
        server
    }

    /// The next line that it prints.
    pub fn hear(&mut self) -> String {
        self.lines.next().expect("the server's words").expect("text")
    }

    /// All that it said since; it ends with that.
    pub fn told(mut self) -> Vec<String> {
        self.child.kill().expect("kill the server");
        self.lines.by_ref().map(|line| line.expect("text")).collect()
    }

    /// The entries of a policy's `resolve` that lead to it, for clients that think it is at `port`.
    pub fn resolve_entries(&self, port: u16) -> String {
        let entry = |name| format!("  \"{name}:{port}\": \"127.0.0.1:{}\"\n", self.port);
        self.names.iter().map(entry).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
