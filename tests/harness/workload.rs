//! A workload that runs already: a process in a network namespace of its own, which has only `lo`.
//!
//! Stands for a container where no engine is needed. Programs are started in its network, and talked to line by line. It ends when
//! it is dropped.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::running::Collected;
use crate::{User, processes, wait};

/// A process that waits, in a network of its own.
pub struct Workload(Child);

impl Workload {
    /// Starts it; as another user than root in a user namespace too.
    pub fn start(user: User) -> Self {
        let mut command = user.command("/usr/bin/unshare");
        command.args(if user == User::Root {
            &["--net"][..]
        } else {
            &["--user", "--map-root-user", "--net"]
        });
        let child = command.arg("/bin/cat").stdin(Stdio::piped()).spawn().expect("start unshare");
        let workload = Self(child);
        // It has its network once it is the other program.
        wait::until("the workload", || (processes::program(workload.pid()) == "cat").then_some(()));
        workload
    }

    /// Its process id, as the host knows it.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The id that its instance has by default.
    pub fn id(&self) -> String {
        format!("pid-{}", self.pid())
    }

    /// A program in its network; everything else is the host's.
    pub fn command(&self, command: &[&str]) -> Command {
        let mut process = User::Root.command("/usr/bin/nsenter");
        process.args(["--net", "--target", &self.pid().to_string()]).args(command);
        process
    }

    /// Ends it.
    pub fn end(mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that talks in lines.
pub struct Program {
    child: Child,
    stdout: Collected,
    stderr: Collected,
    lines_read: usize,
}

impl Program {
    /// Starts it with pipes.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start a program");
        let stdout = Collected::from(child.stdout.take().expect("stdout"));
        let stderr = Collected::from(child.stderr.take().expect("stderr"));
        Self { child, stdout, stderr, lines_read: 0 }
    }

    /// Sends one line.
    pub fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is open");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("write to the program");
    }

    /// The next line that it prints.
    pub fn hear(&mut self) -> String {
        let line = wait::until("a line from the program", || {
            let text = self.stdout.text();
            let next = text.split_inclusive('\n').nth(self.lines_read).filter(|line| line.ends_with('\n'));
            assert!(next.is_some() || !self.stdout.ended(), "no more lines: {text}{}", self.stderr.text());
            next.map(|line| line.trim_end().to_owned())
        });
        self.lines_read += 1;
        line
    }

    /// Sends one line, hears one.
    pub fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }

    /// What it has written to standard error so far.
    pub fn errors(&self) -> String {
        self.stderr.text()
    }

    /// Closes its standard input; its exit status, once it has ended.
    pub fn code(&mut self) -> Option<i32> {
        self.child.wait().expect("wait for the program").code()
    }

    /// Whether it has printed this so far.
    pub fn has_said(&self, text: &str) -> bool {
        self.stdout.text().contains(text)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
