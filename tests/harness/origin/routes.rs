//! What an origin answers.
//!
//! | path | answer |
//! |---|---|
//! | `/token` | 200 if `x-auth-token` is the expected one, else 401 |
//! | `/echo`, `/echo/ANYTHING` | method, headers and body as JSON |
//! | `/stream/N` | N bytes of the pattern |
//! | `/upload` | length and SHA-256 of the body as JSON |
//! | `/events` | server-sent events without an end |
//! | `/version` | the request's HTTP version, in the body and in `x-version` |
//! | `/gzip` | a line of text, compressed whoever asks |
//! | `/parts/NAME` | a line, and another one after somebody has asked for `/more/NAME` |
//! | `/duplex` | the same, while the body is read |
//! | `/moved` | 302, to `/token`, or to the URL that is its query |
//! | `/hold` | 200, but not before the test calls `release` |
//! | `/files/PATH` | a file of the configured directory |
//! | anything else | 200 `hello from NAME` |

use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Shared;
use super::body::{self, Reply};

pub(super) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Reply> {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/token" => token(shared, &request),
        "/echo" => echo(request).await,
        "/upload" => upload(shared, request).await,
        "/events" => ok(body::events()),
        "/version" => version(&request),
        "/gzip" => gzip(),
        "/duplex" => duplex(shared, request),
        "/moved" => moved(request.uri().query().unwrap_or("/token")),
        "/hold" => hold(shared).await,
        _ => {
            if let Some(length) = path.strip_prefix("/stream/").and_then(|length| length.parse().ok()) {
                ok(body::pattern(length))
            } else if let Some(name) = path.strip_prefix("/files/") {
                file(shared, name)
            } else if path.starts_with("/echo/") {
                echo(request).await
            } else if let Some(name) = path.strip_prefix("/parts/") {
                ok(body::parts(shared.more.subscribe(), name.to_owned()))
            } else if let Some(name) = path.strip_prefix("/more/") {
                let _ = shared.more.send_if_modified(|names| names.insert(name.to_owned()));
                ok(body::text("more\n"))
            } else {
                let name = shared.settings.names.first().map_or("", String::as_str);
                ok(body::text(format!("hello from {name}\n")))
            }
        }
    }
}

fn token(shared: &Shared, request: &Request<Incoming>) -> Response<Reply> {
    let values: Vec<_> = request.headers().get_all("x-auth-token").iter().collect();
    if values.len() == 1 && values[0] == shared.settings.token.as_str() {
        ok(body::text("the token is right\n"))
    } else {
        status(StatusCode::UNAUTHORIZED, "the token is missing or wrong\n")
    }
}

async fn echo(request: Request<Incoming>) -> Response<Reply> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return status(StatusCode::BAD_REQUEST, "the body is broken\n");
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<_> =
        head.headers.iter().map(|(name, value)| json!([name.as_str(), text(value.as_bytes())])).collect();
    let echo = json!({ "method": head.method.as_str(), "headers": headers, "body": text(&body.to_bytes()) });
    ok(body::text(echo.to_string()))
}

async fn upload(shared: &Shared, request: Request<Incoming>) -> Response<Reply> {
    let mut body = request.into_body();
    let mut hash = Sha256::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return status(StatusCode::BAD_REQUEST, "the body is broken\n");
        };
        if let Some(data) = frame.data_ref() {
            length += data.len() as u64;
            shared.received.fetch_add(data.len() as u64, Ordering::Relaxed);
            hash.update(data);
        }
    }
    ok(body::text(json!({ "length": length, "sha256": format!("{:x}", hash.finalize()) }).to_string()))
}

fn duplex(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Reply> {
    let shared = shared.clone();
    tokio::spawn(async move { upload(&shared, request).await });
    ok(body::events())
}

fn version(request: &Request<Incoming>) -> Response<Reply> {
    let version = format!("{:?}", request.version());
    let mut response = ok(body::text(format!("{version}\n")));
    response.headers_mut().insert("x-version", HeaderValue::from_str(&version).expect("a version"));
    response
}

fn gzip() -> Response<Reply> {
    let mut response = ok(body::text(body::GZIP));
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

fn moved(to: &str) -> Response<Reply> {
    let mut response = status(StatusCode::FOUND, "moved\n");
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(to).expect("a URL"));
    response
}

async fn hold(shared: &Shared) -> Response<Reply> {
    let _ = shared.held.subscribe().wait_for(|held| !held).await;
    ok(body::text("released\n"))
}

fn file(shared: &Shared, name: &str) -> Response<Reply> {
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let root = shared.settings.files.as_ref().filter(|_| inside);
    match root.and_then(|root| std::fs::read(root.join(name)).ok()) {
        Some(bytes) => ok(body::text(bytes)),
        None => status(StatusCode::NOT_FOUND, "no such file\n"),
    }
}

fn ok(body: Reply) -> Response<Reply> {
    Response::new(body)
}

fn status(status: StatusCode, text: &'static str) -> Response<Reply> {
    let mut response = Response::new(body::text(text));
    *response.status_mut() = status;
    response
}
