//! Filters: guests that look at heads and wait for nothing.
//!
//! Receives the head of a request or a response; hands on the changed one, an answer or a denial.

use std::{pin::pin, sync::Arc};

use http::{HeaderName, Request, Response, StatusCode, Uri, request, response, uri::PathAndQuery};
use tokio::runtime::Handle;

use super::{
    Script,
    bindings::filter::{Action, Edit, Reply, RequestHead, ResponseHead},
    errand::Errand,
    instances::{Instance, Instances},
    kind::{Filter, Guest},
    message,
    pace::Pace,
    state::{Call, scrubbed},
    ticker::Ticker,
};
use crate::{Body, Context, Fault, HandlerError, Outcome, Secrets};

/// What a filter is asked.
enum Question {
    Request(Arc<RequestHead>),
    Response(Arc<RequestHead>, ResponseHead),
}

/// What becomes of a message that a filter has seen.
pub(crate) enum Filtered<M> {
    /// It goes on.
    On(M),
    /// It does not.
    Over(Outcome),
}

impl Script {
    /// Whether it is a filter of requests.
    pub(crate) fn filters_requests(&self) -> bool {
        self.instances.linked().filters_requests()
    }

    /// Whether it is a filter of responses.
    pub(crate) fn filters_responses(&self) -> bool {
        self.instances.linked().filters_responses()
    }

    /// Asks what is to become of a request with the head `asked`.
    pub(crate) async fn filter_request(
        &self,
        request: Request<Body>,
        asked: &Arc<RequestHead>,
        context: &Context,
    ) -> Result<Filtered<Request<Body>>, HandlerError> {
        let action = self.ask(Question::Request(asked.clone()), context).await?;
        let (mut head, body) = request.into_parts();
        let secrets = &context.secrets;
        let edited = match action {
            Action::Pass => Ok(()),
            Action::Forward(edit) => edit_request(&mut head, edit, secrets),
            Action::Respond(reply) => return self.reply(reply, secrets).map(Filtered::Over),
            Action::Deny(reason) => return Ok(Filtered::Over(self.denied(reason, secrets))),
        };
        edited.map_err(|text| self.wrong(&text, secrets))?;
        Ok(Filtered::On(Request::from_parts(head, body)))
    }

    /// Asks what is to become of the response to `asked`.
    pub(crate) async fn filter_response(
        &self,
        asked: &Arc<RequestHead>,
        response: Response<Body>,
        context: &Context,
    ) -> Result<Outcome, HandlerError> {
        let (mut head, body) = response.into_parts();
        let secrets = &context.secrets;
        let action = self.ask(Question::Response(asked.clone(), response_head(&head)), context).await?;
        let edited = match action {
            Action::Pass => Ok(()),
            Action::Forward(edit) => edit_response(&mut head, edit, secrets),
            Action::Respond(reply) => return self.reply(reply, secrets),
            Action::Deny(reason) => return Ok(self.denied(reason, secrets)),
        };
        edited.map_err(|text| self.wrong(&text, secrets))?;
        Ok(Outcome::Response(Response::from_parts(head, body)))
    }

    async fn ask(&self, question: Question, context: &Context) -> Result<Action, HandlerError> {
        let runtime = Handle::try_current().unwrap_or_else(|_| self.runtime.clone());
        let pace = Pace::begin(self.settings.limits.deadline);
        let call = Call::new(context.clone(), runtime, pace);
        let asked = asked(self.instances.clone(), self.ticker.clone(), question, call);
        let action = Errand::new(self.runtime.clone(), self.instances.weight(), asked).await;
        let action = action.unwrap_or_else(|| Err(Fault::Failed("the engine has stopped".to_owned())));
        action.map_err(|fault| self.failed(fault))
    }

    fn reply(&self, reply: Reply, secrets: &Secrets) -> Result<Outcome, HandlerError> {
        let body = message::made(reply.body);
        let response = message::answer(reply.status, reply.headers, body, secrets);
        response.map(Outcome::Response).map_err(|text| self.wrong(&text, secrets))
    }

