//! Handlers that are WebAssembly components of the world `egress:handler/handler` (`wit/handler.wit`).
//!
//! Receives a component's bytes and its settings ([`Engine::load`]); hands on a [`Script`] that a chain can call.

mod bindings;
mod bodies;
mod cache;
mod call;
mod engine;
mod folder;
mod instances;
mod limits;
mod link;
mod message;
mod onward;
mod state;
mod task;
mod ticker;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::Request;
use tokio::runtime::Handle;

pub use self::{cache::Cache, engine::Engine};
use self::{instances::Instances, onward::Onward, task::Task, ticker::Ticker};
use crate::{Body, Chain, Context, Fault, Fetch, HandlerError, Outcome, Secret};

/// A component, loaded, with its own settings and instances. A clone shares the instances.
#[derive(Clone)]
pub struct Script {
    settings: Arc<ScriptSettings>,
    instances: Arc<Instances>,
    ticker: Arc<Ticker>,
    /// The engine's own runtime.
    runtime: Handle,
}

/// What one named handler gives to its component.
#[derive(Debug, Clone)]
pub struct ScriptSettings {
    /// The handler's name (`handlerName` in JavaScript).
    pub name: Arc<str>,
    /// The handler's parameters (`ctx.params`).
    pub params: serde_json::Value,
    /// The secrets that this handler may read (`env.NAME`); no other can be named.
    pub secrets: BTreeMap<String, Arc<Secret>>,
    /// What it may use up.
    pub limits: ScriptLimits,
}

/// What one call of a script may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptLimits {
    /// Time that the guest may compute for; waiting for fetches and bodies does not count.
    pub cpu: Duration,
    /// Time until the guest must have returned its response's head, waiting included.
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
    /// Whether the component can read any secret.
    pub(crate) fn holds_secrets(&self) -> bool {
        !self.settings.secrets.is_empty()
    }

    /// Runs the guest on the engine's threads; its fetches go through `rest` on the caller's runtime.
    pub(crate) async fn run(
        &self,
        request: Request<Body>,
        context: &Context,
        rest: Chain,
        upstream: Arc<dyn Fetch>,
    ) -> Result<Outcome, HandlerError> {
        let failed = |fault| HandlerError::Script { handler: self.settings.name.clone(), fault };
        let caller = Handle::try_current().unwrap_or_else(|_| self.runtime.clone());
        let (head, body) = request.into_parts();
        let onward = Onward::new(&head, rest, context.clone(), upstream, caller);
        let onward = onward.map_err(Fault::Failed).map_err(failed)?;
        let (instances, ticker, context) = (self.instances.clone(), self.ticker.clone(), context.clone());
        let request = Request::from_parts(head, body);
        let call = async move { call::run(&instances, &ticker, request, context, onward).await };
        let outcome = Task::spawn(&self.runtime, call).await;
        outcome.unwrap_or_else(|| Err(failed(Fault::Failed("the engine has stopped".to_owned()))))
    }
}
