//! The JavaScript examples as their users would run them, and a guest that tries what the SDK offers.
//!
//! Receives the components that `make handlers` built from `examples/` and `tests/guests/`; fails if they are missing.

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

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use built::component;
use bytes::Bytes;
use handlers::{BodyError, Chain, ScriptLimits, ScriptSettings};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use support::{ENGINE, Upstream, chain_of, full, get, limits, response, run, secret, settings, text};
use tokio::sync::Barrier;

fn load(name: &str, settings: ScriptSettings) -> Chain {
    chain_of(ENGINE.load(&component(name), settings).unwrap())
}

fn example(name: &str) -> Chain {
    load(name, settings(ScriptLimits::default()))
}

#[tokio::test]
async fn token_by_host_adds_the_secret() {
    let granted = ScriptSettings { secrets: secret("SECRET"), ..settings(limits(1000, 10_000)) };
    let chain = load("token-by-host", granted);
    let upstream = Upstream::text("private");
    let mut request = get("https://api.example.test/repos?page=1");
    request.headers_mut().insert("x-auth-token", "mine".parse().unwrap());
    assert_eq!(text(response(&chain, request, &upstream).await.into_body()).await, "private");
    let head = upstream.seen().remove(0);
    assert_eq!(head.uri, "https://api.example.test/repos?page=1");
    assert_eq!(head.headers["accept"], "*/*");
    assert_eq!(head.headers.get_all("x-auth-token").iter().collect::<Vec<_>>(), ["SEKRIT-2"]);
    assert!(head.headers["x-auth-token"].is_sensitive());
}

#[tokio::test]
async fn a_secret_that_is_not_granted_is_undefined() {
    let chain =
        load("token-by-host", ScriptSettings { secrets: secret("OTHER"), ..settings(limits(1000, 10_000)) });
    let upstream = Upstream::text("");
    response(&chain, get("https://api.example.test/"), &upstream).await;
    assert_eq!(upstream.seen()[0].headers["x-auth-token"], "undefined");
}

#[tokio::test]
async fn only_get_answers_405() {
    let (chain, upstream) = (example("only-get"), Upstream::text("page"));
    let cases = [("GET", 200, 1), ("HEAD", 200, 2), ("POST", 405, 2), ("DELETE", 405, 2), ("X-ODD", 405, 2)];
    for (method, status, fetched) in cases {
        let mut request = get("https://api.example.test/");
        *request.method_mut() = method.parse().unwrap();
        let answer = response(&chain, request, &upstream).await;
        assert_eq!((answer.status().as_u16(), upstream.seen().len()), (status, fetched), "{method}");
        if status == 405 {
            assert_eq!(answer.headers()["allow"], "GET, HEAD");
            assert_eq!(answer.headers()["content-length"], "29");
            assert_eq!(answer.headers()["content-type"], "text/plain;charset=UTF-8");
        }
    }
}

