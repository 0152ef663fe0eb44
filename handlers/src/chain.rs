//! A chain of handlers: a request enters, and each one's fetch is the next one's request.
//!
//! Receives a request and the [`Fetch`] behind the last handler; hands on the [`Outcome`]. Built-in handlers work on
//! the head in place, without a box or a task; at a script, the rest of the chain becomes the script's `fetch`.

use std::sync::Arc;

use http::Request;

use crate::{
    Body, Context, Deny, Fetch, HandlerError, Inject, Kind, Outcome, Respond, Script, Sign,
    script::{Filtered, RequestHead},
    uses::Use,
};

/// One handler: built-in or a WebAssembly component.
pub enum Handler {
    /// Refuses.
    Deny(Deny),
    /// Adds headers.
    Inject(Inject),
    /// Answers.
    Respond(Respond),
    /// Signs.
    Sign(Sign),
    /// Runs a program.
    Script(Script),
}

/// A handler under the name that policy and audit records use.
pub struct Named {
    /// The name.
    pub name: Arc<str>,
    /// What its author calls this version of it.
    pub version: Option<Arc<str>>,
    /// The handler.
    pub handler: Handler,
}

/// The handlers of one binding, in order. A clone is cheap.
#[derive(Clone)]
pub struct Chain {
    links: Arc<[Arc<Named>]>,
    /// The first link that still applies: a guest's fetch continues behind that guest.
    next: usize,
}

impl Chain {
    /// A chain of these handlers; an empty one goes straight to the upstream.
    pub fn new(handlers: Vec<Arc<Named>>) -> Self {
        Self { links: handlers.into(), next: 0 }
    }

    /// The handlers, in order.
    pub fn handlers(&self) -> impl Iterator<Item = &Named> {
        self.rest().iter().map(AsRef::as_ref)
    }

    /// The secrets that may leave through this chain, and where.
    pub fn uses(&self) -> Vec<Use> {
        let of = |named: &Arc<Named>| match &named.handler {
            Handler::Inject(inject) => inject.uses(),
            Handler::Script(script) => script.uses(),
            Handler::Sign(sign) => sign.uses(),
            Handler::Deny(_) | Handler::Respond(_) => Vec::new(),
        };
        self.rest().iter().flat_map(of).collect()
    }

    /// Sends a request, whose URI must be absolute, through the chain.
    pub async fn run(
        &self,
        mut request: Request<Body>,
        context: &Context,
        upstream: Arc<dyn Fetch>,
    ) -> Result<Outcome, HandlerError> {
        for (named, position) in self.rest().iter().zip(self.next..) {
            match &named.handler {
                Handler::Deny(deny) => return Ok(denied(deny, &named.name)),
                Handler::Respond(respond) => return Ok(Outcome::Response(respond.response())),
                Handler::Inject(inject) => inject.apply(&mut request, &context.secrets)?,
                Handler::Sign(sign) => sign.note(&mut request),
                Handler::Script(script) if script.kind() != Kind::Filter => {
                    return script.run(request, context, self.behind(position), upstream).await;
                }
                Handler::Script(filter) => {
                    let asked = Arc::new(RequestHead::from(&request));
                    if filter.filters_requests() {
                        match filter.filter_request(request, &asked, context).await? {
                            Filtered::On(changed) => request = changed,
                            Filtered::Over(outcome) => return Ok(outcome),
                        }
                    }
                    if filter.filters_responses() {
                        let behind = self.behind(position);
                        // A box, because what is behind a filter of responses is a chain again.
                        return match Box::pin(behind.run(request, context, upstream)).await? {
                            Outcome::Response(response) => {
                                filter.filter_response(&asked, response, context).await
                            }
                            denied @ Outcome::Denied { .. } => Ok(denied),
                        };
                    }
                }
            }
        }
        upstream.fetch(request).await.map(Outcome::Response).map_err(HandlerError::Fetch)
    }

    /// What is behind the link at `position`.
    fn behind(&self, position: usize) -> Self {
        Self { links: self.links.clone(), next: position + 1 }
    }

    fn rest(&self) -> &[Arc<Named>] {
        self.links.get(self.next..).unwrap_or_default()
    }
}

fn denied(deny: &Deny, name: &Arc<str>) -> Outcome {
    Outcome::Denied { status: deny.status, reason: deny.reason.clone(), handler: name.clone() }
}

#[cfg(test)]
mod tests;
