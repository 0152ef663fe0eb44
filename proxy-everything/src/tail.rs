//! Tails: handlers that hear of exchanges when those are over. Receives finished records with what their handlers wrote; hands them, some
//! at a time, to the program, which delays none of them. A tail that fails is told the same again, and while it fails nothing passes,
//! as with the audit log; or, with `onError: pass`, goes without. What waits to be told belongs to the tail's name and not to its
//! program, so that nothing is lost when another one takes its place.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use handlers::{BodyError, Context, Event, Fetch, Fetching, Line, Logs, Script};
use http::Request;
use policy::OnError;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{sleep, timeout},
};

use crate::{audit::Record, config::Generation, fetch, instance::Instance};

/// Records that wait to be told; beyond, they are lost.
const MAX_WAITING: usize = 8192;
/// Bytes of their text, and of what handlers wrote.
const MAX_BYTES: usize = 64 << 20;
/// Records of one call: fewer than it may fetch (64), so that a tail can send one request for each.
const MAX_AT_ONCE: usize = 50;
/// Until a tail that failed is told again.
const PAUSE: Duration = Duration::from_secs(1);
/// For what is waiting when a workload has ended.
const LAST: Duration = Duration::from_secs(5);

/// A handler that hears of exchanges that are over.
pub struct Tail {
    script: Script,
    on_error: OnError,
    queue: Arc<Queue>,
}

/// The queues of an instance, by the names of their tails.
#[derive(Default)]
pub struct Queues(Mutex<BTreeMap<String, Arc<Queue>>>);

/// What waits to be told to the tail of one name.
struct Queue {
    name: Arc<str>,
    waiting: Mutex<Waiting>,
    /// How many are waiting or being told.
    pending: watch::Sender<usize>,
    failing: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    list: VecDeque<Over>,
    bytes: usize,
    state: State,
}

#[derive(Default, PartialEq, Eq)]
enum State {
    /// Nothing has waited yet.
    #[default]
    New,
    /// A task tells what waits.
    Told,
    /// The workload has ended, and nothing more is told.
    Closed,
}

/// An exchange that is over.
struct Over {
    instance: Arc<Instance>,
    /// Under which it ended.
    generation: Arc<Generation>,
    record: Record,
    event: Event,
}

impl Queues {
    /// The tail of this name. What an earlier one of that name has not been told, it will hear.
    pub fn tail(&self, name: &str, script: Script, on_error: OnError) -> Tail {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that no generation uses, and that are told all.
        queues.retain(|_, queue| Arc::strong_count(queue) > 1 || *queue.pending.borrow() > 0);
        let queue = queues.entry(name.to_owned()).or_insert_with(|| Arc::new(Queue::new(name)));
        Tail { script, on_error, queue: Arc::clone(queue) }
    }

    /// Returns when everything is told, or has had its time. Nothing is told afterwards.
    pub async fn close(&self) {
        let queues: Vec<_> = {
            let queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            queues.values().cloned().collect()
        };
        for queue in queues {
            queue.close().await;
        }
    }
}

impl Tail {
    /// Whether exchanges must wait for it to work again.
    pub fn is_failing(&self) -> bool {
        self.on_error == OnError::Deny && (self.queue.failing.load(Relaxed) || self.queue.lock().is_filling())
    }

    fn is_named(&self, name: &str) -> bool {
        &*self.queue.name == name
    }
}

impl Waiting {
    /// Full enough that nothing more may begin, so that what is under way can still be told.
    fn is_filling(&self) -> bool {
        self.list.len() >= MAX_WAITING / 2 || self.bytes >= MAX_BYTES / 2
    }

    fn is_full(&self) -> bool {
        self.list.len() >= MAX_WAITING || self.bytes >= MAX_BYTES
    }

    fn take(&mut self) -> Vec<Over> {
        let count = self.list.len().min(MAX_AT_ONCE);
        let taken: Vec<_> = self.list.drain(..count).collect();
        self.bytes -= taken.iter().map(Over::bytes).sum::<usize>();
        taken
    }
}

