//! One call of a guest.
//!
//! Receives a request and the way onward; hands on the guest's response, or why there is none. An instance goes back
//! to the others only if its guest returned a valid response in time; after anything else it is dropped.

use http::{Request, Response};
use tokio::time::{Instant, timeout_at};

use super::{
    bindings::egress::handler::http as wit,
    instances::{Instance, Instances},
    message,
    onward::{Failure, Onward},
    state::Call,
    ticker::Ticker,
};
use crate::{Body, Context, Fault, HandlerError, Outcome};

/// Runs one call, from the wait for an instance to the response's head.
pub(super) async fn run(
    instances: &Instances,
    ticker: &Ticker,
    request: Request<Body>,
    context: Context,
    onward: Onward,
) -> Result<Outcome, HandlerError> {
    let settings = instances.settings();
    let deadline = Instant::now() + settings.limits.deadline;
    let failed = |fault| HandlerError::Script { handler: settings.name.clone(), fault };
    let _turn = instances.turn(deadline).await.map_err(failed)?;
    let call = Call { context, onward, lines: 0 };
    let started = timeout_at(deadline, instances.get()).await;
    let mut instance = started.unwrap_or(Err(Fault::Deadline)).map_err(failed)?;
    let result = match timeout_at(deadline, answer(&mut instance, ticker, request, call)).await {
        Ok(Ok(response)) => {
            instance.end();
            instances.put(instance);
            return Ok(Outcome::Response(response));
        }
        Ok(Err(fault)) => fault,
        Err(_) => Fault::Deadline,
    };
    match instance.end() {
        // The guest gave up because a fetch failed: that failure is the one to report.
        Some(Failure::Denied(denied)) if matches!(result, Fault::Failed(_)) => Ok(denied),
        Some(Failure::Failed(error)) if matches!(result, Fault::Failed(_)) => Err(error),
        _ => Err(failed(result)),
    }
}

async fn answer(
    instance: &mut Instance,
    ticker: &Ticker,
    request: Request<Body>,
    call: Call,
) -> Result<Response<Body>, Fault> {
    let Instance { store, guest, stopwatch, .. } = instance;
    let state = store.data_mut();
    state.limits.begin();
    state.call = Some(call);
    let (head, body) = request.into_parts();
    let request = wit::Request {
        method: head.method.as_str().to_owned(),
        scheme: head.uri.scheme_str().unwrap_or_default().to_owned(),
        authority: head.uri.authority().map_or_else(String::new, ToString::to_string),
        path: head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        headers: message::shown(&head.headers),
        body: message::payload(body, &head.headers, &mut state.bodies).map_err(Fault::Failed)?,
    };
    store.set_epoch_deadline(1);
    let guest = async |guest_store: &_| guest.call_handle(guest_store, request).await;
    let returned = ticker.watch(stopwatch, store.run_concurrent(guest)).await.flatten();
    let state = store.data_mut();
    match returned {
        Err(error) => Err(state.fault(&error)),
        Ok(Err(text)) => match state.limits.refused() {
            Some(limit) => Err(limit.clone()),
            None => Err(Fault::Failed(state.settings.scrubbed(&text))),
        },
        Ok(Ok(response)) => {
            let settings = state.settings.clone();
            message::response(response, &mut state.bodies, settings.granted()).map_err(Fault::Failed)
        }
    }
}

impl Instance {
    /// Ends a call: nothing of it stays with the instance. Returns the last failure of a fetch.
    fn end(&mut self) -> Option<Failure> {
        let state = self.store.data_mut();
        state.bodies.clear();
        state.call.take().and_then(|call| call.onward.into_failure())
    }
}
