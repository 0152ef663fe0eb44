//! The end of every trail: receives finished records, writes them to a file or to standard error, a line each. A thread of
//! its own does the writing, behind a bounded queue: when the disk is slower than the traffic, the traffic waits, because a
//! decision without its record must not happen.

use std::{
    cell::RefCell,
    fmt,
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
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

/// Bytes that may wait to be written, which is some 8,000 lines; whoever has more waits.
const QUEUE: usize = 4 << 20;
/// Bytes that are written at once, even if more lines could be gathered.
const BATCH: usize = 64 * 1024;
/// How long lines are gathered. To wake a thread and have it write costs more than all else that is done for a line: 12 µs of
/// processor time instead of 2 if each is written by itself, with one core.
const GATHER: Duration = Duration::from_millis(2);
/// Room that a thread keeps for a line, in bytes; most need 400 to 600.
const ROOM: usize = 1024;

thread_local! {
    /// Where a line is put together.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What became of an instance's lines.
#[derive(Debug, Default)]
pub struct Tally {
    /// Given to the kernel.
    pub written: AtomicU64,
    /// Refused by it.
    pub lost: AtomicU64,
}

/// Whole lines, and whose they are.
#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    /// In their order, with how many follow each other.
    tallies: Vec<(Arc<Tally>, u64)>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Lines,
    /// No more will come.
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// The first line has come, or enough of them, or no more will.
    filled: Condvar,
    /// Lines have been taken.
    taken: Condvar,
}

/// The open log. Dropping it waits until every line is written.
#[derive(Debug)]
pub struct AuditLog {
    queue: Arc<Queue>,
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
        let (queue, failing) = (Arc::<Queue>::default(), Arc::<AtomicBool>::default());
        let (lines, report) = (Arc::clone(&queue), Arc::clone(&failing));
        let writer =
            std::thread::Builder::new().name("audit".into()).spawn(move || write(&lines, sink, &report))?;
        Ok(Self { queue, writer: Some(writer), failing })
    }

    /// Whether the last write failed: until one succeeds again, nothing may pass.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Relaxed)
    }

    /// Writes one record, to be counted in `tally`; waits while the queue is full.
    pub fn write(&self, record: &Record, tally: &Arc<Tally>) {
        LINE.with_borrow_mut(|line| {
            line.clear();
            if serde_json::to_writer(&mut *line, record).is_err() {
                return tracing::error!("a record could not be written as JSON");
            }
            line.push(b'\n');
            self.queue.add(line, tally);
            // What handlers wrote may have made it large.
            line.shrink_to(ROOM);
        });
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.filled.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8], tally: &Arc<Tally>) {
        let full = |waiting: &mut Waiting| waiting.lines.text.len() >= QUEUE;
        let mut waiting = self.taken.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        let lines = &mut waiting.lines;
        let before = lines.text.len();
        lines.text.extend_from_slice(line);
        match lines.tallies.last_mut() {
            Some((last, count)) if Arc::ptr_eq(last, tally) => *count += 1,
            _ => lines.tallies.push((Arc::clone(tally), 1)),
        }
        let after = lines.text.len();
        drop(waiting);
        // Each of these is a system call, so no line tells what is known.
        if before == 0 || (before < BATCH && after >= BATCH) {
            self.filled.notify_one();
        }
    }

    /// Waits for lines, and puts them into `lines`, which are empty; without an end, unless there will be no more.
    fn take(&self, lines: &mut Lines) {
        let wait = |waiting: &mut Waiting| waiting.lines.text.is_empty() && !waiting.is_closed;
        let gather = |waiting: &mut Waiting| waiting.lines.text.len() < BATCH && !waiting.is_closed;
        let waiting = self.filled.wait_while(self.lock(), wait).unwrap_or_else(PoisonError::into_inner);
        let gathered = self.filled.wait_timeout_while(waiting, GATHER, gather);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(lines, &mut waiting.lines);
        drop(waiting);
        self.taken.notify_all();
    }
}

