//! One `proxy-everything run`, before it starts.
//!
//! Receives a lab, a policy and a command; hands on a [`Running`] proxy, or, for a command that ends by itself, what it
//! left behind.

use std::process::{Command, Stdio};

use crate::{Finished, Lab, Origin, Running};

/// A run that has not started yet.
pub struct Run<'a> {
    lab: &'a Lab,
    policy: String,
    origins: Vec<&'a Origin>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
    id: Option<String>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(lab: &'a Lab, policy: String, origins: &[&'a Origin]) -> Self {
        // The secret of TOKEN_POLICY; harmless where no policy names it, since then nothing may come of it either.
        let environment = vec![("API_TOKEN".to_owned(), lab.canary.value().to_owned())];
        Self {
            lab,
            policy,
            origins: origins.to_vec(),
            arguments: Vec::new(),
            environment,
            wrapper: Vec::new(),
            id: None,
        }
    }

    /// More flags for `run`.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// Another id than the usual `run-NUMBER`.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// A variable in the environment of the proxy.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts through another program, which gets the whole command line as its last arguments.
    pub fn through(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(ToString::to_string).collect();
        self
    }

    /// Starts the command and leaves it running, talking over pipes.
    pub fn start(self, command: &[&str]) -> Running<'a> {
        let number = self.lab.next_run();
        let mut process = self.process(command, number);
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::new(self.lab, self.origins, number, &mut process)
    }

    /// Runs the command to its end, with nothing on its standard input.
    pub fn finish(self, command: &[&str]) -> Finished {
        self.start(command).finish()
    }

    /// The process to start, with standard streams still to be chosen.
    pub fn process(&self, command: &[&str], number: u32) -> Command {
        let lab = self.lab;
        let program = lab.program();
        let mut process = match self.wrapper.split_first() {
            None => program,
            Some((wrapper, arguments)) => {
                let mut process = lab.user.command(wrapper);
                process.args(arguments).arg(program.get_program());
                process.current_dir(lab.path("work")).env("HOME", lab.path("home"));
                process
            }
        };
        process.args(["run", "--policy"]).arg(lab.write(&format!("policy-{number}.yaml"), &self.policy));
        process.arg("--audit").arg(lab.path(&format!("audit-{number}.jsonl")));
        process.arg("--state-dir").arg(lab.path("state"));
        process.arg("--cache-dir").arg(lab.path("components")).arg("--id");
        process.arg(self.id.clone().unwrap_or_else(|| format!("run-{number}")));
        process.args(&self.arguments).arg("--").args(command);
        process.envs(self.environment.iter().map(|(name, value)| (name, value)));
        process
    }
}
