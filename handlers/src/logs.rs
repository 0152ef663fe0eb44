//! What handlers write while they serve one exchange.
//!
//! Receives the lines of all handlers of a chain; hands them to whoever writes the exchange's record. Bounded, because
//! a handler may be tricked into writing what a workload sends.

use std::sync::{Arc, Mutex, PoisonError};

/// Lines of one exchange.
const MAX_LINES: usize = 100;

/// Bytes of all of them together.
const MAX_BYTES: usize = 32 << 10;

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For whoever is looking for a fault.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What must not happen.
    Error,
}

impl Level {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// One line, without the secrets that its handler was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The handler's name.
    pub handler: Arc<str>,
    /// How it is meant.
    pub level: Level,
    /// What it says.
    pub message: String,
}

/// What a tail hears of an exchange that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its audit record, as JSON.
    pub record: String,
    /// What its handlers wrote.
    pub lines: Vec<Line>,
}

/// The lines of one exchange. A clone is another handle on the same.
#[derive(Debug, Clone, Default)]
pub struct Logs(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<Line>,
    bytes: usize,
    dropped: u32,
}

impl Logs {
    /// Keeps a line, unless there are too many.
    pub(crate) fn write(&self, line: Line) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.lines.len() >= MAX_LINES || kept.bytes + line.message.len() > MAX_BYTES {
            kept.dropped = kept.dropped.saturating_add(1);
        } else {
            kept.bytes += line.message.len();
            kept.lines.push(line);
        }
    }

    /// Counts one that is not even looked at.
    pub(crate) fn drop_one(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.dropped = kept.dropped.saturating_add(1);
    }

    /// The lines so far, and how many were too many. They are gone from here afterwards.
    pub fn take(&self) -> (Vec<Line>, u32) {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        (kept.lines, kept.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_bytes_are_bounded() {
        let line = |bytes| Line { handler: "h".into(), level: Level::Info, message: "x".repeat(bytes) };
        for (bytes, kept) in [(1, MAX_LINES), (4096, MAX_BYTES / 4096)] {
            let logs = Logs::default();
            (0..200).for_each(|_| logs.write(line(bytes)));
            let (lines, dropped) = logs.take();
            assert_eq!((lines.len(), dropped as usize), (kept, 200 - kept));
            assert_eq!(logs.take(), (Vec::new(), 0));
        }
    }
}
