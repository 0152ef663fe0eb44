//! How a refusal or failure is put to the workload: problem details (RFC 9457), short enough for a terminal, exact enough
//! for a program. An agent that reads it can tell what was refused, by which rule, and what to ask its owner for.

use bytes::Bytes;
use handlers::{Body, full};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use policy::{Answer, Policy};
use serde::Serialize;

use super::{
    ExchangeError, UpstreamError,
    grpc::{self, Tongue},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    detail: String,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'static str>,
}

/// What a workload can do about a policy's no: nothing by itself, hence whom to ask and for what.
const ASK: &str = "This network only reaches what its policy allows. If you need this host, ask whoever runs this sandbox to \
                   allow it, and quote the requestId.";

/// Of a refused method (RFC 9110, 15.5.6). Any other one that the server knows is passed on, too.
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

fn is_policys(error: &ExchangeError) -> bool {
    matches!(error, ExchangeError::Denied(_) | ExchangeError::Upstream(UpstreamError::Revoked))
}

/// What the request `request_id` is told of `error`: what `policy` says to such a request, or else a problem, in its `tongue`.
pub fn refusal(error: &ExchangeError, request_id: &str, policy: &Policy, tongue: Tongue) -> Response<Body> {
    match (error.answer(policy), tongue) {
        (Some(answer), _) => custom(answer),
        (None, Tongue::Grpc(kind)) => grpc::refusal(error, request_id, kind),
        (None, Tongue::Http) => problem(error, request_id),
    }
}

/// The names and values were checked when the policy was read.
fn custom(answer: &Answer) -> Response<Body> {
    let mut response = whole(answer.body.clone());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::FORBIDDEN);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            headers.insert(name, value);
        }
    }
    response
}

fn whole(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(full(text))
}

fn problem(error: &ExchangeError, request_id: &str) -> Response<Body> {
    let status = error.status();
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Refused"),
        status: status.as_u16(),
        detail: error.to_string(),
        reason: error.kind(),
        rule: error.rule(),
        request_id,
        help: is_policys(error).then_some(ASK),
    };
    let mut text = serde_json::to_vec(&problem).unwrap_or_default();
    text.push(b'\n');
    let mut response = whole(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let ExchangeError::Method(_) = error {
        headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    }
    response
}
