//! The five examples of every language, as their users would run them: the same request, the same answer.
//!
//! Receives the components that `make handlers-all` built from `examples/{rust,c,python}/`; fails if they are missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/built.rs"]
mod built;
mod support;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use handlers::{
    BodyError, Chain, HandlerError, KeyPage, KeyValue, KeyValueGrant, Kind, Outcome, Scope, ScriptSettings,
    Storing,
};
use http::{Method, Request, Response, StatusCode};
use support::{ENGINE, Upstream, chain_of, get, limits, pieces, response, run, secret, settings, text};

const LANGUAGES: [&str; 3] = ["rust", "c", "python"];

/// An example in a language, and the kind that it has.
fn example(language: &str, name: &str, settings: ScriptSettings) -> (Chain, Kind) {
    let script = ENGINE.load(&built::component(&format!("{language}-{name}")), settings).unwrap();
    let kind = script.kind();
    (chain_of(script), kind)
}

fn plain() -> ScriptSettings {
    settings(limits(5000, 60_000))
}

#[tokio::test]
async fn inject_adds_the_secret_in_place_of_what_was_sent() {
    for language in LANGUAGES {
        let granted = ScriptSettings { secrets: secret("API_TOKEN"), ..plain() };
        let (chain, _) = example(language, "inject", granted);
        let upstream = Upstream::text("private");
        let mut request = get("https://api.example.test/repos?page=1");
        request.headers_mut().insert("authorization", "mine".parse().unwrap());
        assert_eq!(text(response(&chain, request, &upstream).await.into_body()).await, "private");
        let head = upstream.seen().remove(0);
        assert_eq!(head.uri, "https://api.example.test/repos?page=1", "{language}");
        let sent: Vec<_> = head.headers.get_all("authorization").iter().collect();
        assert_eq!(sent, ["Bearer SEKRIT-4"], "{language}");
    }
}

#[tokio::test]
async fn inject_without_its_secret_fails() {
    for language in LANGUAGES {
        let (chain, _) = example(language, "inject", plain());
        let upstream = Upstream::text("private");
        let error: HandlerError =
            run(&chain, get("https://api.example.test/"), &upstream).await.err().unwrap();
        assert_eq!((error.kind(), error.status()), ("handler_failed", StatusCode::BAD_GATEWAY), "{language}");
        assert!(error.to_string().contains("API_TOKEN"), "{language}: {error}");
        assert!(upstream.seen().is_empty(), "{language}");
    }
}

#[tokio::test]
async fn only_get_is_a_filter_that_refuses_what_writes() {
    for language in LANGUAGES {
        let (chain, kind) = example(language, "only-get", plain());
        assert_eq!(kind, Kind::Filter, "{language}");
        let upstream = Upstream::text("page");
        for (method, passes) in
            [("GET", true), ("HEAD", true), ("POST", false), ("DELETE", false), ("X-ODD", false)]
        {
            let mut request = get("https://api.example.test/");
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            let before = upstream.seen().len();
            match run(&chain, request, &upstream).await.unwrap() {
                Outcome::Response(response) => {
                    assert!(passes && response.status() == 200, "{language} {method}")
                }
                Outcome::Denied { status, reason, .. } => {
                    assert!(!passes, "{language} {method}");
                    assert_eq!(status, StatusCode::FORBIDDEN, "{language}");
                    assert_eq!(reason.as_deref(), Some("only reading is allowed here"), "{language}");
                }
            }
            assert_eq!(upstream.seen().len() - before, usize::from(passes), "{language} {method}");
        }
    }
}

/// An upstream that answers in pieces.
fn in_pieces(kind: &'static str, encoding: Option<&'static str>) -> Arc<Upstream> {
    Upstream::new(move |_| async move {
        let mut response = Response::builder().header("content-type", kind);
        if let Some(encoding) = encoding {
            response = response.header("content-encoding", encoding);
        }
        let body = pieces(["write to jo", "hn@exam", "ple.test, or x@y", ".z; not a@b: ", "e@f.gh"]);
        Ok::<_, BodyError>(response.body(body).unwrap())
    })
}

