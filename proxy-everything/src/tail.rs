//! Tails: handlers that hear of exchanges when those are over. Receives finished records with what their handlers wrote; hands them, some
//! at a time, to the program, which delays none of them. A tail that fails is told the same again, and while it fails nothing passes,
//! as with the audit log; or, with `onError: pass`, goes without.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use handlers::{BodyError, Context, Event, Fetch, Fetching, Line, Logs, Script};
use http::Request;
use policy::OnError;
use tokio::{runtime::Handle, sync::watch, time::timeout};

use crate::{audit::Record, config::Generation, fetch, instance::Instance};

/// Records that wait to be told; beyond, they are lost.
const MAX_WAITING: usize = 8192;
/// Records that wait when nothing more may begin, so that those under way can still be told.
const FULL: usize = MAX_WAITING / 2;
/// Records of one call.
const MAX_AT_ONCE: usize = 100;
/// Until a tail that failed is told again.
const PAUSE: Duration = Duration::from_secs(1);
/// For what is waiting when a workload has ended.
const LAST: Duration = Duration::from_secs(5);

/// A handler that hears of exchanges that are over. A clone is another handle on the same.
#[derive(Clone)]
pub struct Tail(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    script: Script,
    on_error: OnError,
    waiting: Mutex<VecDeque<Over>>,
    /// How many are waiting or being told.
    pending: watch::Sender<usize>,
    failing: AtomicBool,
    begun: Once,
}

/// An exchange that is over.
struct Over {
    instance: Arc<Instance>,
    generation: Arc<Generation>,
    record: Record,
    event: Event,
}

impl Tail {
    /// The tail of this name, which nobody has told anything yet.
    pub fn new(name: &str, script: Script, on_error: OnError) -> Self {
        Self(Arc::new(Inner {
            name: name.into(),
            script,
            on_error,
            waiting: Mutex::default(),
            pending: watch::Sender::new(0),
            failing: AtomicBool::new(false),
            begun: Once::new(),
        }))
    }

    /// Whether exchanges must wait for it to work again.
    pub fn is_failing(&self) -> bool {
        self.0.on_error == OnError::Deny && (self.0.failing.load(Relaxed) || *self.0.pending.borrow() >= FULL)
    }

    /// Returns when all is told, or has had its time.
    async fn drained(&self) {
        let mut pending = self.0.pending.subscribe();
        let drained = timeout(LAST, pending.wait_for(|pending| *pending == 0)).await;
        if drained.is_err() {
            tracing::warn!(tail = &*self.0.name, left = *self.0.pending.borrow(), "not everything was told");
        }
    }

    fn tell(&self, over: Over) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MAX_WAITING {
            return tracing::warn!(tail = &*self.0.name, "a record was not told: too many are waiting");
        }
        waiting.push_back(over);
        drop(waiting);
        self.0.pending.send_modify(|pending| *pending += 1);
        self.0.begun.call_once(|| {
            let (pending, inner) = (self.0.pending.subscribe(), Arc::downgrade(&self.0));
            runtime.spawn(async move {
                let mut pending = pending;
                // The sender goes with the last generation that has this tail; what waits then is still told.
                while pending.wait_for(|pending| *pending > 0).await.is_ok() {
                    let Some(inner) = inner.upgrade() else { return };
                    inner.work().await;
                }
            });
        });
    }
}

/// Tells the tails of the generation in force that an exchange is over.
pub fn tell(instance: &Arc<Instance>, record: &Record, lines: &[Line]) {
    let generation = instance.current();
    if generation.tails().is_empty() {
        return;
    }
    let Ok(text) = serde_json::to_string(record) else { return };
    for tail in generation.tails() {
        tail.tell(Over {
            instance: Arc::clone(instance),
            generation: Arc::clone(&generation),
            record: record.clone(),
            event: Event { record: text.clone(), lines: lines.to_vec() },
        });
    }
}

/// Returns when the tails of the generation in force have been told everything, or have had their time.
pub async fn all_told(instance: &Instance) {
    let generation = instance.current();
    for tail in generation.tails() {
        tail.drained().await;
    }
}

impl Inner {
    /// Tells what is waiting.
    async fn work(&self) {
        let all: Vec<Over> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let count = waiting.len().min(MAX_AT_ONCE);
            waiting.drain(..count).collect()
        };
        let Some(last) = all.last() else { return };
        let context = Context {
            instance: Arc::clone(&last.instance.id),
            class: Arc::clone(&last.instance.class),
            matched: "".into(),
            request_id: last.record.request.clone().unwrap_or_default(),
            source: last.record.source,
            logs: Logs::default(),
        };
        let fetching = Arc::new(Way {
            instance: Arc::clone(&last.instance),
            generation: Arc::clone(&last.generation),
            record: last.record.clone(),
        });
        let events: Vec<Event> = all.iter().map(|over| over.event.clone()).collect();
        loop {
            let told = self.script.tail(events.clone(), &context, fetching.clone()).await;
            self.failing.store(told.is_err(), Relaxed);
            let Err(error) = told else { break };
            tracing::warn!(tail = &*self.name, %error);
            if self.on_error == OnError::Pass {
                break;
            }
            if last.instance.current().number() != last.generation.number() {
                tracing::warn!(
                    tail = &*self.name,
                    lost = all.len(),
                    "records were not told: the policy has changed"
                );
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.pending.send_modify(|pending| *pending -= all.len());
    }
}

/// What a tail may fetch: other hosts, if it is granted some.
struct Way {
    instance: Arc<Instance>,
    generation: Arc<Generation>,
    /// Of the last exchange that the tail is told of.
    record: Record,
}

impl Fetch for Way {
    fn fetch(&self, _: Request<handlers::Body>) -> Fetching {
        Box::pin(async { Err(BodyError::from("there is no exchange to fetch for")) })
    }

    fn elsewhere(&self, handler: &str, request: Request<handlers::Body>) -> Fetching {
        fetch::elsewhere(&self.instance, &self.generation, &self.record, handler, request)
    }
}
