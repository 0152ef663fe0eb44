//! A proxy that runs, and the command behind it.
//!
//! A test talks to the command line by line, changes the policy, sends signals, looks at memory, and in the end asks for
//! a [`Finished`]. A running proxy that is dropped is killed.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Answer, Audit, Finished, Lab, Origin, admin, wait};

/// A proxy that runs.
pub struct Running<'a> {
    lab: &'a Lab,
    origins: Vec<&'a Origin>,
    requests_before: usize,
    number: u32,
    child: Child,
    stdout: Collected,
    stderr: Collected,
    lines_read: usize,
}

impl<'a> Running<'a> {
    pub(crate) fn new(lab: &'a Lab, origins: Vec<&'a Origin>, number: u32, process: &mut Command) -> Self {
        let requests_before = count(&origins);
        let mut child = process.spawn().expect("start proxy-everything");
        let stdout = Collected::from(child.stdout.take().expect("stdout"));
        let stderr = Collected::from(child.stderr.take().expect("stderr"));
        Self { lab, origins, requests_before, number, child, stdout, stderr, lines_read: 0 }
    }

    /// The process id of the proxy.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The path of the admin socket.
    pub fn socket(&self) -> PathBuf {
        self.lab.path(&format!("state/run-{}.sock", self.number))
    }

    /// One request to the admin API.
    pub fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        admin::request(&self.socket(), method, path, body)
    }

    /// `policy apply` with a policy that reaches the same origins.
    pub fn apply(&self, text: &str) -> Output {
        let file = self.lab.write("next-policy.yaml", &self.lab.policy(text, &self.origins));
        let socket = self.socket();
        let path = |path: &PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
        self.lab.cli(&["policy", "apply", &path(&file), "--socket", &path(&socket)])
    }

    /// Sends one line to the command.
    pub fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is open");
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| stdin.flush())
            .expect("write to the command");
    }

    /// The next line that the command prints.
    pub fn hear(&mut self) -> String {
        let number = self.lines_read;
        let line = wait::until("a line from the command", || {
            let text = self.stdout.text();
            if let Some((line, true)) =
                text.split_inclusive('\n').nth(number).map(|line| (line, line.ends_with('\n')))
            {
                return Some(line.trim_end().to_owned());
            }
            assert!(!self.stdout.ended(), "no more lines; stdout:\n{text}\nstderr:\n{}", self.stderr.text());
            None
        });
        self.lines_read += 1;
        line
    }

    /// What has come on standard error so far.
    pub(crate) fn errors(&self) -> String {
        self.stderr.text()
    }

    /// Sends one line, hears one.
    pub fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }

    /// Sends a signal to the proxy alone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).expect("a pid")), signal).expect("kill");
    }

    /// The audit records so far; only for moments when no line is being written.
    pub fn audit(&self) -> Audit {
        Audit::read(&self.audit_path())
    }

    /// Waits for the end and checks the invariants.
    pub fn finish(mut self) -> Finished {
        let finished = self.end();
        finished.assert_invariants(&self.lab.canary, count(&self.origins) - self.requests_before);
        finished
    }

    /// Waits for the end of a run whose proxy was killed or whose requests broke off: records may be missing.
    pub fn finish_abrupt(mut self) -> Finished {
        let finished = self.end();
        finished.assert_quiet(&self.lab.canary);
        finished
    }

    fn end(&mut self) -> Finished {
        drop(self.child.stdin.take());
        let ended = wait::within(4 * wait::DEADLINE, || {
            let status = self.child.try_wait().expect("wait for the proxy")?;
            (self.stdout.ended() && self.stderr.ended()).then_some(status)
        });
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        let Some(status) = ended else {
            panic!("the run does not end; stdout:\n{stdout}\nstderr:\n{stderr}");
        };
        Finished {
            status,
            stdout,
            stderr,
            audit: Audit::read(&self.audit_path()),
            audit_path: self.audit_path(),
        }
    }

    fn audit_path(&self) -> PathBuf {
        self.lab.path(&format!("audit-{}.jsonl", self.number))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn count(origins: &[&Origin]) -> usize {
    origins.iter().map(|origin| origin.requests().len()).sum()
}

/// What a pipe has given so far.
pub(crate) struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: Arc<AtomicBool>,
}

impl Collected {
    pub(crate) fn from(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::default());
        let ended = Arc::new(AtomicBool::new(false));
        let collected = Self { bytes: Arc::clone(&bytes), ended: Arc::clone(&ended) };
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                lock(&bytes).extend_from_slice(&buffer[..length]);
            }
            ended.store(true, Ordering::Release);
        });
        collected
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.bytes)).into_owned()
    }

    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
