//! The clock that interrupts guests, and the count of how long each has computed.
//!
//! A thread of its own advances wasmtime's epoch every [`TICK`] while at least one guest computes, and parks otherwise:
//! an idle proxy does not wake up. A guest's CPU time is the number of ticks that it was found computing at, so waiting
//! for fetches and bodies is free, and a loaded machine that runs the guest late does not charge it for that.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

use crate::LoadError;

/// The time between two looks at the guests; a guest that computes gives way to others as often.
pub(super) const TICK: Duration = Duration::from_millis(2);

/// Ticks without a guest before the thread parks, so that steady traffic does not pay for waking it.
const IDLE_TICKS: u32 = 25;

/// The ticking thread. It ends when this is dropped.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    ticks: AtomicU64,
    computing: AtomicUsize,
    parked: AtomicBool,
    stopped: AtomicBool,
}

impl Ticker {
    pub(super) fn start(engines: [wasmtime::Engine; 2]) -> Result<Self, LoadError> {
        let shared = Arc::new(Shared::default());
        let run = {
            let shared = shared.clone();
            move || shared.run(&engines)
        };
        let thread = thread::Builder::new()
            .name("handler-ticks".to_owned())
            .spawn(run)
            .map_err(|error| LoadError::Engine(error.to_string()))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    /// Runs a guest's future; the clock ticks while it is polled. It is best lent: an `async fn` has two places for what it is given
    /// by value, and such calls within each other are as many times as large, to be allocated and moved.
    pub(super) async fn watch<T>(&self, stopwatch: &Stopwatch, guest: impl Future<Output = T>) -> T {
        let mut guest = pin!(guest);
        poll_fn(|context| {
            let _computing = self.computing();
            stopwatch.begun.store(self.ticks(), SeqCst);
            guest.as_mut().poll(context)
        })
        .await
    }

    /// A stopwatch for one instance.
    pub(super) fn stopwatch(&self) -> Stopwatch {
        Stopwatch { clock: self.shared.clone(), begun: Arc::default() }
    }

    fn ticks(&self) -> u64 {
        self.shared.ticks.load(SeqCst)
    }

    fn computing(&self) -> Computing<'_> {
        self.shared.computing.fetch_add(1, SeqCst);
        if self.shared.parked.load(SeqCst) {
            self.thread.unpark();
        }
        Computing(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        self.thread.unpark();
    }
}

impl Shared {
    fn run(&self, engines: &[wasmtime::Engine]) {
        let mut idle = 0;
        while !self.stopped.load(SeqCst) {
            if self.computing.load(SeqCst) > 0 {
                idle = 0;
            } else {
                idle += 1;
            }
            if idle > IDLE_TICKS {
                self.park();
                idle = 0;
            }
            thread::sleep(TICK);
            self.ticks.fetch_add(1, SeqCst);
            engines.iter().for_each(wasmtime::Engine::increment_epoch);
        }
    }

    fn park(&self) {
        self.parked.store(true, SeqCst);
        // Whoever counts up after this look sees `parked` and wakes us, even if it does so before we park.
        if self.computing.load(SeqCst) == 0 && !self.stopped.load(SeqCst) {
            thread::park();
        }
        self.parked.store(false, SeqCst);
    }
}

/// Counts as computing until dropped.
struct Computing<'a>(&'a Shared);

impl Drop for Computing<'_> {
    fn drop(&mut self) {
        self.0.computing.fetch_sub(1, SeqCst);
    }
}

/// Tells whether a tick happened while the guest computed, or earlier while it waited.
#[derive(Clone)]
pub(super) struct Stopwatch {
    clock: Arc<Shared>,
    /// The tick at which the guest was last polled.
    begun: Arc<AtomicU64>,
}

impl Stopwatch {
    /// Whether the guest has computed across a tick since it was last polled.
    pub(super) fn crossed_a_tick(&self) -> bool {
        self.clock.ticks.load(SeqCst) > self.begun.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Waits for something that another thread does.
    fn until(what: impl Fn() -> bool) {
        let begun = Instant::now();
        while !what() {
            assert!(begun.elapsed() < Duration::from_secs(10), "waited too long");
            thread::yield_now();
        }
    }

    #[test]
    fn ticks_while_a_guest_computes_and_parks_otherwise() {
        let ticker = Ticker::start(Default::default()).unwrap();
        for _ in 0..3 {
            until(|| ticker.shared.parked.load(SeqCst));
            let before = ticker.ticks();
            let stopwatch = ticker.stopwatch();
            stopwatch.begun.store(before, SeqCst);
            assert!(!stopwatch.crossed_a_tick());
            let computing = ticker.computing();
            until(|| ticker.ticks() > before + 2);
            assert!(stopwatch.crossed_a_tick());
            drop(computing);
        }
    }

    #[test]
    fn the_thread_ends_with_the_ticker() {
        let ticker = Ticker::start(Default::default()).unwrap();
        let shared = Arc::downgrade(&ticker.shared);
        drop(ticker);
        until(|| shared.strong_count() == 0);
    }
}
