//! What is seen on a network, by tcpdump.
//!
//! Receives a filter, and a process whose network is meant; hands back the packets that match, on every interface of it. A control
//! packet, which the capture must see too, proves that it works and that nothing came before.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A capture that has begun.
pub struct Capture {
    process: Child,
    lines: BufReader<ChildStdout>,
    pid: u32,
    control: u16,
}

/// Nobody else sends to this port; the address is loopback.
const CONTROL: u16 = 9;

impl Capture {
    /// Listens on every interface in the network of `pid`, for what `filter` says.
    pub fn start(pid: u32, filter: &str) -> Self {
        // Captures that run at the same time, in one network, tell their control packets apart by their length.
        static NUMBER: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(100);
        let control = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let own = format!("(dst host 127.0.0.1 and udp dst port {CONTROL} and udp[4:2] = {})", control + 8);
        let mut command = inside(pid, "/usr/bin/tcpdump");
        command.args(["-i", "any", "-n", "-l", "--immediate-mode", &format!("{filter} or {own}")]);
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start tcpdump");
        let mut notes = BufReader::new(process.stderr.take().expect("stderr")).lines();
        let listens = notes.any(|line| line.expect("a line").contains("listening on"));
        assert!(listens, "tcpdump does not listen");
        std::thread::spawn(move || notes.for_each(drop));
        let lines = BufReader::new(process.stdout.take().expect("stdout"));
        Self { process, lines, pid, control }
    }

    /// Panics if a packet was seen since the start.
    pub fn assert_nothing(self) {
        if let Some(packet) = self.first() {
            panic!("left the sandbox: {packet}");
        }
    }

    /// The first packet that was seen since the start.
    pub fn first(mut self) -> Option<String> {
        let script = format!("head -c {} /dev/zero >/dev/udp/127.0.0.1/{CONTROL}", self.control);
        let sent = inside(self.pid, "/bin/bash").args(["-c", &script]).status().expect("run bash");
        assert!(sent.success(), "the control packet is not sent");
        let mut first = String::new();
        self.lines.read_line(&mut first).expect("a line");
        let control = format!("127.0.0.1.{CONTROL}: UDP, length {}", self.control);
        (!first.contains(&control)).then_some(first)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn inside(pid: u32, program: &str) -> Command {
    let mut command = Command::new("/usr/bin/nsenter");
    command.args(["--net", "--target", &pid.to_string(), program]);
    command
}
