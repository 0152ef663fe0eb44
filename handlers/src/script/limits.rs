//! What one instance may use up, and which limit it ran into.
//!
//! Receives the questions that wasmtime asks whenever a guest wants memory or a tick has passed; answers them, and
//! remembers a refusal so that the failure that follows gets its right name.

use wasmtime::{ResourceLimiter, UpdateDeadline};

use super::ticker::Stopwatch;
use crate::Fault;

/// Elements of an instance's tables: function references, of which QuickJS has a few thousand.
pub(super) const MAX_TABLE_ELEMENTS: usize = 100_000;

/// Bytes of bodies for which a guest may compute as long again as for its call.
const EARNING_BYTES: usize = 1 << 20;

/// Core instances, tables and memories of one component.
const MAX_PARTS: usize = 64;

/// The limits of one instance.
pub(super) struct Limits {
    memory_bytes: usize,
    /// Bytes of all memories together.
    memory_used: usize,
    /// The same before the first call.
    memory_at_start: usize,
    /// Elements of all tables together.
    elements_used: usize,
    /// Ticks that one call may compute for.
    ticks: u64,
    ticks_left: u64,
    /// Bytes of bodies since the budget was last whole.
    moved: usize,
    stopwatch: Stopwatch,
    refused: Option<Fault>,
}

impl Limits {
    pub(super) fn new(memory_bytes: usize, ticks: u64, stopwatch: Stopwatch) -> Self {
        Self {
            memory_bytes,
            memory_used: 0,
            memory_at_start: 0,
            elements_used: 0,
            ticks,
            ticks_left: ticks,
            moved: 0,
            stopwatch,
            refused: None,
        }
    }

    /// The instance is made, and has had no call yet.
    pub(super) fn started(&mut self) {
        self.memory_at_start = self.memory_used;
    }

    /// Whether its calls have taken more than half of the memory that was left to them, and given none back: it is to end before a
    /// call fails for what earlier ones have kept.
    pub(super) fn is_filling_up(&self) -> bool {
        let left = self.memory_bytes.saturating_sub(self.memory_at_start);
        self.memory_used.saturating_sub(self.memory_at_start) > left / 2
    }

    /// A new call begins with the whole budget.
    pub(super) fn begin(&mut self) {
        self.ticks_left = self.ticks;
        self.moved = 0;
        self.refused = None;
    }

    /// Bytes of a body went through the guest: whoever works through a long one is not stuck.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes);
        if self.moved >= EARNING_BYTES {
            self.moved = 0;
            self.ticks_left = self.ticks;
        }
    }

    /// Whether this call has computed for a tick or longer. One tick that it was found computing at says nothing: of calls that
    /// take a tenth of a tick, one in ten is, and the next one would change threads for it.
    pub(super) fn is_heavy(&self) -> bool {
        self.ticks_left + 1 < self.ticks
    }

    /// The limit that was run into, if any.
    pub(super) fn refused(&self) -> Option<&Fault> {
        self.refused.as_ref()
    }

    /// The epoch has advanced: counts it if the guest computed meanwhile, and lets other guests run.
    pub(super) fn tick(&mut self) -> UpdateDeadline {
        if self.stopwatch.crossed_a_tick() {
            let Some(left) = self.ticks_left.checked_sub(1) else {
                self.refused = Some(Fault::CpuBudget);
                return UpdateDeadline::Interrupt;
            };
            self.ticks_left = left;
        }
        UpdateDeadline::Yield(1)
    }

    /// It holds more than it may.
    pub(super) fn exceeded(&mut self) {
        self.refused = Some(Fault::MemoryBudget);
    }
}

impl ResourceLimiter for Limits {
    // One that is refused elsewhere counts all the same: an instance does not live long after that.
    fn memory_growing(&mut self, current: usize, wanted: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.memory_used.saturating_add(wanted.saturating_sub(current));
        if used > self.memory_bytes {
            self.exceeded();
            return Ok(false);
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, wanted: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.elements_used.saturating_add(wanted.saturating_sub(current));
        if used > MAX_TABLE_ELEMENTS {
            self.exceeded();
            return Ok(false);
        }
        self.elements_used = used;
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::ticker::Ticker;

    #[test]
    fn one_tick_does_not_make_a_call_heavy() {
        let ticker = Ticker::start(Default::default()).unwrap();
        let stopwatch = ticker.stopwatch();
        let computes = async {
            while !stopwatch.crossed_a_tick() {
                std::hint::spin_loop();
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(ticker.watch(&stopwatch, computes));
        let mut limits = Limits::new(0, 10, stopwatch.clone());
        limits.begin();
        for heavy in [false, true, true] {
            let _ = limits.tick();
            assert_eq!(limits.is_heavy(), heavy);
        }
        limits.begin();
        assert!(!limits.is_heavy());
    }
}
