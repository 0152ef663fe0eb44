//! The scratch networks, from outside: makes each, lets the probe try every way round in it, watches at the proxy's listeners what
//! arrives, and hands on a finding for each attempt. Nothing of a network outlives its probe.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, PipeReader, Read},
    net::SocketAddr,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::DirBuilderExt,
            net::{SocketAddr as UnixAddress, UnixListener},
        },
    },
    path::PathBuf,
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    Finding,
    attempts::{ATTEMPTS, Network, PROBE_VERB, Report},
    checks,
    verdict::{Arrival, judge},
};
use crate::{
    capture::{self, CaptureError, Captured, Scratch, Seal, Sockets, TransparentSocket, Writable},
    hidden::Hidden,
};

/// All attempts of one network together; if each were silent it would be longer, and that is a finding too.
const PROBE_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at whether the probe has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const ANSWER: &[u8] = b"!";

/// Every attempt in every kind of network that this user can make.
pub(super) fn try_everything() -> Vec<Finding> {
    let outside = match Listening::start() {
        Ok(outside) => outside,
        Err(error) => {
            return vec![Finding::fail("attempts", format!("cannot listen: {error}"), "make /tmp writable")];
        }
    };
    let mut findings = findings(Network::Sealed, sealed(&outside));
    if checks::may_attach() {
        findings.extend(self::findings(Network::Attached, attached(&outside)));
    } else {
        findings.push(Finding::not_applicable(
            "attached",
            "trying a container's network needs root, with CAP_SYS_ADMIN and CAP_NET_ADMIN",
        ));
    }
    findings
}

/// What the doctor itself listens at outside, for the probe to fail to reach.
struct Listening {
    folder: PathBuf,
    abstract_name: String,
    _listeners: [UnixListener; 2],
}

impl Listening {
    fn start() -> io::Result<Self> {
        let abstract_name = format!("proxy-everything-doctor-{}", std::process::id());
        let folder = std::env::temp_dir().join(&abstract_name);
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let by_name = UnixListener::bind_addr(&UnixAddress::from_abstract_name(&abstract_name)?);
        let by_path = UnixListener::bind(folder.join("socket"));
        match (by_name, by_path) {
            (Ok(by_name), Ok(by_path)) => Ok(Self { folder, abstract_name, _listeners: [by_name, by_path] }),
            (Err(error), _) | (_, Err(error)) => {
                let _ = fs::remove_dir_all(&folder);
                Err(error)
            }
        }
    }

    /// This binary again, as the probe of `network`.
    fn probe(&self, network: Network) -> Vec<String> {
        let own = self.folder.join("socket");
        let words = ["/proc/self/exe", PROBE_VERB, network.name(), &self.abstract_name];
        let sockets = checks::engines().into_iter().chain([own]);
        let sockets = sockets.map(|path| path.to_string_lossy().into_owned());
        words.into_iter().map(str::to_owned).chain(sockets).collect()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What a network's attempts led to.
struct Tried {
    reports: Vec<Report>,
    arrived: BTreeSet<SocketAddr>,
}

fn sealed(outside: &Listening) -> Result<Tried, CaptureError> {
    let masked = Hidden::choose(Vec::new(), &[], &[]).map(|hidden| hidden.masked);
    let masked = masked.map_err(|error| CaptureError::Agent(error.to_string()))?;
    let seal = Seal {
        ca_pem: String::new(),
        masked,
        kept: Vec::new(),
        read_only: Vec::new(),
        writable: Writable::AsUser,
    };
    let (output, theirs) = io::pipe().map_err(CaptureError::step("create a pipe"))?;
    let Captured { sockets, agent, command: _ } =
        capture::run(&outside.probe(Network::Sealed), &[], seal, 0, theirs.into())?;
    watch(sockets, agent, output).map_err(CaptureError::step("watch the probe"))
}

fn attached(outside: &Listening) -> Result<Tried, CaptureError> {
    let (output, theirs) = io::pipe().map_err(CaptureError::step("create a pipe"))?;
    let Scratch { sockets, child } =
        capture::scratch(&outside.probe(Network::Attached), Stdio::from(theirs))?;
    watch(sockets, child, output).map_err(CaptureError::step("watch the probe"))
}

/// Answers whatever arrives, until the probe has ended.
fn watch(sockets: Sockets, mut probe: Child, mut output: PipeReader) -> io::Result<Tried> {
    let arrived = Arrived::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        for listener in sockets.tcp {
            tokio::spawn(accept(tokio::net::TcpListener::from_std(listener)?, arrived.clone()));
        }
        for socket in sockets.dns {
            tokio::spawn(answer(TransparentSocket::new(socket)?, arrived.clone()));
        }
        tokio::time::timeout(PROBE_WITHIN, end_of(&mut probe)).await.unwrap_or(Ok(()))
    });
    // Dead already, or too slow.
    let _ = probe.kill();
    let _ = probe.wait();
    ended?;
    // All that could write to it is gone; what it holds fits into a pipe.
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    let reports = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let arrived = arrived.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Tried { reports, arrived })
}

async fn end_of(probe: &mut Child) -> io::Result<()> {
    while probe.try_wait()?.is_none() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The addresses that were meant, of all that has arrived.
#[derive(Clone, Default)]
struct Arrived(Arc<Mutex<BTreeSet<SocketAddr>>>);

impl Arrived {
    fn add(&self, address: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(address);
    }
}

async fn accept(listener: tokio::net::TcpListener, arrived: Arrived) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        arrived.add(stream.local_addr()?);
        // To the end of what the probe sends, so that closing is no reset. It sends a few bytes and closes.
        tokio::spawn(async move {
            stream.write_all(ANSWER).await?;
            stream.take(64).read_to_end(&mut Vec::new()).await
        });
    }
}

async fn answer(socket: TransparentSocket, arrived: Arrived) -> io::Result<()> {
    loop {
        let question = socket.receive().await?;
        arrived.add(question.to);
        socket.answer(&question, ANSWER).await?;
    }
}

fn findings(network: Network, tried: Result<Tried, CaptureError>) -> Vec<Finding> {
    let name = format!("{} network", network.name());
    let tried = match tried {
        Ok(tried) => tried,
        Err(error) => {
            let text = error.to_string();
            let (found, cure) = text.split_once("\n  hint: ").unwrap_or((&text, UNKNOWN_CURE));
            return vec![Finding::fail(name, found, cure)];
        }
    };
    let made = "namespace, routes, listeners and rules could be made";
    let attempts = ATTEMPTS.iter().filter_map(|attempt| {
        let expected = attempt.expected(network)?;
        let name = format!("{}: {}", network.name(), attempt.name);
        let Some(report) = tried.reports.iter().find(|report| report.name == attempt.name) else {
            return Some(Finding::fail(name, "was not tried: the probe ended before it", UNKNOWN_CURE));
        };
        let has_arrived = attempt.target().is_some_and(|target| tried.arrived.contains(&target));
        let arrival = if has_arrived { Arrival::Arrived } else { Arrival::Absent };
        let (status, found, fix) =
            judge(expected, report.outcome, Duration::from_millis(report.millis), arrival);
        Some(Finding { status, name, found, fix: fix.map(str::to_owned) })
    });
    [Finding::ok(name, made)].into_iter().chain(attempts).collect()
}

const UNKNOWN_CURE: &str = "see the checks above; where nftables modules are not loaded by themselves, `modprobe -a nf_tables nft_tproxy nft_reject_inet`";
