//! What was read of a source that takes time, kept for as long as it is good. Receives the source, hands on its last reading at once
//! while that is good, and before its end has it read anew beside the requests. However many wait, one reading is under way, with a
//! deadline; one that fails is not tried again for a while, so that a server in trouble is not hammered. A reading that is still good
//! is used meanwhile, one that is not is never used.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::watch,
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{source::Source, value::Reading};

/// How long before its end a reading is made anew; of one that is good for less than five minutes, it is the last fifth.
const EARLY: Duration = Duration::from_secs(60);
/// After a failure, nothing is tried for this long.
const FAILURE: Duration = Duration::from_secs(5);

/// Why there is nothing. Never holds a value.
pub(super) type Reason = Arc<str>;

/// A source with its last reading. What is under way ends with it.
pub(super) struct Cached(Arc<Inner>);

struct Inner {
    /// The secret that it was made for, in the log.
    name: Arc<str>,
    source: Source,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    failed: Option<Failed>,
    flight: Option<Flight>,
}

struct Held {
    reading: Arc<Reading>,
    /// When it is made anew.
    early: Instant,
    /// When it is good no more.
    end: Instant,
}

struct Failed {
    reason: Reason,
    /// When it may be tried again.
    until: Instant,
}

/// The end of a reading that is under way. Its sender is gone if that broke off.
type Landed = watch::Receiver<Option<Result<Arc<Reading>, Reason>>>;

struct Flight {
    landed: Landed,
    abort: AbortHandle,
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl Drop for Cached {
    fn drop(&mut self) {
        if let Some(flight) = &self.0.read().flight {
            flight.abort.abort();
        }
    }
}

impl Cached {
    pub(super) fn new(name: Arc<str>, source: Source) -> Self {
        Self(Arc::new(Inner { name, source, state: RwLock::default() }))
    }

    pub(super) fn source(&self) -> &Source {
        &self.0.source
    }

    /// What is good at `now`, without any wait. If that is near its end, a reading begins on `runtime`.
    pub(super) fn at_once(&self, now: Instant, runtime: Option<&Handle>) -> Option<Arc<Reading>> {
        let state = self.0.read();
        let held = state.held.as_ref().filter(|held| now < held.end)?;
        let reading = Arc::clone(&held.reading);
        if now >= held.early && state.flight.is_none() && state.failed_at(now).is_none() {
            drop(state);
            if let Some(runtime) = runtime {
                let _ = self.begin(now, runtime);
            }
        }
        Some(reading)
    }

    /// What is good now, waited for if need be.
    pub(super) async fn reading(&self, runtime: &Handle) -> Result<Arc<Reading>, Reason> {
        let now = Instant::now();
        if let Some(reading) = self.at_once(now, Some(runtime)) {
            return Ok(reading);
        }
        let mut landed = self.begin(now, runtime)?;
        let broke_off = || Err(Reason::from("the reading broke off"));
        match landed.wait_for(Option::is_some).await {
            Ok(landed) => landed.as_ref().map_or_else(broke_off, Clone::clone),
            Err(_) => broke_off(),
        }
    }

    /// The reading that is under way, begun if there is none; or why none may begin.
    fn begin(&self, now: Instant, runtime: &Handle) -> Result<Landed, Reason> {
        let mut state = self.0.write();
        if let Some(flight) = &state.flight
            && flight.landed.has_changed().is_ok()
        {
            return Ok(flight.landed.clone());
        }
        if let Some(reason) = state.failed_at(now) {
            return Err(reason);
        }
        let (sender, landed) = watch::channel(None);
        let inner = Arc::clone(&self.0);
        let task = runtime.spawn(async move {
            let began = Instant::now();
            let limit = inner.source.deadline();
            let late = || Err(format!("no answer for {limit:?}"));
            let read = timeout(limit, inner.source.read()).await.unwrap_or_else(|_| late());
            sender.send_replace(Some(inner.land(began, read)));
        });
        state.flight = Some(Flight { landed: landed.clone(), abort: task.abort_handle() });
        Ok(landed)
    }
}

impl Inner {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn land(&self, began: Instant, read: Result<Reading, String>) -> Result<Arc<Reading>, Reason> {
        let mut state = self.write();
        state.flight = None;
        match read {
            Ok(reading) => {
                let (lasts, reading) = (reading.lasts, Arc::new(reading));
                let early = (lasts * 4 / 5).max(lasts.saturating_sub(EARLY));
                let (early, end) = (began + early, began + lasts);
                state.held = Some(Held { reading: Arc::clone(&reading), early, end });
                if state.failed.take().is_some() {
                    tracing::info!(secret = &*self.name, "the secret can be had again");
                }
                Ok(reading)
            }
            Err(reason) => {
                let reason = Reason::from(reason);
                if state.failed.as_ref().is_none_or(|failed| failed.reason != reason) {
                    tracing::warn!(secret = &*self.name, reason = &*reason, "a secret cannot be had");
                }
                let now = Instant::now();
                state.failed = Some(Failed { reason: Arc::clone(&reason), until: now + FAILURE });
                // Out of memory as soon as nobody may use it.
                state.held.take_if(|held| now >= held.end);
                Err(reason)
            }
        }
    }
}

impl State {
    fn failed_at(&self, now: Instant) -> Option<Reason> {
        self.failed.as_ref().filter(|failed| now < failed.until).map(|failed| Arc::clone(&failed.reason))
    }
}

#[cfg(test)]
pub(super) mod tests;
