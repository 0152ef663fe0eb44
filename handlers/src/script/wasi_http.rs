//! Components of `wasi:http`, made for any host: `proxy` of 0.2 and `service` of 0.3.
//!
//! Receives a request and the way onward; calls the component as its world says, and gives its answer. What it sends is
//! the same to us as a fetch of our own contract. Bodies that it only hands on stay with the host.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{self, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use wasmtime::{Result, Store, component::Accessor};
use wasmtime_wasi_http::{
    Error, FieldMap, RequestOptions, WasiBody, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
    p2::{self, bindings::http::types::Scheme},
    p3,
};

use super::{
    answer::Answer,
    message,
    onward::{Failures, Pending, Upgrading},
    pace::Pace,
    state::{Call, State},
};
use crate::{Body, BodyError, Fault, Outcome};

/// What an instance serves, if it serves something.
pub(super) struct Current(pub(super) Option<Call>);

type Sending = Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send>;
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Current {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(&mut self, request: Request<WasiBody>, _: Option<RequestOptions>, _: Io) -> Sending {
        let started = self.start(request);
        Box::new(async move {
            let (pending, failures) = started.map_err(|text| Error::InternalError(Some(text)))?;
            let response = failures.settle(pending.await).map_err(|text| Error::InternalError(Some(text)))?;
            let body = |error: BodyError| Error::InternalError(Some(error.to_string()));
            let io: Io = Box::new(async { Ok(()) });
            Ok((response.map(|it| it.map_err(body).boxed_unsync()), io))
        })
    }
}

impl Current {
    fn start(&mut self, request: Request<WasiBody>) -> Result<(Pending, Failures), String> {
        let onward = self.0.as_mut().and_then(|call| call.onward.as_mut()).ok_or("outside of a call")?;
        let (mut head, body) = request.into_parts();
        message::clean(&mut head.headers);
        let body = body.map_err(BodyError::from).boxed_unsync();
        let pending = onward.start(Request::from_parts(head, body), Upgrading::Never)?;
        Ok((pending, onward.failures()))
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.call }
    }
}

/// Calls a component of 0.2, which answers whenever it likes and goes on until it returns.
pub(super) async fn proxy(
    store: &mut Store<State>,
    guest: &p2::bindings::Proxy,
    request: Request<Body>,
    answer: Answer,
    pace: Pace,
) -> Result<Result<(), Fault>> {
    let https = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
    let scheme = if https { Scheme::Https } else { Scheme::Http };
    let request = request.map(|body| body.map_err(|error| Error::InternalError(Some(error.to_string()))));
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(scheme, request)?;
    let given = answer.clone();
    let outparam = http.new_response_outparam_from_callback(move |result| {
        // What is wrong is found out below: nothing was given.
        if let Some(response) = result.ok().and_then(|response| finished(response).ok()) {
            pace.renew();
            given.give(Ok(Outcome::Response(response)));
        }
    })?;
    guest.wasi_http_incoming_handler().call_handle(store, request, outparam).await?;
    let nothing = || Err(Fault::Failed("it set no valid response".to_owned()));
    Ok(if answer.is_given() { Ok(()) } else { nothing() })
}

/// Calls a component of 0.3, which is done when its answer was taken and nothing of it runs any more.
pub(super) async fn service(
    accessor: &Accessor<State>,
    guest: &p3::bindings::Service,
    request: Request<Body>,
    answer: &Answer,
    pace: &Pace,
) -> Result<Result<(), Fault>> {
    let (head, body) = request.into_parts();
    let body = body.map_err(|error| Error::InternalError(Some(error.to_string())));
    let headers = accessor.with(|mut store| FieldMap::new_immutable(store.get().http().hooks, head.headers));
    let uri = head.uri.into_parts();
    let (request, sent) =
        p3::Request::new(head.method, uri.scheme, uri.authority, uri.path_and_query, headers, None, body);
    let response = match guest.handle(accessor, request).await? {
        Ok(response) => accessor.with(|store| response.into_http(store, sent))?,
        Err(error) => {
            let text = format!("{error:?}");
            return Ok(Err(accessor.with(|mut store| store.get().complaint(&text))));
        }
    };
    let mut response = match finished(response) {
        Ok(response) => response,
        Err(text) => return Ok(Err(Fault::Failed(text))),
    };
    let (over, taken) = oneshot::channel();
    response = response.map(|body| Watched { body, pace: pace.clone(), _over: over }.boxed_unsync());
    pace.renew();
    answer.give(Ok(Outcome::Response(response)));
    let _ = taken.await;
    poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
    Ok(Ok(()))
}

/// A guest's response as it may go on its way.
fn finished(response: Response<WasiBody>) -> Result<Response<Body>, String> {
    let (mut head, body) = response.into_parts();
    if !(200..600).contains(&head.status.as_u16()) {
        return Err(format!("bad status {}", head.status));
    }
    message::clean(&mut head.headers);
    let mut body = body.map_err(BodyError::from).boxed_unsync();
    if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        head.headers.remove(header::CONTENT_LENGTH);
        body = message::empty();
    }
    Ok(Response::from_parts(head, body))
}

/// Tells when a body is over, and that it moves.
struct Watched {
    body: Body,
    pace: Pace,
    /// Dropped with the body.
    _over: oneshot::Sender<()>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.pace.renew();
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
