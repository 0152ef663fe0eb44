//! What the tests of scripts share: an upstream in memory, requests, bodies, settings.
//!
//! Receives what is particular to a test; hands on the rest. Each test binary uses its own part of this.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex},
    task::{self, Poll},
    time::Duration,
};

use bytes::Bytes;
pub(crate) use handlers::full;
use handlers::{
    Body, BodyError, Chain, Context, Engine, Fetch, Fetching, Handler, HandlerError, Logs, Named, Outcome,
    Script, ScriptLimits, ScriptSettings, Secret,
};
use http::{Request, Response, StatusCode, request};
use http_body::Frame;
use http_body_util::BodyExt;

/// One engine for all tests of a binary, as in the product.
pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(None).unwrap());

type Answer = dyn Fn(Request<Body>) -> Fetching + Send + Sync;

/// An upstream that answers as the test says and remembers the heads it saw.
pub(crate) struct Upstream {
    answer: Box<Answer>,
    seen: Mutex<Vec<request::Parts>>,
    /// What went to other authorities, and for which handler.
    elsewhere: Mutex<Vec<(String, request::Parts)>>,
}

impl Upstream {
    pub(crate) fn new<F, A>(answer: F) -> Arc<Self>
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response<Body>, BodyError>> + Send + 'static,
    {
        let answer = move |request| -> Fetching { Box::pin(answer(request)) };
        Arc::new(Self { answer: Box::new(answer), seen: Mutex::default(), elsewhere: Mutex::default() })
    }

    /// One that answers with this text.
    pub(crate) fn text(text: &'static str) -> Arc<Self> {
        Self::new(move |_| async move { Ok(Response::new(full(text))) })
    }

    pub(crate) fn elsewhere(&self) -> Vec<(String, request::Parts)> {
        self.elsewhere.lock().unwrap().clone()
    }

    pub(crate) fn seen(&self) -> Vec<request::Parts> {
        self.seen.lock().unwrap().clone()
    }
}

impl Fetch for Upstream {
    fn fetch(&self, request: Request<Body>) -> Fetching {
        let (head, body) = request.into_parts();
        self.seen.lock().unwrap().push(head.clone());
        (self.answer)(Request::from_parts(head, body))
    }

    fn elsewhere(&self, handler: &str, request: Request<Body>) -> Fetching {
        let (head, body) = request.into_parts();
        self.elsewhere.lock().unwrap().push((handler.to_owned(), head.clone()));
        if head.uri.host() == Some("denied.test") {
            return Box::pin(async { Err("fetch of denied.test is not granted".into()) });
        }
        (self.answer)(Request::from_parts(head, body))
    }
}

/// So many frames, none of which exists before it is asked for.
pub(crate) fn frames(count: usize, frame: Bytes) -> Body {
    Frames(vec![frame].into_iter().cycle().take(count)).boxed_unsync()
}

/// These frames, one after another.
pub(crate) fn pieces(pieces: impl IntoIterator<Item = &'static str>) -> Body {
    let pieces: Vec<_> = pieces.into_iter().map(|piece: &'static str| Bytes::from(piece)).collect();
    Frames(pieces.into_iter()).boxed_unsync()
}

struct Frames<I>(I);

impl<I: Iterator<Item = Bytes> + Unpin> http_body::Body for Frames<I> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.next().map(|bytes| Ok(Frame::data(bytes))))
    }
}

pub(crate) fn get(uri: &str) -> Request<Body> {
    Request::get(uri).header("host", "api.example.test").header("accept", "*/*").body(full("")).unwrap()
}

pub(crate) fn context() -> Context {
    Context {
        instance: "container-1".into(),
        class: "Sandbox".into(),
        matched: "*.example.test".into(),
        request_id: "request-7".into(),
        source: ([198, 18, 0, 1], 40_000).into(),
        logs: Logs::default(),
        secrets: SECRETS
            .map(|(name, value)| (name.into(), Arc::new(Secret::new(value.to_owned()))))
            .into_iter()
            .collect(),
    }
}

pub(crate) fn limits(cpu_ms: u64, deadline_ms: u64) -> ScriptLimits {
    ScriptLimits {
        cpu: Duration::from_millis(cpu_ms),
        deadline: Duration::from_millis(deadline_ms),
        ..ScriptLimits::default()
    }
}

pub(crate) fn settings(limits: ScriptLimits) -> ScriptSettings {
    ScriptSettings { limits, ..ScriptSettings::named("guest") }
}

/// The exchange's secrets, of which a handler reads those that it is granted.
const SECRETS: [(&str, &str); 5] = [
    ("TOKEN", "SEKRIT-1"),
    ("SECRET", "SEKRIT-2"),
    ("OTHER", "SEKRIT-3"),
    ("API_TOKEN", "SEKRIT-4"),
    ("S", "SEKRIT-6"),
];

pub(crate) fn secret(name: &str) -> BTreeSet<Arc<str>> {
    BTreeSet::from([name.into()])
}

pub(crate) fn chain_of(script: Script) -> Chain {
    Chain::new(vec![Arc::new(Named {
        version: None,
        name: "guest".into(),
        handler: Handler::Script(script),
    })])
}

/// Sends one request through a chain.
pub(crate) async fn run(
    chain: &Chain,
    request: Request<Body>,
    upstream: &Arc<Upstream>,
) -> Result<Outcome, HandlerError> {
    chain.run(request, &context(), upstream.clone()).await
}

/// The response of a request that must go well.
pub(crate) async fn response(
    chain: &Chain,
    request: Request<Body>,
    upstream: &Arc<Upstream>,
) -> Response<Body> {
    match run(chain, request, upstream).await.unwrap() {
        Outcome::Response(response) => response,
        Outcome::Denied { .. } => panic!("denied"),
    }
}

pub(crate) async fn text(body: Body) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// The kind and status of a request that must fail.
pub(crate) async fn failure(chain: &Chain, upstream: &Arc<Upstream>) -> (&'static str, StatusCode) {
    let error = run(chain, get("https://api.example.test/"), upstream).await.err().unwrap();
    (error.kind(), error.status())
}

/// Fails if it takes long.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.unwrap()
}
