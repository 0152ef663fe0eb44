//! An instance: one workload, its identity, its CA, and the generation that is in force for it. Everything else holds a
//! reference to it and asks for the current generation when it begins something new.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::sync::watch;

use crate::{
    audit::AuditLog,
    capture::Mode,
    config::{ConfigError, Document, Generation, LazyEngine, Visible},
    dns::{Bounds, Names},
    publish::Publish,
    tls::TlsOpener,
};

/// One workload and all that belongs to it.
pub struct Instance {
    /// Unique among the instances that run; in every record and in what handlers are told.
    pub id: Arc<str>,
    /// What kind of workload it is, in the operator's words.
    pub class: Arc<str>,
    /// What holds it.
    pub mode: Mode,
    /// Where its records go.
    pub audit: Arc<AuditLog>,
    /// Opens its TLS.
    pub tls: TlsOpener,
    /// Which addresses it was given for which names.
    pub names: Names,
    /// How many names it may ask for.
    pub bounds: Arc<Bounds>,
    engine: Arc<LazyEngine>,
    visible: Visible,
    generation: watch::Sender<Arc<Generation>>,
    phase: watch::Sender<Phase>,
    /// Serialises changes, so that numbers grow in the order in which changes take effect.
    changing: Mutex<()>,
    connections: AtomicU64,
    requests: AtomicU64,
    published: Mutex<Vec<Publish>>,
}

/// A proxy that died took its counts with it. The numbers of the one that follows begin so far above that none is given twice.
const PROXY_BITS: u32 = 32;
const NUMBERS: u64 = (1 << PROXY_BITS) - 1;

/// How far an instance has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everything is answered.
    Serving,
    /// Nothing new begins; what is under way may finish.
    Draining,
    /// What is under way breaks off.
    Over,
}

/// What makes an instance.
pub struct Parts {
    /// See [`Instance::id`].
    pub id: String,
    /// See [`Instance::class`].
    pub class: String,
    /// See [`Instance::mode`].
    pub mode: Mode,
    /// See [`Instance::audit`].
    pub audit: Arc<AuditLog>,
    /// See [`Instance::tls`].
    pub tls: TlsOpener,
    /// Compiles handlers; one for all instances of a process.
    pub engine: Arc<LazyEngine>,
    /// The number of the first generation: 1, or the one that was in force when an earlier proxy ended.
    pub generation: u64,
    /// How many proxies have served it before this one.
    pub predecessors: u64,
    /// What the workload has been able to see since it started.
    pub visible: Visible,
}

impl Instance {
    /// An instance whose first generation is made of `document`.
    pub fn new(parts: Parts, document: Document) -> Result<Self, ConfigError> {
        let bounds = Arc::default();
        let first = Generation::load(parts.generation, document, &parts.engine, &parts.visible, &bounds)?;
        Ok(Self {
            id: parts.id.into(),
            class: parts.class.into(),
            mode: parts.mode,
            audit: parts.audit,
            tls: parts.tls,
            names: Names::after(parts.predecessors),
            bounds,
            engine: parts.engine,
            visible: parts.visible,
            generation: watch::Sender::new(Arc::new(first)),
            phase: watch::Sender::new(Phase::Serving),
            changing: Mutex::new(()),
            connections: AtomicU64::new(parts.predecessors << PROXY_BITS),
            requests: AtomicU64::new(parts.predecessors << PROXY_BITS),
            published: Mutex::default(),
        })
    }

    /// The generation in force.
    pub fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.generation.borrow())
    }

    /// For those who must know when it changes.
    pub fn generations(&self) -> watch::Receiver<Arc<Generation>> {
        self.generation.subscribe()
    }

    /// Puts `document` in force and says as which generation; if it is faulty, nothing changes. Compiles handlers: call it
    /// where blocking is allowed.
    pub fn apply(&self, document: Document) -> Result<u64, ConfigError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.current().number() + 1;
        let next = Generation::load(number, document, &self.engine, &self.visible, &self.bounds)?;
        self.generation.send_replace(Arc::new(next));
        tracing::info!(generation = number, "policy in force");
        Ok(number)
    }

    /// Begins a phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Returns once nothing new may begin.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Returns once what is under way must break off.
    pub async fn over(&self) {
        self.reached(Phase::Over).await;
    }

    /// Whether nothing new should begin.
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow() >= Phase::Draining
    }

    /// The ports that are published from now on.
    pub fn publish(&self, published: Vec<Publish>) {
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = published;
    }

    /// The ports that are published, with those that the kernel chose.
    pub fn published(&self) -> Vec<Publish> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn reached(&self, wanted: Phase) {
        // The sender lives as long as `self`, so this only ever ends when the phase has come.
        let _ = self.phase.subscribe().wait_for(|phase| *phase >= wanted).await;
    }

    /// The number of the next connection.
    pub fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Relaxed) + 1
    }

    /// How many connections there have been under this proxy.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed) & NUMBERS
    }

    /// The id of the next request.
    pub fn next_request(&self) -> Arc<str> {
        format!("{}-{}", self.id, self.requests.fetch_add(1, Relaxed) + 1).into()
    }

    /// How many requests there have been under this proxy.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed) & NUMBERS
    }
}
