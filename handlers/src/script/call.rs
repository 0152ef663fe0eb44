//! One call of a guest that may wait: a handler, a component of `wasi:http`, or a tail.
//!
//! Receives a request and the way onward, or the events for a tail; gives the guest's answer, or why there is none. A
//! guest may go on after its answer. An instance goes back to the others only if its guest returned well and in time;
//! after anything else it is dropped.

use std::{pin::pin, sync::Arc};

use http::Request;

use super::{
    bindings::{
        egress::handler::types::Level as WitLevel,
        tail::egress::handler::tailing::{Event as WitEvent, Line as WitLine},
    },
    instances::{Instance, Instances},
    kind::Guest,
    message,
    onward::{Failure, Failures},
    state::{Call, State, scrubbed},
    ticker::Ticker,
    wasi_http,
};
use crate::{Body, Event, Fault, HandlerError, Level, Line, Outcome};

/// What a guest is called with.
pub(super) enum Job {
    /// An exchange's request.
    Request(Box<Request<Body>>),
    /// Exchanges that are over.
    Events(Vec<Event>),
}

/// Runs one call, from the wait for an instance to its end. What it comes to is in the call's answer by then.
pub(super) async fn run(instances: Arc<Instances>, ticker: Arc<Ticker>, job: Job, call: Call) {
    let (answer, pace) = (call.answer.clone(), call.pace.clone());
    let failures = call.onward.as_ref().map(|onward| onward.failures()).unwrap_or_default();
    let (name, counts) = (&instances.settings().name, &instances.settings().counts);
    counts.call();
    let failed = |fault| {
        counts.fault(&fault);
        HandlerError::Script { handler: name.clone(), fault }
    };
    let turn = match instances.turn(pace.deadline()).await {
        Ok(turn) => turn,
        Err(fault) => {
            answer.give(Err(failed(fault)));
            return;
        }
    };
    let mut instance = match pace.keep(pin!(instances.get())).await.unwrap_or(Err(Fault::Deadline)) {
        Ok(instance) => instance,
        Err(fault) => {
            answer.give(Err(failed(fault)));
            return;
        }
    };
    let served = pace.keep(pin!(serve(&mut instance, &ticker, job, call))).await;
    let fault = match served.unwrap_or(Err(Fault::Deadline)) {
        Ok(response) => {
            instances.end(&mut instance);
            instances.put(instance);
            drop(turn);
            response.map(|response| answer.give(Ok(Outcome::Response(response))));
            return;
        }
        Err(fault) => fault,
    };
    instances.end(&mut instance);
    if answer.is_given() {
        counts.fault(&fault);
        tracing::info!(handler = &**name, %fault, "after its answer");
        return;
    }
    answer.give(blame(fault, &failures).map_err(|fault| fault.unwrap_or_else(failed)));
}

/// Who is to blame: a guest that gave up because a fetch failed is not.
fn blame(fault: Fault, failures: &Failures) -> Result<Outcome, Result<HandlerError, Fault>> {
    match failures.take() {
        Some(Failure::Denied(denied)) if matches!(fault, Fault::Failed(_)) => Ok(denied),
        Some(Failure::Failed(error)) if matches!(fault, Fault::Failed(_)) => Err(Ok(error)),
        _ => Err(Err(fault)),
    }
}

/// Calls the guest; none if it has answered in the meantime. What a tail answers is that it is done.
async fn serve(
    instance: &mut Instance,
    ticker: &Ticker,
    job: Job,
    call: Call,
) -> Result<Option<http::Response<Body>>, Fault> {
    let Instance { store, guest, stopwatch, .. } = instance;
    let (answer, pace) = (call.answer.clone(), call.pace.clone());
    let state = store.data_mut();
    state.limits.begin();
    state.call.0 = Some(call);
    store.set_epoch_deadline(1);
    let returned = match (&*guest, job) {
        (Guest::Handler(guest), Job::Request(request)) => {
            let request = message::request(*request, &mut store.data_mut().bodies).map_err(Fault::Failed)?;
            let called = async |accessor: &_| guest.call_handle(accessor, request).await;
            let returned = ticker.watch(stopwatch, pin!(store.run_concurrent(called))).await.flatten();
            let state = store.data_mut();
            returned.map(|response| state.returned(response))
        }
        (Guest::Proxy(guest), Job::Request(request)) => {
            let called = wasi_http::proxy(store, guest, *request, answer, pace);
            ticker.watch(stopwatch, pin!(called)).await.map(|done| done.map(|()| None))
        }
        (Guest::Service(guest), Job::Request(request)) => {
            let called =
                async |accessor: &_| wasi_http::service(accessor, guest, *request, &answer, &pace).await;
            let called = ticker.watch(stopwatch, pin!(store.run_concurrent(called))).await.flatten();
            called.map(|done| done.map(|()| None))
        }
        (Guest::Tail(guest), Job::Events(events)) => {
            let events: Vec<_> = events.into_iter().map(WitEvent::from).collect();
            let called = async |accessor: &_| guest.call_tail(accessor, events).await;
            let returned = ticker.watch(stopwatch, pin!(store.run_concurrent(called))).await.flatten();
            let state = store.data_mut();
            let done = || Some(http::Response::new(message::empty()));
            returned.map(|returned| returned.map(|()| done()).map_err(|text| state.complaint(&text)))
        }
        (_, Job::Request(_)) => return Err(Fault::Failed("it handles no requests".to_owned())),
        (_, Job::Events(_)) => return Err(Fault::Failed("it is no tail".to_owned())),
    };
    returned.unwrap_or_else(|error| Err(store.data().fault(&error)))
}

impl State {
    /// What the guest's return means.
    fn returned(
        &mut self,
        response: Result<super::bindings::egress::handler::types::Response, String>,
    ) -> Result<Option<http::Response<Body>>, Fault> {
        let answered = self.call.0.as_ref().is_some_and(|call| call.answer.is_given());
        match response {
            Err(text) => Err(self.complaint(&text)),
            Ok(_) if answered => Ok(None),
            Ok(response) => {
                let secrets = self.secrets();
                let response = message::response(response, &mut self.bodies, &secrets);
                response.map(Some).map_err(|text| self.complaint(&text))
            }
        }
    }

    /// The fault of a guest that returned an error.
    pub(super) fn complaint(&self, text: &str) -> Fault {
        match self.limits.refused() {
            Some(limit) => limit.clone(),
            None => Fault::Failed(scrubbed(text, &self.secrets())),
        }
    }
}

impl From<Event> for WitEvent {
    fn from(Event { record, lines }: Event) -> Self {
        Self { record, logs: lines.into_iter().map(WitLine::from).collect() }
    }
}

impl From<Line> for WitLine {
    fn from(Line { handler, level, message }: Line) -> Self {
        let level = match level {
            Level::Debug => WitLevel::Debug,
            Level::Info => WitLevel::Info,
            Level::Warn => WitLevel::Warn,
            Level::Error => WitLevel::Error,
        };
        Self { handler: handler.to_string(), level, message }
    }
}
