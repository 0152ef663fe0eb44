//! How a refusal or failure is put to the workload: problem details (RFC 9457), short enough for a terminal, exact enough
//! for a program. An agent that reads it can tell what was refused, by which rule, and what to ask its owner for.

use bytes::Bytes;
use handlers::Body;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, Full};
use serde::Serialize;

use super::{ExchangeError, UpstreamError};

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

fn is_policys(error: &ExchangeError) -> bool {
    matches!(error, ExchangeError::Denied(_) | ExchangeError::Upstream(UpstreamError::Revoked))
}

/// Renders `error` as the answer to the request `request_id`.
pub fn problem(error: &ExchangeError, request_id: &str) -> Response<Body> {
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
    let mut response =
        Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
