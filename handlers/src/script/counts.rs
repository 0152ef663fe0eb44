//! What became of the calls of one named handler. Receives every call, fault and instance of all scripts that share it; hands on the
//! numbers. They outlive a script, so that they grow on when a component is replaced.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::Fault;

/// The counts of one handler.
#[derive(Debug, Default)]
pub struct Counts {
    calls: AtomicU64,
    instances: AtomicU64,
    faults: [AtomicU64; Fault::KINDS.len()],
}

impl Counts {
    /// Calls that were begun.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Instances that there are now, idle or not.
    pub fn instances(&self) -> u64 {
        self.instances.load(Relaxed)
    }

    /// The words of all faults, and how often each came.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Fault::KINDS.into_iter().zip(self.faults.iter().map(|count| count.load(Relaxed)))
    }

    pub(super) fn call(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    pub(super) fn fault(&self, fault: &Fault) {
        for (kind, count) in Fault::KINDS.into_iter().zip(&self.faults) {
            if kind == fault.kind() {
                count.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Counts an instance for as long as it exists.
pub(super) struct Existing(Arc<Counts>);

impl Existing {
    pub(super) fn among(counts: &Arc<Counts>) -> Self {
        counts.instances.fetch_add(1, Relaxed);
        Self(Arc::clone(counts))
    }
}

impl Drop for Existing {
    fn drop(&mut self) {
        self.0.instances.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_own_count() {
        let text = String::new;
        let counts = Arc::new(Counts::default());
        let all = [
            Fault::CpuBudget,
            Fault::MemoryBudget,
            Fault::Deadline,
            Fault::Trapped(text()),
            Fault::Failed(text()),
            Fault::Busy,
        ];
        all.iter().for_each(|fault| counts.fault(fault));
        counts.fault(&Fault::Busy);
        let told: Vec<_> = counts.faults().collect();
        assert_eq!(told.len(), all.len());
        assert!(told.iter().all(|(kind, count)| *count == if *kind == "handler_busy" { 2 } else { 1 }));
        let existing = Existing::among(&counts);
        assert_eq!(counts.instances(), 1);
        drop(existing);
        assert_eq!(counts.instances(), 0);
    }
}
