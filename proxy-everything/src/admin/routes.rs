//! What the admin API can be asked about an instance: `GET /v1/status`; `GET /v1/metrics`; `GET /v1/policy`; `PUT /v1/policy?base=FOLDER` with the
//! document as text; `GET /v1/ca` and `GET /v1/ca/bundle`, certificates only. What it can be asked about a fleet is in `instances`.
//! Receives a request of a permitted peer, hands on the answer. Refusals are problem details (RFC 9457) that say what is
//! wrong with a document, with its line and column; nothing here ever answers with a secret.

use std::{convert::Infallible, path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use policy::{Origin, Warning};
use serde_json::{Value, json};

use super::{Administered, HEAD_TIMEOUT, caller, instances, metrics};
use crate::{
    config::{ConfigError, Document, MAX_DOCUMENT, Part},
    instance::{ChangeError, Instance},
    trust,
};

/// Warnings in one answer.
const MAX_WARNINGS: usize = 100;
/// Where a document that was sent is said to come from.
const SOURCE: &str = "PUT /v1/policy";

pub(super) type Answer = Response<Full<Bytes>>;

pub(super) async fn answer(
    request: Request<Incoming>,
    administered: Administered,
) -> Result<Answer, Infallible> {
    if !caller::is_meant_for_us(&request) {
        let detail = "requests have `Host: localhost` and no `Origin`: browsers are not served";
        return Ok(problem(StatusCode::FORBIDDEN, detail));
    }
    let instance = match administered {
        Administered::Instance(instance) => instance,
        Administered::Fleet(fleet) => return Ok(instances::answer(request, &fleet).await),
    };
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/v1/status") => json(StatusCode::OK, &status(&instance)),
        (&Method::GET, "/v1/metrics") => measured(&instance),
        (&Method::GET, "/v1/policy") => policy(&instance),
        (&Method::PUT, "/v1/policy") => apply(request, instance).await,
        (&Method::GET, "/v1/ca") => pem(instance.tls.ca().pem().to_owned()),
        (&Method::GET, "/v1/ca/bundle") => bundle(instance).await,
        (_, "/v1/status" | "/v1/metrics" | "/v1/policy" | "/v1/ca" | "/v1/ca/bundle") => {
            problem(StatusCode::METHOD_NOT_ALLOWED, "this resource has no such method")
        }
        _ => problem(
            StatusCode::NOT_FOUND,
            "the resources are /v1/status, /v1/metrics, /v1/policy, /v1/ca and /v1/ca/bundle",
        ),
    })
}

