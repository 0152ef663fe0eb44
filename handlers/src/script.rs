//! Handlers that are WebAssembly components: of our own contract (`wit/handler.wit`) or of `wasi:http`.
//!
//! Receives a component's bytes and its settings ([`Engine::load`]); hands on a [`Script`] that a chain can call.

mod answer;
mod bindings;
mod blobstore;
mod bodies;
mod cache;
mod call;
mod counts;
mod engine;
mod errand;
mod filter;
mod folder;
mod http;
mod instances;
mod keyvalue;
mod kind;
mod limits;
mod link;
mod message;
mod onward;
mod pace;
mod pipe;
mod state;
mod task;
mod ticker;
mod wasi_http;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ::http::Request;
use tokio::{runtime::Handle, sync::oneshot};

use self::{
    answer::Answer, call::Job, errand::Errand, instances::Instances, onward::Onward, pace::Pace, state::Call,
    ticker::Ticker,
};
pub(crate) use self::{bindings::filter::RequestHead, filter::Filtered};
pub use self::{
    cache::Cache,
    counts::Counts,
    engine::Engine,
    keyvalue::{KeyValueGrant, Scope},
};
use crate::{
    Blobs, Body, Chain, Context, Event, Fault, Fetch, HandlerError, Kind, Outcome, Place, RateLimit, Style,
    Use,
};

/// A component, loaded, with its own settings and instances. A clone shares the instances.
#[derive(Clone)]
pub struct Script {
    settings: Arc<ScriptSettings>,
    hash: [u8; 32],
    instances: Arc<Instances>,
    ticker: Arc<Ticker>,
    /// The engine's own runtime.
    runtime: Handle,
}

/// What one named handler gives to its component.
#[derive(Clone)]
pub struct ScriptSettings {
    /// The handler's name (`handlerName` in JavaScript).
    pub name: Arc<str>,
    /// The handler's parameters (`ctx.params`).
    pub params: serde_json::Value,
    /// The names of the secrets that this handler may read (`env.NAME`), of those that its exchange has.
    pub secrets: BTreeSet<Arc<str>>,
    /// Plain settings.
    pub config: BTreeMap<String, String>,
    /// The key-value stores that it may open.
    pub keyvalue: Vec<KeyValueGrant>,
    /// The buckets that it may use.
    pub blobs: BTreeMap<String, Arc<dyn Blobs>>,
    /// The counters that it may use.
    pub rate_limits: BTreeMap<String, Arc<RateLimit>>,
    /// Calls that one instance serves; none means what suits its kind.
    pub calls: Option<u32>,
    /// What it may use up.
    pub limits: ScriptLimits,
    /// Where its calls are counted.
    pub counts: Arc<Counts>,
}

impl ScriptSettings {
    /// A handler of this name that was granted nothing.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            params: serde_json::Value::Null,
            secrets: BTreeSet::new(),
            config: BTreeMap::new(),
            keyvalue: Vec::new(),
            blobs: BTreeMap::new(),
            rate_limits: BTreeMap::new(),
            calls: None,
            limits: ScriptLimits::default(),
            counts: Arc::default(),
        }
    }
}

/// What one call of a script may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptLimits {
    /// Time that the guest may compute for; waiting for fetches and bodies does not count.
    pub cpu: Duration,
    /// Time until the guest must have answered, waiting included; and for each piece of what it does afterwards.
    pub deadline: Duration,
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: usize,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self { cpu: Duration::from_millis(500), deadline: Duration::from_secs(30), memory_bytes: 64 << 20 }
    }
}

impl Script {
    /// What its component is for.
    pub fn kind(&self) -> Kind {
        self.instances.linked().kind()
    }

    /// What became of its calls.
    pub fn counts(&self) -> &Counts {
        &self.settings.counts
    }

    /// SHA-256 of the component's bytes.
    pub fn sha256(&self) -> [u8; 32] {
        self.hash
    }

    /// The secrets that the component can read.
    pub fn uses(&self) -> Vec<Use> {
        let place = Place::Handler(self.settings.name.clone());
        let of = |secret: &Arc<str>| Use::new(secret, Style::Handler, place.clone());
        self.settings.secrets.iter().map(of).collect()
    }

    /// Runs the guest; its fetches go through `rest` on the caller's runtime.
    pub(crate) async fn run(
        &self,
        request: Request<Body>,
        context: &Context,
        rest: Chain,
        upstream: Arc<dyn Fetch>,
    ) -> Result<Outcome, HandlerError> {
        let (head, body) = request.into_parts();
        let runtime = self.callers_runtime();
        let name = self.settings.name.clone();
        let onward = Onward::new(name, &head, rest, context.clone(), upstream, runtime);
        let onward = onward.map_err(|text| self.failed(Fault::Failed(text)))?;
        self.call(Job::Request(Box::new(Request::from_parts(head, body))), context, onward).await
    }

    /// Tells a tail of exchanges that are over. Its fetches are of other hosts only.
    pub async fn tail(
        &self,
        events: Vec<Event>,
        context: &Context,
        upstream: Arc<dyn Fetch>,
    ) -> Result<(), HandlerError> {
        let onward = Onward::elsewhere(self.settings.name.clone(), upstream, self.callers_runtime());
        self.call(Job::Events(events), context, onward).await.map(|_| ())
    }

    async fn call(&self, job: Job, context: &Context, onward: Onward) -> Result<Outcome, HandlerError> {
        let (answer, answered) = oneshot::channel();
        let pace = Pace::begin(self.settings.limits.deadline);
        let call = Call {
            onward: Some(onward),
            answer: Answer::to(answer),
            ..Call::new(context.clone(), self.callers_runtime(), pace)
        };
        let run = call::run(self.instances.clone(), self.ticker.clone(), job, call);
        let mut errand = Errand::new(self.runtime.clone(), self.instances.is_heavy(), run);
        // Whoever stops waiting stops the guest; once it has answered, it may go on by itself.
        let mut answered = answered;
        let outcome = tokio::select! {
            biased;
            _ = &mut errand => answered.await,
            outcome = &mut answered => {
                errand.detach();
                outcome
            }
        };
        outcome.unwrap_or_else(|_| Err(self.failed(Fault::Failed("the engine has stopped".to_owned()))))
    }

    fn callers_runtime(&self) -> Handle {
        Handle::try_current().unwrap_or_else(|_| self.runtime.clone())
    }

    fn failed(&self, fault: Fault) -> HandlerError {
        self.settings.counts.fault(&fault);
        HandlerError::Script { handler: self.settings.name.clone(), fault }
    }
}