    /// What it did is not HTTP; the text may hold its words.
    fn wrong(&self, text: &str, secrets: &Secrets) -> HandlerError {
        self.failed(Fault::Failed(scrubbed(text, secrets)))
    }

    fn denied(&self, reason: Option<String>, secrets: &Secrets) -> Outcome {
        let reason = reason.map(|reason| scrubbed(&reason, secrets));
        Outcome::Denied { status: StatusCode::FORBIDDEN, reason, handler: self.settings.name.clone() }
    }
}

fn edit_request(head: &mut request::Parts, edit: Edit, secrets: &Secrets) -> Result<(), String> {
    if let Some(path) = edit.path.as_deref() {
        let path: PathAndQuery = match path.starts_with('/') {
            true => path.parse().map_err(|_| "bad path")?,
            false => return Err("bad path".to_owned()),
        };
        let mut parts = std::mem::take(&mut head.uri).into_parts();
        parts.path_and_query = Some(path);
        head.uri = Uri::from_parts(parts).map_err(|_| "bad path")?;
    }
    self::edit(&mut head.headers, edit, secrets)
}

fn edit_response(head: &mut response::Parts, edit: Edit, secrets: &Secrets) -> Result<(), String> {
    if edit.path.is_some() {
        return Err("a response has no path".to_owned());
    }
    self::edit(&mut head.headers, edit, secrets)
}

fn edit(headers: &mut http::HeaderMap, edit: Edit, secrets: &Secrets) -> Result<(), String> {
    let set = message::set(edit.set, secrets)?;
    for name in edit.remove {
        let Ok(name) = name.parse::<HeaderName>() else {
            return Err(format!("bad header name `{name}`"));
        };
        if !message::is_ours(&name) {
            headers.remove(name);
        }
    }
    // A map that is extended with another loses the values of the names that both have.
    headers.extend(set);
    Ok(())
}

/// A request's head, as a filter sees it.
impl From<&Request<Body>> for RequestHead {
    fn from(request: &Request<Body>) -> Self {
        let uri = request.uri();
        Self {
            method: request.method().as_str().to_owned(),
            scheme: uri.scheme_str().unwrap_or_default().to_owned(),
            authority: uri.authority().map_or_else(String::new, ToString::to_string),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            headers: message::asked(request.headers(), request.extensions()),
        }
    }
}

fn response_head(head: &response::Parts) -> ResponseHead {
    ResponseHead { status: head.status.as_u16(), headers: message::shown(&head.headers) }
}

/// One call, from the wait for an instance to its return.
async fn asked(
    instances: Arc<Instances>,
    ticker: Arc<Ticker>,
    question: Question,
    call: Call,
) -> Result<Action, Fault> {
    let pace = call.pace.clone();
    instances.settings().counts.call();
    let _turn = instances.turn(pace.deadline()).await?;
    let mut instance = pace.keep(pin!(instances.get())).await.unwrap_or(Err(Fault::Deadline))?;
    let Instance { store, guest, stopwatch, .. } = &mut instance;
    let state = store.data_mut();
    state.limits.begin();
    state.call.0 = Some(call);
    store.set_epoch_deadline(1);
    let called = async {
        match (&*guest, &question) {
            (Guest::Filter(Filter { request: Some(guest), .. }), Question::Request(head)) => {
                guest.call_on_request(&mut *store, head).await
            }
            (Guest::Filter(Filter { response: Some(guest), .. }), Question::Response(request, response)) => {
                guest.call_on_response(&mut *store, request, response).await
            }
            _ => Ok(Err("it is no such filter".to_owned())),
        }
    };
    let returned = pace.keep(ticker.watch(stopwatch, pin!(called))).await;
    let action = match returned {
        None => Err(Fault::Deadline),
        Some(Err(error)) => Err(store.data().fault(&error)),
        Some(Ok(Err(text))) => Err(store.data().complaint(&text)),
        Some(Ok(Ok(action))) => Ok(action),
    };
    instances.end(&mut instance);
    if action.is_ok() {
        instances.put(instance);
    }
    action
}