#[tokio::test]
async fn redact_takes_addresses_out_of_text_wherever_it_was_cut() {
    let raw = "write to john@example.test, or x@y.z; not a@b: e@f.gh";
    let clean = "write to [redacted], or [redacted]; not a@b: [redacted]";
    for language in LANGUAGES {
        let (chain, _) = example(language, "redact", plain());
        for (kind, expected) in [("text/html", clean), ("application/json", clean), ("image/png", raw)] {
            let upstream = in_pieces(kind, None);
            let answer = response(&chain, get("https://api.example.test/"), &upstream).await;
            assert_eq!(answer.headers()["content-type"], kind, "{language}");
            assert_eq!(text(answer.into_body()).await, expected, "{language} {kind}");
            assert_eq!(upstream.seen()[0].headers["accept-encoding"], "identity", "{language}");
        }
        let squeezed = in_pieces("text/plain", Some("gzip"));
        let error = run(&chain, get("https://api.example.test/"), &squeezed).await.err().unwrap();
        assert_eq!(error.kind(), "handler_failed", "{language}");
    }
}

#[tokio::test]
async fn container_key_gives_every_instance_its_own() {
    for language in LANGUAGES {
        for (holds, status, key) in [("container-1", 200, Some("KEY-1")), ("container-2", 403, None)] {
            let store = Arc::new(Fixed(BTreeMap::from([(holds.to_owned(), Bytes::from("KEY-1"))])));
            let keys = KeyValueGrant { name: "KEYS".into(), store, scope: Scope::Shared };
            let granted = ScriptSettings { keyvalue: vec![keys], ..plain() };
            let (chain, _) = example(language, "container-key", granted);
            let upstream = Upstream::text("yes");
            let answer = response(&chain, get("https://api.example.test/"), &upstream).await;
            assert_eq!(answer.status(), status, "{language}");
            let sent = upstream.seen().first().map(|head| head.headers["x-api-key"].clone());
            assert_eq!(sent.as_ref().map(|value| value.to_str().unwrap()), key, "{language}");
        }
    }
}

#[tokio::test]
async fn synthetic_answers_without_an_upstream() {
    for language in LANGUAGES {
        let (chain, _) = example(language, "synthetic", plain());
        let upstream = Upstream::text("never");
        let answer = response(&chain, get("https://no.example.test/whoami?x"), &upstream).await;
        assert_eq!(answer.headers()["content-type"], "application/json", "{language}");
        let body: serde_json::Value = serde_json::from_str(&text(answer.into_body()).await).unwrap();
        assert_eq!(body, serde_json::json!({ "id": "container-1", "class": "Sandbox" }), "{language}");
        let other: Request<_> = get("https://no.example.test/whoamI");
        assert_eq!(response(&chain, other, &upstream).await.status(), 404, "{language}");
        assert!(upstream.seen().is_empty(), "{language}");
    }
}

/// A store that holds what it was made with.
struct Fixed(BTreeMap<String, Bytes>);

impl KeyValue for Fixed {
    fn get(&self, keys: Vec<String>) -> Storing<Vec<Option<Bytes>>> {
        let values = keys.iter().map(|key| self.0.get(key).cloned()).collect();
        Box::pin(async { Ok(values) })
    }

    fn set(&self, _: Vec<(String, Bytes)>) -> Storing<()> {
        panic!("nothing is set here")
    }

    fn delete(&self, _: Vec<String>) -> Storing<()> {
        panic!("nothing is deleted here")
    }

    fn list(&self, _: String, _: Option<u64>) -> Storing<KeyPage> {
        panic!("nothing is listed here")
    }

    fn increment(&self, _: String, _: u64) -> Storing<u64> {
        panic!("nothing is counted here")
    }
}