#[tokio::test]
async fn synthetic_answers_from_params_and_context_alone() {
    let params = json!({ "pages": { "/": "welcome", "/gr\u{fc}n": "nie" } });
    let chain = load("synthetic", ScriptSettings { params, ..settings(limits(1000, 10_000)) });
    let upstream = Upstream::text("");
    for (path, status, body) in [
        ("/", 200, "welcome"),
        ("/?x=1", 200, "welcome"),
        ("/none", 404, "no such page\n"),
        ("/whoami", 200, r#"{"id":"container-1","class":"Sandbox"}"#),
    ] {
        let answer = response(&chain, get(&format!("https://pages.example.test{path}")), &upstream).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(text(answer.into_body()).await, body, "{path}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn redact_edits_text_that_arrives_in_pieces_and_nothing_else() {
    let upstream = Upstream::new(|request| async move {
        let kind = request.uri().path().trim_start_matches('/').to_owned();
        let pieces = ["ask ann@exa", "mple.test, or b\u{f6}b", "@example.test: gr\u{fc}\u{df}e \u{1f642}"];
        let response = Response::builder().header("content-type", kind).header("content-length", "70");
        Ok(response.body(support::pieces(pieces)).unwrap())
    });
    let chain = example("redact");
    let answer = response(&chain, get("https://api.example.test/text/plain"), &upstream).await;
    assert!(!answer.headers().contains_key("content-length"));
    assert_eq!(
        text(answer.into_body()).await,
        "ask [redacted], or b\u{f6}[redacted]: gr\u{fc}\u{df}e \u{1f642}"
    );
    let answer = response(&chain, get("https://api.example.test/image/png"), &upstream).await;
    assert_eq!(answer.headers()["content-length"], "70");
    assert!(text(answer.into_body()).await.contains("ann@example.test"));
    assert_eq!(upstream.seen()[0].headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn typescript_works_too() {
    let params = json!({ "a": "one" });
    let chain = load("typed", ScriptSettings { params, ..settings(ScriptLimits::default()) });
    for (path, status, body) in [("a", 200, "one"), ("b", 404, "")] {
        let request = get(&format!("https://api.example.test/{path}"));
        let answer = response(&chain, request, &Upstream::text("")).await;
        assert_eq!(
            (answer.status().as_u16(), text(answer.into_body()).await.as_str()),
            (status, body),
            "{path}"
        );
    }
}

/// Asks the workbench to do this with a body; the text of its response.
async fn workbench(action: &str, body: &'static str, upstream: &Arc<Upstream>) -> String {
    let request = Request::post(format!("https://api.example.test/{action}"))
        .body(support::pieces(body.split_inclusive(' ')));
    text(response(&workbench_chain(), request.unwrap(), upstream).await.into_body()).await
}

fn workbench_chain() -> Chain {
    let limits = ScriptLimits { memory_bytes: 32 << 20, ..limits(2000, 60_000) };
    let secrets = secret("SECRET");
    load("workbench", ScriptSettings { params: json!({ "a": [1] }), secrets, ..settings(limits) })
}

#[tokio::test]
async fn the_sdk_keeps_its_promises() {
    assert_eq!(workbench("sdk", "", &Upstream::text("")).await, "[]");
}

#[tokio::test]
async fn bodies_are_read_kept_and_passed_on() {
    let cases = [
        ("json", r#"{"a": 1}"#, r#"{"a":1}"#),
        ("length", "12345 678", "9"),
        ("length", "", "0"),
        ("body", "as it came", "as it came"),
        ("chunks", "a bc def", "[2,3,3]"),
        ("clone", "ab ", "ab ab true"),
        ("twice", "ab", "the body is already used"),
    ];
    for (action, body, expected) in cases {
        assert_eq!(workbench(action, body, &Upstream::text("")).await, expected, "{action}");
    }
}

#[tokio::test]
async fn a_guest_knows_its_context_and_only_its_own_secrets() {
    let upstream = Upstream::text("");
    let context: Value = serde_json::from_str(&workbench("context", "", &upstream).await).unwrap();
    let expected = json!({
        "containerId": "container-1", "className": "Sandbox", "handlerName": "guest",
        "matched": "*.example.test", "requestId": "request-7", "params": { "a": [1] },
    });
    assert_eq!(context, expected);
    let env = workbench("env", "", &upstream).await;
    assert_eq!(env, r#"{"granted":"SEKRIT-2","other":"undefined","has":true}"#);
    assert_eq!(workbench("wait", "", &upstream).await, "done");
}

#[tokio::test]
async fn fetches_of_one_tick_run_side_by_side() {
    let all = Arc::new(Barrier::new(5));
    let upstream = Upstream::new(move |request| {
        let all = all.clone();
        async move {
            // None is answered before all five have arrived.
            all.wait().await;
            Ok(Response::new(full(request.uri().query().unwrap().to_owned())))
        }
    });
    assert_eq!(workbench("parallel", "", &upstream).await, "1,2,3,4,5");
}

#[tokio::test]
async fn fetch_changes_what_the_guest_says_and_no_more() {
    let upstream = Upstream::new(|request| async move { Ok(Response::new(request.into_body())) });
    assert_eq!(workbench("change", "old", &upstream).await, "gr\u{fc}n");
    let head = upstream.seen().remove(0);
    assert_eq!(head.method, "PUT");
    assert_eq!(head.headers["x-new"], "a");
    assert_eq!(head.headers["content-length"], "5");
    assert_eq!(head.headers["content-type"], "text/plain;charset=UTF-8");
}

#[tokio::test]
async fn failed_fetches_can_be_caught() {
    let upstream = Upstream::new(|_| async { Err(BodyError::from("connection refused")) });
    assert_eq!(workbench("caught", "", &upstream).await, "fetch failed: connection refused");
    assert_eq!(workbench("other", "", &upstream).await, "TypeError: fetch failed: connection refused");
    assert_eq!((upstream.seen().len(), upstream.elsewhere().len()), (1, 1));
}

#[tokio::test]
async fn a_body_does_not_outlive_its_call() {
    let (chain, upstream) = (workbench_chain(), Upstream::text(""));
    let keep = |text| Request::post("https://api.example.test/keep").body(support::pieces([text])).unwrap();
    assert_eq!(text(response(&chain, keep("one"), &upstream).await.into_body()).await, "first");
    let error = run(&chain, keep("two"), &upstream).await.err().unwrap().to_string();
    assert!(error.contains("the body is gone"), "{error}");
}

#[tokio::test]
async fn whatever_goes_wrong_in_javascript_is_an_error_without_the_secret() {
    let cases = [
        ("throw", "handler_failed", 502),
        ("reject", "handler_failed", 502),
        ("nothing", "handler_failed", 502),
        ("error", "handler_failed", 502),
        ("pass", "handler_failed", 502),
        ("crlf", "handler_failed", 502),
        ("many", "handler_failed", 502),
        ("unknown", "handler_failed", 502),
        ("spin", "handler_cpu", 504),
        ("hoard", "handler_memory", 502),
    ];
    let (chain, upstream) = (workbench_chain(), Upstream::text(""));
    for (action, kind, status) in cases {
        let request = get(&format!("https://api.example.test/{action}"));
        let error = run(&chain, request, &upstream).await.err().unwrap();
        assert_eq!((error.kind(), error.status().as_u16()), (kind, status), "{action}: {error}");
        assert!(!format!("{error} {error:?}").contains("SEKRIT"), "{action}");
        assert_eq!(workbench("wait", "", &upstream).await, "done", "after {action}");
    }
}

#[tokio::test]
async fn a_gigabyte_goes_both_ways_through_javascript_unread() {
    const CHUNKS: usize = 16384;
    let upstream = Upstream::new(|request| async move { Ok(Response::new(request.into_body())) });
    let body = support::frames(CHUNKS, Bytes::from_static(&[7; 65536]));
    let request = Request::put("https://api.example.test/forward").body(body).unwrap();
    let mut body = response(&workbench_chain(), request, &upstream).await.into_body();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        seen += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(seen, CHUNKS << 16);
}

#[tokio::test]
async fn many_calls_at_once() {
    let (chain, upstream) = (example("redact"), Upstream::text("plain"));
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let (chain, upstream) = (chain.clone(), upstream.clone());
            tokio::spawn(async move {
                response(&chain, get("https://api.example.test/"), &upstream).await.status()
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn the_same_bytes_are_compiled_once() {
    let bytes = component("synthetic");
    ENGINE.load(&bytes, settings(ScriptLimits::default())).unwrap();
    let begun = Instant::now();
    ENGINE.load(&bytes, settings(ScriptLimits::default())).unwrap();
    // Compiling takes a second.
    assert!(begun.elapsed() < Duration::from_millis(250), "{:?}", begun.elapsed());
}
