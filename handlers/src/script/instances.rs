//! The warm instances of one script.
//!
//! Receives calls; hands each an instance that no other call uses, a used one if there is one, and takes it back when
//! the call has gone well. At most [`MAX_INSTANCES`] exist at once; further calls wait, and not many of them.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use wasmtime::{PoolConcurrencyLimitError, Store};

use super::{
    ScriptSettings,
    counts::Existing,
    errand::Weight,
    kind::{Guest, Linked},
    limits::Limits,
    state::State,
    ticker::{Stopwatch, TICK, Ticker},
};
use crate::Fault;

/// Instances of one script at once, and so its calls at once.
pub(super) const MAX_INSTANCES: usize = 32;

/// Calls that may wait for an instance.
pub(super) const MAX_WAITING: usize = 256;

/// Handles of one instance: bodies, sinks, stores, and streams, futures and sets of its own.
const MAX_HANDLES: usize = 8192;

/// A guest in its own store.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    pub(super) guest: Guest,
    pub(super) stopwatch: Stopwatch,
    calls: u32,
    _existing: Existing,
}

/// A script's instances.
pub(super) struct Instances {
    settings: Arc<ScriptSettings>,
    linked: Linked,
    /// Calls that one instance serves.
    max_calls: u32,
    ticker: Arc<Ticker>,
    /// Those that no call uses, the one used last on top.
    idle: Mutex<Vec<Instance>>,
    turns: Arc<Semaphore>,
    waiting: Semaphore,
    weight: Weight,
}

impl Instances {
    pub(super) fn new(settings: Arc<ScriptSettings>, linked: Linked, ticker: Arc<Ticker>) -> Self {
        Self {
            max_calls: settings.calls.unwrap_or_else(|| linked.calls()),
            settings,
            linked,
            ticker,
            idle: Mutex::default(),
            turns: Arc::new(Semaphore::new(MAX_INSTANCES)),
            waiting: Semaphore::new(MAX_WAITING),
            weight: Weight::default(),
        }
    }

    pub(super) fn settings(&self) -> &ScriptSettings {
        &self.settings
    }

    pub(super) fn linked(&self) -> &Linked {
        &self.linked
    }

    /// How long the next call is likely to compute, going by the last one.
    pub(super) fn weight(&self) -> Weight {
        self.weight.clone()
    }

    /// Ends a call of an instance: nothing of it stays there.
    pub(super) fn end(&self, instance: &mut Instance) {
        let state = instance.store.data_mut();
        self.weight.set(state.limits.is_heavy());
        state.bodies.clear();
        state.sinks.clear();
        state.call.0 = None;
    }

    /// Waits for the right to run one call; busy if too many wait already or the deadline passes.
    pub(super) async fn turn(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Fault> {
        if let Ok(turn) = self.turns.clone().try_acquire_owned() {
            return Ok(turn);
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| Fault::Busy)?;
        let turn = timeout_at(deadline, self.turns.clone().acquire_owned()).await;
        turn.map_err(|_| Fault::Busy)?.map_err(|_| Fault::Busy)
    }

    /// An instance for the one whose turn it is.
    pub(super) async fn get(&self) -> Result<Instance, Fault> {
        let warm = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match warm {
            Some(instance) => Ok(instance),
            None => self.create().await,
        }
    }

    /// Takes an instance back after a call that went well.
    pub(super) fn put(&self, mut instance: Instance) {
        instance.calls += 1;
        if instance.calls < self.max_calls && !instance.store.data().limits.is_filling_up() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(instance);
        }
    }

    async fn create(&self) -> Result<Instance, Fault> {
        let limits = self.settings.limits;
        let ticks = u64::try_from(limits.cpu.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX);
        let stopwatch = self.ticker.stopwatch();
        let state =
            State::new(self.settings.clone(), Limits::new(limits.memory_bytes, ticks, stopwatch.clone()));
        let mut store = Store::new(self.linked.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(limits.memory_bytes);
        store.set_max_component_handles(MAX_HANDLES);
        // Behind the handles are two entries at most for each, and those of calls under way.
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(4 * MAX_HANDLES);
        }
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().limits.tick()));
        let started = self.ticker.watch(&stopwatch, pin!(self.linked.instantiate(&mut store))).await;
        match started {
            Ok(guest) => {
                store.data_mut().limits.started();
                let existing = Existing::among(&self.settings.counts);
                Ok(Instance { store, guest, stopwatch, calls: 0, _existing: existing })
            }
            Err(error) if error.is::<PoolConcurrencyLimitError>() => Err(Fault::Busy),
            Err(error) => Err(store.data().fault(&error)),
        }
    }
}
