//! A server outside that gives back what it is sent, in every way there is, over HTTP/1.1 and over HTTP/2. It says what it was asked.

use harness::{Lab, Program, User};

use crate::programs::{ECHO, NODE};

/// Where it speaks HTTP/1.1, where HTTP/2.
pub(super) const ONE: &str = "one.example.test";
pub(super) const TWO: &str = "two.example.test";

pub(super) struct Server {
    program: Program,
    ports: Vec<String>,
}

impl Server {
    pub(super) fn start(lab: &Lab) -> Self {
        let file = |name: &str| lab.write(&format!("{name}.pem"), &lab.ca.server_pem(name));
        let mut command = User::Root.command(NODE);
        command.args(["-e", ECHO]).args([ONE, TWO].map(file)).env("TOKEN", lab.canary.value());
        let mut program = Program::start(command);
        let ports = program.hear().split(' ').map(str::to_owned).collect();
        Self { program, ports }
    }

    /// The policy that reaches it.
    pub(super) fn policy(&self, text: &str) -> String {
        format!("{text}\nresolve:\n{}", self.resolve_entries())
    }

    /// The entries of a policy's `resolve` that lead here.
    pub(super) fn resolve_entries(&self) -> String {
        let [one, two, _] = &self.ports[..] else { panic!("{:?}", self.ports) };
        format!("  {ONE}: '127.0.0.1:{one}'\n  {TWO}: '127.0.0.1:{two}'\n")
    }

    /// What this machine reaches it by, without TLS.
    pub(super) fn plain_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[2])
    }

    /// What it was asked, up to the request for `/end`: methods, paths and tokens.
    pub(super) fn asked(&mut self) -> Vec<String> {
        let lines = std::iter::repeat_with(|| self.program.hear());
        lines.take_while(|line| !line.contains(" /end ")).collect()
    }
}