fn status(instance: &Instance) -> Value {
    json!({
        "instance": &*instance.id,
        "class": &*instance.class,
        "generation": instance.current().number(),
        "fault": instance.changes.fault(),
        "pid": std::process::id(),
        "published": instance.published(),
        "connections": instance.connections(),
        "requests": instance.requests(),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// The document as it was given: it holds references to secrets and never a value.
fn policy(instance: &Instance) -> Answer {
    let generation = instance.current();
    let mut response = Response::new(Full::from(texts(generation.document())));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
    tagged(response, generation.number())
}

/// With the generation that it is about.
fn tagged(mut answer: Answer, generation: u64) -> Answer {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{generation}\"")) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    answer
}

fn measured(instance: &Instance) -> Answer {
    let mut response = Response::new(Full::from(metrics::text(instance)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    response
}

/// One text as it was given; several behind each other, each under its name.
fn texts(document: &Document) -> String {
    let text = |part: &Part| match &part.source {
        None => part.text.clone(),
        Some(source) => format!("---\n# {source}\n{}\n", part.text),
    };
    document.parts().iter().map(text).collect()
}

/// What a command of `run` has as its bundle.
async fn bundle(instance: Arc<Instance>) -> Answer {
    match tokio::task::spawn_blocking(trust::system_bundle).await {
        Ok(system) => pem(certs::trust_bundle(&system, instance.tls.ca().pem())),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the system's bundle was not read"),
    }
}

fn pem(text: String) -> Answer {
    let mut response = Response::new(Full::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-pem-file"));
    response
}

async fn apply(request: Request<Incoming>, instance: Arc<Instance>) -> Answer {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let base = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "base");
    let base = PathBuf::from(base.map_or_else(|| "/".into(), |(_, value)| value.into_owned()));
    if !base.is_absolute() {
        return problem(StatusCode::BAD_REQUEST, "`base` is not an absolute path");
    }
    let Ok(expected) = caller::expected(request.headers()) else {
        return problem(
            StatusCode::BAD_REQUEST,
            "`If-Match` is no list of tags; write the generation in quotes",
        );
    };
    let text = match text(request).await {
        Ok(text) => text,
        Err(refusal) => return refusal,
    };
    let change = move || {
        let document = Document::parse(text, base);
        let warnings = document.as_ref().map(warnings).unwrap_or_default();
        instance.change(SOURCE, document, &expected).map(|number| (number, warnings))
    };
    match tokio::task::spawn_blocking(change).await {
        Ok(Ok((number, warnings))) => {
            tagged(json(StatusCode::OK, &json!({ "generation": number, "warnings": warnings })), number)
        }
        Ok(Err(ChangeError::Faulty(error))) => faulty(&error),
        Ok(Err(ChangeError::Outdated(current))) => outdated(current),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the change was not made"),
    }
}

/// What is odd in a document that is accepted.
fn warnings(document: &Document) -> Vec<Value> {
    let line = |origin: &Origin| match origin {
        Origin::Document { line, .. } => Some(*line),
        Origin::RunTime => None,
    };
    let warning = |warning: &Warning| {
        let line = warning.origin.as_ref().and_then(line);
        json!({ "line": line, "message": warning.message, "suggestion": warning.suggestion })
    };
    document.parsed().warnings().iter().take(MAX_WARNINGS).map(warning).collect()
}

/// The body of a request. One that says it is too large is not read at all.
pub(super) async fn text(request: Request<Incoming>) -> Result<String, Answer> {
    let too_large = "the document did not arrive, or is larger than 4 MiB";
    if request.body().size_hint().lower() > MAX_DOCUMENT as u64 {
        return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, too_large));
    }
    let body = Limited::new(request.into_body(), MAX_DOCUMENT).collect();
    let Ok(body) = tokio::time::timeout(HEAD_TIMEOUT, body).await else {
        return Err(problem(StatusCode::REQUEST_TIMEOUT, "the document did not arrive in time"));
    };
    let Ok(body) = body else {
        return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, too_large));
    };
    String::from_utf8(body.to_bytes().into())
        .map_err(|_| problem(StatusCode::UNPROCESSABLE_ENTITY, "the document is not UTF-8"))
}

pub(super) fn faulty(error: &ConfigError) -> Answer {
    let mut body = problem_body(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string());
    if let Some((line, column)) = error.position()
        && let Some(body) = body.as_object_mut()
    {
        body.insert("line".into(), line.into());
        body.insert("column".into(), column.into());
    }
    as_problem(StatusCode::UNPROCESSABLE_ENTITY, &body)
}

fn outdated(current: u64) -> Answer {
    let status = StatusCode::PRECONDITION_FAILED;
    let mut body = problem_body(status, &format!("generation {current} is in force; nothing was changed"));
    if let Some(body) = body.as_object_mut() {
        body.insert("generation".into(), current.into());
    }
    tagged(as_problem(status, &body), current)
}

pub(super) fn problem(status: StatusCode, detail: &str) -> Answer {
    as_problem(status, &problem_body(status, detail))
}

fn problem_body(status: StatusCode, detail: &str) -> Value {
    json!({ "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(), "detail": detail })
}

fn as_problem(status: StatusCode, body: &Value) -> Answer {
    let mut response = json(status, body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

pub(super) fn json(status: StatusCode, value: &Value) -> Answer {
    let mut response = Response::new(Full::from(format!("{value}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