/// Whole lines in each write, so that several processes can append to one file.
fn write(queue: &Queue, mut sink: impl Write, failing: &AtomicBool) {
    let mut lines = Lines::default();
    loop {
        queue.take(&mut lines);
        if lines.text.is_empty() {
            return;
        }
        let written = sink.write_all(&lines.text);
        failing.store(written.is_err(), Relaxed);
        for (tally, count) in lines.tallies.drain(..) {
            if written.is_ok() { &tally.written } else { &tally.lost }.fetch_add(count, Relaxed);
        }
        lines.text.clear();
        // What a slow disk made large does not stay so.
        lines.text.shrink_to(BATCH);
        if let Err(error) = written {
            tracing::error!(%error, "cannot write the audit log: nothing passes until that works again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        mpsc::{Sender, channel},
    };

    use super::*;

    /// Hands each write on, and waits to be let go on if there is somebody who does that.
    struct Sink {
        writes: Sender<Vec<u8>>,
        gate: Option<Arc<Barrier>>,
        fails: bool,
    }

    impl Write for Sink {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.writes.send(text.to_vec());
            if let Some(gate) = &self.gate {
                gate.wait();
            }
            if self.fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(text.len()) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_together_whole_in_order_and_counted() {
        const LINES: u64 = 10_000;
        let (writes, written) = channel();
        let log = AuditLog::to(Sink { writes, gate: None, fails: false }).unwrap();
        let tallies: [Arc<Tally>; 4] = Default::default();
        std::thread::scope(|scope| {
            for (writer, tally) in tallies.iter().enumerate() {
                let queue = &log.queue;
                scope.spawn(move || {
                    (0..LINES).for_each(|number| queue.add(format!("{writer} {number}\n").as_bytes(), tally));
                });
            }
        });
        drop(log);
        let writes: Vec<Vec<u8>> = written.iter().collect();
        assert!(writes.len() < 1_000, "{} writes", writes.len());
        assert!(writes.iter().all(|text| text.ends_with(b"\n")));
        let text = String::from_utf8(writes.concat()).unwrap();
        for (writer, tally) in tallies.iter().enumerate() {
            let prefix = format!("{writer} ");
            let mine: Vec<u64> =
                text.lines().filter_map(|line| line.strip_prefix(&prefix)?.parse().ok()).collect();
            assert_eq!(mine, (0..LINES).collect::<Vec<_>>());
            assert_eq!((tally.written.load(Relaxed), tally.lost.load(Relaxed)), (LINES, 0));
        }
    }

    #[test]
    fn whoever_has_more_than_the_queue_holds_waits_for_the_sink() {
        let (writes, written) = channel();
        let gate = Arc::new(Barrier::new(2));
        let log = AuditLog::to(Sink { writes, gate: Some(Arc::clone(&gate)), fails: false }).unwrap();
        let tally = Arc::default();
        log.queue.add(b"first\n", &tally);
        assert_eq!(written.recv().unwrap(), b"first\n");
        // The writer stands in its first write now.
        log.queue.add(&vec![b'x'; QUEUE], &tally);
        let (added, is_added) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                log.queue.add(b"last\n", &tally);
                added.send(()).unwrap();
            });
            is_added.recv_timeout(Duration::from_millis(50)).unwrap_err();
            gate.wait();
            is_added.recv().unwrap();
            assert_eq!(written.recv().unwrap().len(), QUEUE);
            gate.wait();
            assert_eq!(written.recv().unwrap(), b"last\n");
            gate.wait();
        });
    }

    #[test]
    fn a_sink_that_fails_is_told_of_and_its_lines_counted() {
        let (writes, written) = channel();
        let log = AuditLog::to(Sink { writes, gate: None, fails: true }).unwrap();
        let (tally, failing) = (Arc::<Tally>::default(), Arc::clone(&log.failing));
        assert!(!log.is_failing());
        log.queue.add(b"one\n", &tally);
        log.queue.add(b"two\n", &tally);
        drop(log);
        assert!(failing.load(Relaxed));
        assert_eq!(written.iter().map(|text| text.len()).sum::<usize>(), 8);
        assert_eq!((tally.written.load(Relaxed), tally.lost.load(Relaxed)), (0, 2));
    }
}
