//! An instance: one workload, its identity, its CA, and the generation that is in force for it. Everything else holds a
//! reference to it and asks for the current generation when it begins something new.

mod changes;
mod fakes;
mod kept;

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use policy::{InstanceFacts, Overrides};
use tokio::sync::watch;

pub use changes::{Changes, PolicyFault};
pub use fakes::{Fakes, Given};
pub use kept::KeptOverrides;

use crate::{
    audit::{AuditLog, Tally},
    capture::Mode,
    config::{ConfigError, Document, Generation, LazyEngine, Roots, Stores, Surroundings},
    dns::{Bounds, Names},
    in_force::InForce,
    publish::Publish,
    secrets::{Slots, Visible},
    tail::Queues,
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
    /// What became of them.
    pub records: Arc<Tally>,
    /// What became of the changes of its policy.
    pub changes: Changes,
    /// When this proxy began to serve it.
    pub began: SystemTime,
    /// Opens its TLS.
    pub tls: TlsOpener,
    /// Which addresses it was given for which names.
    pub names: Names,
    /// How many names it may ask for.
    pub bounds: Arc<Bounds>,
    /// What may go on.
    pub in_force: InForce,
    /// What waits to be told to tails.
    pub queues: Queues,
    /// What its workload holds in the place of secrets.
    pub fakes: Fakes,
    /// What became of secrets in its exchanges.
    pub leaks: Leaks,
    engine: Arc<LazyEngine>,
    visible: Visible,
    roots: Roots,
    secrets: Slots,
    stores: Stores,
    generation: watch::Sender<Arc<Generation>>,
    phase: watch::Sender<Phase>,
    kept: Option<KeptOverrides>,
    successor: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Serialises changes, so that numbers grow in the order in which changes take effect.
    changing: Mutex<()>,
    connections: AtomicU64,
    requests: AtomicU64,
    published: Mutex<Vec<Publish>>,
}

/// A proxy that died took its counts with it. The numbers of the one that follows begin so far above that none is given twice.
const PROXY_BITS: u32 = 32;
const NUMBERS: u64 = (1 << PROXY_BITS) - 1;

/// What became of secrets in exchanges, for whoever watches.
#[derive(Debug, Default)]
pub struct Leaks {
    /// Requests with a placeholder where its secret must not go.
    pub strays: AtomicU64,
    /// Responses from which the value of a secret was taken out.
    pub scrubbed: AtomicU64,
}

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

/// What becomes of a change after which all that was set is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// There is no new generation.
    Nothing,
    /// There is, for the files that it names may have changed.
    LoadedAgain,
}

/// Which generation must be in force for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whichever it is.
    Any,
    /// One of these.
    OneOf(Vec<u64>),
}

impl Expected {
    fn holds(&self, current: u64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(generations) => generations.contains(&current),
        }
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Whoever wrote the document is at fault.
    #[error(transparent)]
    Faulty(#[from] ConfigError),
    /// Whoever sent it did not know that this generation is in force.
    #[error("generation {0} is in force")]
    Outdated(u64),
    /// It would be lost with this process.
    #[error("cannot keep the change: {0}")]
    NotKept(std::io::Error),
}

/// What a change has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is in force, as this generation.
    To(u64),
    /// There was nothing to change in this generation.
    Nothing(u64),
}

impl Changed {
    /// What is in force.
    pub fn generation(self) -> u64 {
        match self {
            Self::To(generation) | Self::Nothing(generation) => generation,
        }
    }

    /// Whether it was not in force before.
    pub fn is_new(self) -> bool {
        matches!(self, Self::To(_))
    }
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
    /// See [`Instance::fakes`].
    pub fakes: Fakes,
    /// What was changed at run time, earlier.
    pub overrides: Overrides,
    /// Where that is kept, if it is.
    pub kept: Option<KeptOverrides>,
}

