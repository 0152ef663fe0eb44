//! One case, tried. Receives handlers that are ready, and the case; hands on what came of it: how it ended, what servers saw and what was
//! written to the log. The policy decides and the handlers run as in the proxy; the servers are the case's own.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use handlers::{
    Body, BodyError, Chain, Context, Fetch, Fetching, HandlerError, Logs, Outcome, Secrets, full, signed,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use policy::{Decision, Policy, Url};

use super::{
    expected::{self, Answer, Message, Step, Upstream},
    lines::Lines,
};
use crate::{
    config::Bound,
    error::{ExchangeError, Tongue, refusal},
};

/// The largest body that is looked at, in bytes.
const MAX_BODY: usize = 16 << 20;
/// How long one case may take, beyond what its handlers' own deadlines allow.
const DEADLINE: Duration = Duration::from_secs(60);

/// What came of a case.
pub(super) struct Told {
    pub(super) end: End,
    pub(super) forwarded: Vec<Seen>,
    pub(super) logs: Vec<String>,
}

/// How it ended.
pub(super) enum End {
    Response { status: StatusCode, headers: HeaderMap, body: Bytes },
    Denied { status: StatusCode, reason: String, detail: Option<String> },
    Failed { status: StatusCode, kind: String, detail: String },
}

/// A request as a server saw it.
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) url: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Whom a handler is told that it serves.
pub(super) struct Who<'a> {
    pub(super) instance: &'a str,
    pub(super) class: &'a str,
    /// The id of the request.
    pub(super) request: &'a str,
    /// What it may use.
    pub(super) secrets: &'a Secrets,
}

/// Tries one request.
pub(super) async fn run(
    step: Step<'_>,
    who: &Who<'_>,
    policy: &Policy,
    bound: &[Bound],
    lines: &Lines,
) -> anyhow::Result<Told> {
    let servers = Arc::new(Servers(Arc::new(Shared {
        upstream: step.upstream.clone(),
        secrets: who.secrets.clone(),
        seen: Mutex::default(),
    })));
    let trial = end(step.request, who, policy, bound, Arc::clone(&servers));
    let end = tokio::time::timeout(DEADLINE, trial).await.context("it takes longer than a minute")??;
    let forwarded = std::mem::take(&mut *servers.0.seen.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Told { end, forwarded, logs: lines.take(who.request) })
}

async fn end(
    message: &Message,
    who: &Who<'_>,
    policy: &Policy,
    bound: &[Bound],
    servers: Arc<Servers>,
) -> anyhow::Result<End> {
    let method = message.method.as_deref().unwrap_or("GET");
    let url = &message.url;
    let asked = Url::parse(url).map_err(|error| anyhow!("`{url}` is no URL: {error}"))?;
    let binding = match policy.decide(&asked.facts(method)) {
        Decision::Forward { binding, .. } => binding,
        Decision::Deny(denial) => {
            let (reason, detail) = (denial.reason.as_str().to_owned(), Some(format!("by {}", denial.rule)));
            let status = refusal(&ExchangeError::Denied(denial), who.request, policy, Tongue::Http).status();
            return Ok(End::Denied { status, reason, detail });
        }
    };
    let chain = binding.and_then(|binding| bound.get(binding.index()));
    let request = request(message, method).context("the request")?;
    let context = Context {
        instance: who.instance.into(),
        class: who.class.into(),
        matched: chain.map_or_else(|| "".into(), |bound| Arc::clone(&bound.pattern)),
        request_id: who.request.into(),
        source: ([192, 0, 0, 8], 1).into(),
        logs: Logs::default(),
        secrets: who.secrets.clone(),
    };
    let chain = chain.map_or_else(|| Chain::new(Vec::new()), |bound| bound.chain.clone());
    Ok(match chain.run(request, &context, servers).await {
        Ok(Outcome::Response(response)) => {
            let (head, body) = response.into_parts();
            match collect(body).await {
                Ok(body) => End::Response { status: head.status, headers: head.headers, body },
                Err(detail) => End::Failed { status: head.status, kind: "body_failed".to_owned(), detail },
            }
        }
        Ok(Outcome::Denied { status, reason, .. }) => {
            End::Denied { status, reason: "denied_by_handler".to_owned(), detail: reason }
        }
        Err(error) => failed(&error),
    })
}

fn failed(error: &HandlerError) -> End {
    End::Failed { status: error.status(), kind: error.kind().to_owned(), detail: error.to_string() }
}

fn request(asked: &Message, method: &str) -> anyhow::Result<Request<Body>> {
    let mut request = Request::builder().method(method).uri(&asked.url);
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    Ok(request.body(full(expected::body(&asked.body, asked.json.as_ref())))?)
}

/// Stands for every server.
struct Servers(Arc<Shared>);

struct Shared {
    upstream: Upstream,
    secrets: Secrets,
    seen: Mutex<Vec<Seen>>,
}

impl Fetch for Servers {
    fn fetch(&self, request: Request<Body>) -> Fetching {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { shared.answer(request).await.map_err(BodyError::from) })
    }

    /// The case's servers stand for all hosts.
    fn elsewhere(&self, _: &str, request: Request<Body>) -> Fetching {
        self.fetch(request)
    }
}

impl Shared {
    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, String> {
        let signed = signed(request, &self.secrets, SystemTime::now()).await;
        let (head, body) = signed.map_err(|error| error.to_string())?.into_parts();
        let body = collect(body).await?;
        let seen = Seen { method: head.method, url: head.uri, headers: head.headers, body: body.clone() };
        let number = {
            let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(seen);
            all.len() - 1
        };
        let answer = self.upstream.answer(number).filter(|answer| !answer.fails);
        let answer = answer.ok_or_else(|| "the case has no answer to it".to_owned())?;
        response(answer, body).map_err(|error| format!("the case's answer: {error}"))
    }
}

fn response(answer: &Answer, asked: Bytes) -> http::Result<Response<Body>> {
    let mut response = Response::builder().status(answer.status.unwrap_or(200));
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    let body = expected::body(&answer.body, answer.json.as_ref());
    response.body(full(if answer.echo { asked } else { body.into() }))
}

pub(super) async fn collect(mut body: Body) -> Result<Bytes, String> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        all.extend(frame.into_data().unwrap_or_default());
        if all.len() > MAX_BODY {
            return Err(format!("a body of more than {MAX_BODY} bytes"));
        }
    }
    Ok(all.into())
}