impl Over {
    fn bytes(&self) -> usize {
        let lines: usize = self.event.lines.iter().map(|line| line.message.len()).sum();
        self.event.record.len() + lines
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
        tail.queue.push(Over {
            instance: Arc::clone(instance),
            generation: Arc::clone(&generation),
            // For what the tail fetches meanwhile; its lines are in the event.
            record: Record { log: Vec::new(), ..record.clone() },
            event: Event { record: text.clone(), lines: lines.to_vec() },
        });
    }
}

impl Queue {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            waiting: Mutex::default(),
            pending: watch::Sender::new(0),
            failing: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Self>, over: Over) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut waiting = self.lock();
        // What was refused because of the tail must not take the place of what was not.
        let full =
            if over.record.error == Some("tail_failed") { waiting.is_filling() } else { waiting.is_full() };
        if full || waiting.state == State::Closed {
            return tracing::warn!(tail = &*self.name, "a record was not told: too many, or too late");
        }
        waiting.bytes += over.bytes();
        waiting.list.push_back(over);
        let begun = mem::replace(&mut waiting.state, State::Told);
        // Before anybody can take it.
        self.pending.send_modify(|pending| *pending += 1);
        drop(waiting);
        if begun == State::New {
            let (mut pending, queue) = (self.pending.subscribe(), Arc::downgrade(self));
            runtime.spawn(async move {
                // The sender goes with the last generation that has a tail of this name.
                while pending.wait_for(|pending| *pending > 0).await.is_ok() {
                    let Some(queue) = queue.upgrade() else { return };
                    queue.work().await;
                }
            });
        }
    }

    /// Tells what has waited longest.
    async fn work(&self) {
        let all = self.lock().take();
        if let Some(last) = all.last() {
            let events: Vec<_> = all.iter().map(|over| over.event.clone()).collect();
            while !self.told(&events, last).await && self.lock().state != State::Closed {
                self.failing.store(true, Relaxed);
                sleep(PAUSE).await;
            }
            self.failing.store(false, Relaxed);
        }
        self.pending.send_modify(|pending| *pending = pending.saturating_sub(all.len()));
    }

    /// Tells `events`, of which `last` is the last, to the program that has the name now: it may be the cure. Whether that is done with.
    async fn told(&self, events: &[Event], last: &Over) -> bool {
        let current = last.instance.current();
        let named = |generation: &Arc<Generation>| {
            let tail = generation.tails().iter().find(|tail| tail.is_named(&self.name));
            tail.map(|tail| (tail.script.clone(), tail.on_error, Arc::clone(generation)))
        };
        // One that is named no more hears what ended while it was, if it can.
        let Some((script, on_error, generation)) = named(&current)
            .or_else(|| named(&last.generation).map(|(script, _, its)| (script, OnError::Pass, its)))
        else {
            return true;
        };
        let secrets = match generation.credentials().of_tail(&script.uses()).await {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::warn!(tail = &*self.name, records = events.len(), %error, "a tail failed");
                return on_error == OnError::Pass;
            }
        };
        let context = Context {
            instance: Arc::clone(&last.instance.id),
            class: Arc::clone(&last.instance.class),
            matched: "".into(),
            request_id: last.record.request.clone().unwrap_or_default(),
            source: last.record.source,
            logs: Logs::default(),
            secrets,
        };
        let (instance, record) = (Arc::clone(&last.instance), last.record.clone());
        let way = Arc::new(Way { instance, generation, record });
        let Err(error) = script.tail(events.to_vec(), &context, way).await else { return true };
        tracing::warn!(tail = &*self.name, records = events.len(), %error, "a tail failed");
        on_error == OnError::Pass
    }

    async fn close(&self) {
        let mut pending = self.pending.subscribe();
        // What is waited for would lock `pending` for as long as it is kept.
        let is_late = timeout(LAST, pending.wait_for(|pending| *pending == 0)).await.is_err();
        if is_late {
            tracing::warn!(tail = &*self.name, left = *self.pending.borrow(), "not everything was told");
        }
        // What still waited would keep its instance.
        let mut waiting = self.lock();
        *waiting = Waiting { state: State::Closed, ..Waiting::default() };
        self.pending.send_replace(0);
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
