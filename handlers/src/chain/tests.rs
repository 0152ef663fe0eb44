//! Chains of built-in handlers; those with scripts are tested in `tests/`.
//!
//! The upstream answers with the injected header that it saw, so that a case is one line.

use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;

use super::*;
use crate::{BodyError, Fetching, Logs, Part, Secret, Template, Value, full};

#[derive(Default)]
struct Upstream(Mutex<Vec<String>>);

impl Fetch for Upstream {
    fn fetch(&self, request: Request<Body>) -> Fetching {
        let values: Vec<_> =
            request.headers().get_all("x-token").iter().map(|it| it.to_str().unwrap()).collect();
        self.0.lock().unwrap().push(values.join("+"));
        let failing = request.uri().path() == "/fail";
        Box::pin(async move {
            if failing { Err(BodyError::from("refused")) } else { Ok(Response::new(full("upstream"))) }
        })
    }

    fn elsewhere(&self, _: &str, _: Request<Body>) -> Fetching {
        Box::pin(async { Err("no other hosts here".into()) })
    }
}

fn handler(name: &str) -> Arc<Named> {
    let handler = match name {
        "deny" => Handler::Deny(Deny { status: StatusCode::FORBIDDEN, reason: Some("no".to_owned()) }),
        "respond" => Handler::Respond(Respond {
            status: StatusCode::IM_A_TEAPOT,
            headers: HeaderMap::from_iter([(
                HeaderName::from_static("x-canned"),
                HeaderValue::from_static("1"),
            )]),
            body: Bytes::from_static(b"canned"),
        }),
        token => {
            let value = match token {
                "plain" => Value::Plain(HeaderValue::from_static("plain")),
                secret => Value::Made(Template(vec![Part::Secret(secret.into())])),
            };
            let headers = vec![(HeaderName::from_static("x-token"), value)];
            Handler::Inject(Inject { headers, query: Vec::new() })
        }
    };
    Arc::new(Named { version: None, name: name.into(), handler })
}

/// How a request for this path ends, and what the upstream saw of `x-token`.
async fn end(handlers: &[&str], path: &str) -> (String, Vec<String>) {
    let chain = Chain::new(handlers.iter().map(|name| handler(name)).collect());
    let upstream = Arc::new(Upstream::default());
    let context = Context {
        instance: "i".into(),
        class: "c".into(),
        matched: "*".into(),
        request_id: "1".into(),
        source: ([198, 18, 0, 1], 40_000).into(),
        logs: Logs::default(),
        secrets: ["a", "b"]
            .map(|name| (name.into(), Arc::new(Secret::new(name.to_owned()))))
            .into_iter()
            .collect(),
    };
    let uri = format!("https://api.example.test{path}");
    let request = Request::get(uri).header("x-token", "mine").body(full("")).unwrap();
    let end = match chain.run(request, &context, upstream.clone()).await {
        Ok(Outcome::Denied { status, reason, handler }) => format!("{status} {reason:?} by {handler}"),
        Ok(Outcome::Response(response)) => {
            let status = response.status();
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            format!("{} {}", status.as_u16(), String::from_utf8(bytes.to_vec()).unwrap())
        }
        Err(error) => format!("{} {} {error}", error.status().as_u16(), error.kind()),
    };
    let seen = upstream.0.lock().unwrap().clone();
    (end, seen)
}

#[tokio::test]
async fn handlers_apply_in_order_until_one_answers() {
    let cases: &[(&[&str], &str, &str, &[&str])] = &[
        (&[], "/", "200 upstream", &["mine"]),
        (&["a"], "/", "200 upstream", &["a"]),
        (&["a", "b"], "/", "200 upstream", &["b"]),
        (&["deny"], "/", "403 Forbidden Some(\"no\") by deny", &[]),
        (&["a", "deny", "respond"], "/", "403 Forbidden Some(\"no\") by deny", &[]),
        (&["respond", "deny"], "/", "418 canned", &[]),
        (&["a"], "/fail", "502 upstream_failed fetch failed: refused", &["a"]),
        (&["a", "c", "b"], "/", "503 secret_unavailable secret c is missing", &[]),
    ];
    for (handlers, path, expected, seen) in cases {
        let (end, saw) = end(handlers, path).await;
        assert_eq!(
            (end.as_str(), saw),
            (*expected, seen.iter().map(|it| (*it).to_owned()).collect()),
            "{handlers:?}"
        );
    }
}

#[test]
fn a_chain_knows_its_names_and_what_it_uses() {
    let chain = |names: &[&str]| Chain::new(names.iter().map(|name| handler(name)).collect());
    assert_eq!(chain(&["deny", "a"]).handlers().map(|named| &*named.name).collect::<Vec<_>>(), ["deny", "a"]);
    let uses = |names: &[&str]| -> Vec<String> {
        let told = |one: Use| format!("{} {} {}", one.secret, one.style.as_str(), one.place);
        chain(names).uses().into_iter().map(told).collect()
    };
    assert!(uses(&[]).is_empty());
    assert!(uses(&["deny", "respond", "plain"]).is_empty());
    assert_eq!(uses(&["respond", "a"]), ["a inject header:x-token"]);
}
