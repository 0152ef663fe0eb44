//! The end of every trail: receives finished records, writes them to a file or to standard error, a line each. A thread of
//! its own does the writing, behind a bounded queue: when the disk is slower than the traffic, the traffic waits, because a
//! decision without its record must not happen.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use super::Record;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Appended to this file, which is made with mode 0600.
    File(PathBuf),
    /// Standard error.
    Stderr,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stderr => f.write_str("standard error"),
        }
    }
}

/// Lines waiting to be written, about 500 bytes each.
const QUEUE: usize = 8192;
/// Bytes that are gathered before they are written, while more lines are waiting.
const BATCH: usize = 64 * 1024;

/// What became of an instance's lines.
#[derive(Debug, Default)]
pub struct Tally {
    /// Given to the kernel.
    pub written: AtomicU64,
    /// Refused by it.
    pub lost: AtomicU64,
}

struct Line {
    text: Vec<u8>,
    tally: Arc<Tally>,
}

/// The open log. Dropping it waits until every line is written.
#[derive(Debug)]
pub struct AuditLog {
    queue: Option<SyncSender<Line>>,
    writer: Option<JoinHandle<()>>,
    failing: Arc<AtomicBool>,
}

impl AuditLog {
    /// Opens the target.
    pub fn open(target: &Target) -> io::Result<Self> {
        match target {
            Target::Stderr => Self::to(io::stderr()),
            Target::File(path) => {
                let mut options = OpenOptions::new();
                options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
                Self::to(options.open(path)?)
            }
        }
    }

    /// Whole lines go to `sink`, some at a time.
    pub fn to(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let report = Arc::clone(&failing);
        let writer =
            std::thread::Builder::new().name("audit".into()).spawn(move || write(lines, sink, &report))?;
        Ok(Self { queue: Some(queue), writer: Some(writer), failing })
    }

    /// Whether the last write failed: until one succeeds again, nothing may pass.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Relaxed)
    }

    /// Writes one record, to be counted in `tally`; waits while the queue is full.
    pub fn write(&self, record: &Record, tally: &Arc<Tally>) {
        let Ok(mut text) = serde_json::to_vec(record) else {
            return tracing::error!("a record could not be written as JSON");
        };
        text.push(b'\n');
        let line = Line { text, tally: Arc::clone(tally) };
        if let Some(queue) = &self.queue
            && queue.send(line).is_err()
        {
            tracing::error!("the audit writer is gone");
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Whole lines in each write, so that several processes can append to one file.
fn write(lines: Receiver<Line>, mut sink: impl Write, failing: &AtomicBool) {
    while let Ok(Line { text: mut batch, tally }) = lines.recv() {
        let mut tallies = vec![tally];
        while batch.len() < BATCH
            && let Ok(line) = lines.try_recv()
        {
            batch.extend(line.text);
            tallies.push(line.tally);
        }
        let written = sink.write_all(&batch);
        failing.store(written.is_err(), Relaxed);
        for tally in tallies {
            if written.is_ok() { &tally.written } else { &tally.lost }.fetch_add(1, Relaxed);
        }
        if let Err(error) = written {
            tracing::error!(%error, "cannot write the audit log: nothing passes until that works again");
        }
    }
}
