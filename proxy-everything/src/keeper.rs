//! The keeper: a small process that outlives proxies. It holds what must not be lost when a proxy crashes, the listeners inside
//! the workloads' namespaces and the instances' CAs, starts the proxy, and starts it again when it dies or stands still. While
//! there is no proxy, connections wait in the listeners' queues; nothing can pass. It parses nothing and talks to nobody else.

mod channel;
mod store;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    os::{
        fd::AsRawFd,
        unix::{
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::PathBuf,
    process::{Child, Command},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use anyhow::Context;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::Signals,
};

use crate::capture;
use channel::Message;
pub use store::{Keeper, Kept, Lifeline};

/// The hidden first argument that makes this binary the proxy of a keeper.
const PROXY_VERB: &str = "__proxy";

/// A proxy that says nothing for this long stands still and is killed. It speaks every two seconds.
const SILENCE: Duration = Duration::from_secs(10);
/// How often a proxy may die before it was ready, one time after the other, until the keeper gives up.
const MAX_FAILURES: u32 = 5;
/// As `env`, `timeout` and `docker run` report their own failure.
const FAILURE: u8 = 125;
/// What Rust programs end with when they panic: a crash, not an answer.
const PANIC: i32 = 101;

enum Happening {
    /// Proxy number N said something.
    Said(u64, Message),
    /// It is gone.
    Gone(u64),
    Signal(i32),
}

struct Proxy {
    number: u64,
    process: Child,
    heard: Instant,
    ready: bool,
}

/// At most two proxies live at once: one that answers, and one that comes or goes. Of what only one of them can use, each has its
/// half: odd numbers one, even numbers the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The first proxy's.
    Odd,
    /// The other one.
    Even,
}

impl Share {
    /// That of proxy `number`.
    pub fn of(number: u64) -> Self {
        if number % 2 == 1 { Self::Odd } else { Self::Even }
    }

    fn other(self) -> Self {
        match self {
            Self::Odd => Self::Even,
            Self::Even => Self::Odd,
        }
    }
}

struct Keep {
    arguments: Vec<OsString>,
    /// What is started: this very program, or after an upgrade the file that it came from.
    program: PathBuf,
    file: PathBuf,
    kept: BTreeMap<String, Kept>,
    proxy: Option<Proxy>,
    /// A proxy that drains, or one that is to take over.
    others: Vec<Proxy>,
    successor: Option<u64>,
    /// Something was changed since the successor was told what is kept.
    overtaken: bool,
    /// An upgrade is wanted once nothing drains any more.
    upgrade_waits: bool,
    started: u64,
    failures: u32,
    ending: bool,
    /// With which status this process ends when the last proxy has.
    code: Option<u8>,
    happenings: Sender<Happening>,
}

/// Whether these arguments are those of a keeper's proxy: the way to the keeper, and the arguments that its user typed.
pub fn proxy_of(mut arguments: impl Iterator<Item = OsString>) -> Option<(Lifeline, Vec<OsString>)> {
    let program = arguments.next()?;
    arguments.next().filter(|verb| verb == PROXY_VERB)?;
    let descriptor = arguments.next()?.to_str()?.parse().ok()?;
    let number = arguments.next()?.to_str()?.parse().ok()?;
    let lifeline = Lifeline { socket: capture::inherited(descriptor)?, number };
    Some((lifeline, std::iter::once(program).chain(arguments).collect()))
}

/// Keeps proxies running with this program's own arguments until one ends by itself; gives its exit status. `kept`: what the
/// first one finds already.
pub fn run(kept: BTreeMap<String, Kept>) -> anyhow::Result<u8> {
    capture::harden().context("cannot harden this process")?;
    if let Err(error) = capture::raise_descriptor_limit() {
        tracing::warn!(%error, "the number of instances is bounded by the descriptors that may be open");
    }
    let (happenings, received) = channel();
    watch_signals(happenings.clone()).context("cannot watch for signals")?;
    let mut keep = Keep {
        arguments: std::env::args_os().skip(1).collect(),
        program: "/proc/self/exe".into(),
        file: std::env::current_exe().context("cannot tell where this program is")?,
        kept,
        proxy: None,
        others: Vec::new(),
        successor: None,
        overtaken: false,
        upgrade_waits: false,
        started: 0,
        failures: 0,
        ending: false,
        code: None,
        happenings,
    };
    keep.proxy = Some(keep.start(Share::Odd).context("cannot start the proxy")?);
    keep.until_the_end(&received)
}

fn watch_signals(happenings: Sender<Happening>) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGUSR2])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let _ = happenings.send(Happening::Signal(signal));
        }
    })?;
    Ok(())
}

impl Keep {
    fn until_the_end(&mut self, received: &Receiver<Happening>) -> anyhow::Result<u8> {
        loop {
            match received.recv_timeout(SILENCE / 10) {
                Ok(Happening::Said(number, message)) => self.said(number, message),
                Ok(Happening::Gone(number)) => {
                    if let Some(code) = self.gone(number)? {
                        return Ok(code);
                    }
                }
                Ok(Happening::Signal(SIGUSR2)) => self.upgrade(),
                Ok(Happening::Signal(signal)) => self.end(signal),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(FAILURE),
            }
            self.kill_if_silent();
        }
    }