impl Instance {
    /// An instance whose first generation is made of `document`.
    pub fn new(parts: Parts, document: Document) -> Result<Self, ConfigError> {
        let (roots, bounds, in_force) = (Roots::default(), Arc::default(), InForce::default());
        let (secrets, stores, queues) = (Slots::default(), Stores::default(), Queues::default());
        let surroundings = Surroundings {
            who: InstanceFacts { id: &parts.id, class: &parts.class },
            fakes: &parts.fakes,
            engine: &parts.engine,
            visible: &parts.visible,
            roots: &roots,
            secrets: &secrets,
            stores: &stores,
            queues: &queues,
            bounds: &bounds,
            in_force: &in_force,
        };
        let first = Generation::load(parts.generation, Arc::new(document), parts.overrides, surroundings)?;
        in_force.replace(first.rules().clone());
        first.document().log_warnings();
        Ok(Self {
            id: parts.id.into(),
            class: parts.class.into(),
            mode: parts.mode,
            audit: parts.audit,
            records: Arc::default(),
            changes: Changes::default(),
            began: SystemTime::now(),
            tls: parts.tls,
            names: Names::after(parts.predecessors),
            bounds,
            in_force,
            engine: parts.engine,
            visible: parts.visible,
            roots,
            secrets,
            stores,
            queues,
            fakes: parts.fakes,
            leaks: Leaks::default(),
            generation: watch::Sender::new(Arc::new(first)),
            phase: watch::Sender::new(Phase::Serving),
            kept: parts.kept,
            successor: OnceLock::new(),
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

    /// Puts what came from `source` in force and says as which generation. If it is faulty, nothing changes, and `source` is at
    /// fault. Compiles handlers: call it where blocking is allowed.
    pub fn change(
        &self,
        source: &str,
        document: Result<Document, ConfigError>,
        expected: &Expected,
    ) -> Result<Changed, ChangeError> {
        let change =
            |document| self.apply(expected, |now| Ok(Some((Arc::new(document), now.overrides().clone()))));
        let changed = document.map_err(ChangeError::Faulty).and_then(change);
        if let Err(ChangeError::Faulty(error)) = &changed {
            self.changes.refuse(&self.id, source, error);
        }
        changed
    }

    /// Changes what goes before the document, as `change` says, and tells as which generation. If it is faulty, nothing changes.
    /// `same` says what becomes of a change that changes nothing.
    pub fn change_overrides(
        &self,
        expected: &Expected,
        same: Same,
        change: impl FnOnce(&Overrides, &policy::Document) -> Result<Overrides, policy::Fault>,
    ) -> Result<Changed, ChangeError> {
        self.apply(expected, |now| {
            let overrides = change(now.overrides(), now.document().parsed())
                .map_err(|fault| ConfigError::Fault { part: None, fault })?;
            let differs = same == Same::LoadedAgain || overrides != *now.overrides();
            Ok(differs.then(|| (Arc::clone(now.document()), overrides)))
        })
    }

    /// From now on `tell` is called when a change is in force and before it is acknowledged, for whoever follows this proxy. Only the
    /// first one counts.
    pub fn tell_successor(&self, tell: impl Fn() + Send + Sync + 'static) {
        let _ = self.successor.set(Box::new(tell));
    }

    fn apply(
        &self,
        expected: &Expected,
        change: impl FnOnce(&Generation) -> Result<Option<(Arc<Document>, Overrides)>, ConfigError>,
    ) -> Result<Changed, ChangeError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current();
        if !expected.holds(current.number()) {
            return Err(ChangeError::Outdated(current.number()));
        }
        let number = current.number() + 1;
        let Some((document, overrides)) = change(&current)? else {
            return Ok(Changed::Nothing(current.number()));
        };
        let Self { fakes, engine, visible, roots, secrets, stores, queues, bounds, in_force, .. } = self;
        let who = self.facts();
        let surroundings =
            Surroundings { who, fakes, engine, visible, roots, secrets, stores, queues, bounds, in_force };
        let next = Generation::load(number, document, overrides, surroundings)?;
        if let Some(kept) = &self.kept
            && next.overrides() != current.overrides()
        {
            kept.write(next.overrides()).map_err(ChangeError::NotKept)?;
        }
        // First: what begins under the new generation must not be measured by the old rules.
        in_force.replace(next.rules().clone());
        self.generation.send_replace(Arc::new(next));
        self.changes.accept();
        self.successor.get().inspect(|tell| tell());
        tracing::info!(generation = number, "policy in force");
        if self.current().document().parts() != current.document().parts() {
            self.current().document().log_warnings();
        }
        Ok(Changed::To(number))
    }

    /// What secrets are bound to it by.
    pub fn facts(&self) -> InstanceFacts<'_> {
        InstanceFacts { id: &self.id, class: &self.class }
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