    /// Starts a proxy, which finds everything that is kept.
    fn start(&mut self, share: Share) -> anyhow::Result<Proxy> {
        let (ours, theirs) = UnixStream::pair()?;
        let number = self.started + if Share::of(self.started) == share { 2 } else { 1 };
        let mut command = Command::new(&self.program);
        command
            .arg0("proxy-everything")
            .arg(PROXY_VERB)
            .arg(theirs.as_raw_fd().to_string())
            .arg(number.to_string())
            .args(&self.arguments);
        capture::keep_across_exec(&mut command, vec![theirs.as_raw_fd()]);
        let process = command.spawn()?;
        drop(theirs);
        self.started = number;
        let reader = ours.try_clone()?;
        let happenings = self.happenings.clone();
        let kept = self.kept.values().map(Kept::duplicate).collect::<io::Result<Vec<_>>>()?;
        std::thread::Builder::new().name("proxy".into()).spawn(move || {
            for kept in kept {
                let _ = channel::send(&ours, &Message::Keep(kept));
            }
            let _ = channel::send(&ours, &Message::Ready);
            while let Ok(Some(message)) = channel::receive(&reader) {
                let _ = happenings.send(Happening::Said(number, message));
            }
            let _ = happenings.send(Happening::Gone(number));
        })?;
        Ok(Proxy { number, process, heard: Instant::now(), ready: false })
    }

    fn said(&mut self, number: u64, message: Message) {
        let ready = matches!(message, Message::Ready);
        let change = matches!(message, Message::Keep(_) | Message::Forget(_));
        self.overtaken |= change && self.successor.is_some_and(|successor| successor != number);
        match message {
            Message::Keep(kept) => {
                let earlier = self.kept.remove(&kept.id);
                self.kept.insert(kept.id.clone(), kept.or_descriptors_of(earlier));
            }
            Message::Forget(id) => drop(self.kept.remove(&id)),
            Message::Ready | Message::Alive => {}
        }
        for proxy in self.proxy.iter_mut().chain(&mut self.others) {
            if proxy.number == number {
                proxy.heard = Instant::now();
                proxy.ready |= ready;
            }
        }
        if ready {
            self.failures = 0;
            // This process has little to do from now on.
            let _ = capture::unmap_code();
        }
        if ready && self.successor == Some(number) {
            self.take_over(number);
        }
    }

    /// The proxy has ended. Only what it decided itself is an end; a crash is none.
    fn gone(&mut self, number: u64) -> anyhow::Result<Option<u8>> {
        if let Some(at) = self.others.iter().position(|other| other.number == number) {
            let mut other = self.others.swap_remove(at);
            let status = other.process.wait()?;
            if self.successor == Some(number) {
                self.successor = None;
                tracing::error!(%status, "the new program did not start; the old one goes on");
            } else if std::mem::take(&mut self.upgrade_waits) {
                self.upgrade();
            }
            return Ok(self.code.filter(|_| self.others.is_empty()));
        }
        let Some(mut proxy) = self.proxy.take_if(|proxy| proxy.number == number) else { return Ok(None) };
        let status = proxy.process.wait()?;
        let decided = status.code().filter(|code| *code != PANIC);
        if self.ending || decided.is_some() {
            self.code = Some(decided.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILURE));
            // One that drains may finish; it has a limit of its own.
            return Ok(self.code.filter(|_| self.others.is_empty()));
        }
        if !proxy.ready {
            self.failures += 1;
            if self.failures == MAX_FAILURES {
                anyhow::bail!(
                    "the proxy died {MAX_FAILURES} times before it was ready ({status}); workloads stay closed"
                );
            }
            std::thread::sleep(Duration::from_millis(100) * self.failures);
        }
        tracing::error!(%status, signal = status.signal(), "the proxy died and is started again");
        self.proxy = Some(self.start(Share::of(proxy.number)).context("cannot start the proxy again")?);
        Ok(None)
    }

    /// A new proxy, from the file on disk; the old one goes on until it is ready.
    fn upgrade(&mut self) {
        let Some(proxy) = self.proxy.as_ref().filter(|_| !self.ending) else { return };
        if !self.others.is_empty() {
            self.upgrade_waits = true;
            return;
        }
        let share = Share::of(proxy.number).other();
        let former = std::mem::replace(&mut self.program, self.file.clone());
        match self.start(share) {
            Ok(proxy) => {
                self.successor = Some(proxy.number);
                self.overtaken = false;
                self.others.push(proxy);
            }
            Err(error) => {
                self.program = former;
                tracing::error!(%error, "cannot start the new program; the old one goes on");
            }
        }
    }

    fn take_over(&mut self, number: u64) {
        self.successor = None;
        let Some(at) = self.others.iter().position(|other| other.number == number) else { return };
        let mut successor = self.others.swap_remove(at);
        if self.overtaken {
            // It would serve under a policy that was replaced, or not at all what was attached meanwhile.
            let _ = successor.process.kill();
            self.others.push(successor);
            self.upgrade_waits = true;
            return;
        }
        if let Some(former) = self.proxy.replace(successor) {
            signal(&former, SIGUSR1);
            self.others.push(former);
        }
        tracing::info!("a new proxy has taken over");
    }

    /// The first time everything under way may finish, the second time not.
    fn end(&mut self, number: i32) {
        tracing::info!(signal = number, "ending");
        let again = std::mem::replace(&mut self.ending, true);
        for proxy in self.proxy.iter().chain(&self.others) {
            signal(proxy, if again { libc::SIGKILL } else { SIGTERM });
        }
    }

    fn kill_if_silent(&mut self) {
        for proxy in self.proxy.iter_mut().chain(&mut self.others) {
            if proxy.heard.elapsed() > SILENCE {
                tracing::error!("the proxy stands still and is killed");
                proxy.heard = Instant::now();
                let _ = proxy.process.kill();
            }
        }
    }
}

fn signal(proxy: &Proxy, signal: i32) {
    let pid = i32::try_from(proxy.process.id()).map(nix::unistd::Pid::from_raw);
    let signal = nix::sys::signal::Signal::try_from(signal);
    if let (Ok(pid), Ok(signal)) = (pid, signal) {
        // Not reaped yet, so the number is still its own.
        let _ = nix::sys::signal::kill(pid, signal);
    }
}
