//! What the JavaScript SDK has beside requests and responses: time, streams, stores, classes, filters and tails.
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
#[path = "support/stores.rs"]
mod stores;
mod support;

use std::{sync::Arc, time::Duration};

use built::component;
use handlers::{
    Body, BodyError, Chain, Event, KeyValueGrant, Kind, Level, Line, Outcome, RateLimit, Scope, ScriptLimits,
    ScriptSettings,
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use stores::{Files, Values};
use support::{
    ENGINE, Upstream, chain_of, context, full, get, limits, pieces, response, run, secret, settings, text,
};
use tokio::sync::Notify;

fn load(name: &str, settings: ScriptSettings) -> Chain {
    chain_of(ENGINE.load(&component(name), settings).unwrap())
}

fn plain() -> ScriptSettings {
    settings(limits(2000, 20_000))
}

/// Answers `/never` never, `/soon` with `soon`, and everything else with the body it got.
fn upstream() -> Arc<Upstream> {
    Upstream::new(|request: Request<Body>| async move {
        match request.uri().path() {
            "/never" => std::future::pending().await,
            "/soon" => Ok::<_, BodyError>(Response::new(full("soon"))),
            _ => Ok(Response::new(request.into_body())),
        }
    })
}

async fn timely(action: &str) -> Response<Body> {
    let url = format!("https://api.example.test/{action}");
    response(&load("timely", plain()), get(&url), &upstream()).await
}

#[tokio::test]
async fn fetches_and_timers_run_side_by_side() {
    for (action, expected) in [("race", "soon"), ("impatient", "TimeoutError"), ("ticks", "[0,1,2]")] {
        assert_eq!(text(timely(action).await.into_body()).await, expected, "{action}");
    }
}

#[tokio::test]
async fn bodies_are_streamed_as_they_are_made() {
    let streamed = timely("stream").await;
    assert_eq!(streamed.headers()["x-made"], "slowly");
    assert!(!streamed.headers().contains_key("content-length"));
    for (action, expected) in [
        ("stream", "piece 1 piece 2 piece 3 "),
        ("upload", "piece 1 piece 2 piece 3 "),
        ("sandwich", "[soon]"),
    ] {
        assert_eq!(text(timely(action).await.into_body()).await, expected, "{action}");
    }
    // The head has gone by then; that the body is not whole must be seen.
    assert!(timely("broken").await.into_body().collect().await.is_err());
}

#[tokio::test]
async fn what_follows_the_answer_is_done_after_it() {
    let told = Arc::new(Notify::new());
    let hears = told.clone();
    let upstream = Upstream::new(move |request: Request<Body>| {
        if request.uri().path() == "/told" {
            hears.notify_one();
        }
        async { Ok(Response::new(full(""))) }
    });
    let answer = response(&load("timely", plain()), get("https://api.example.test/later"), &upstream).await;
    assert_eq!(text(answer.into_body()).await, "at once");
    tokio::time::timeout(Duration::from_secs(10), told.notified()).await.unwrap();
}

#[tokio::test]
async fn digests_signatures_and_random_numbers() {
    let expected = json!([
        36,
        2,
        "5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0",
        "a9993e364706816aba3e25717850c26c9cd0d89d"
    ]);
    let seen: Value = serde_json::from_str(&text(timely("crypto").await.into_body()).await).unwrap();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn errors_name_the_lines_of_the_program() {
    let source = include_str!("guests/timely.ts");
    let line = 1 + source.lines().position(|line| line.contains("throw new RangeError")).unwrap();
    let error = run(&load("timely", plain()), get("https://api.example.test/where"), &upstream())
        .await
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(text.contains("RangeError: too deep"), "{text}");
    assert!(text.contains(&format!("deep (timely.ts:{line})")), "{text}");
    assert!(!text.contains("user.js"), "{text}");
}

fn granted(name: &str, values: &Arc<Values>, scope: Scope) -> KeyValueGrant {
    KeyValueGrant { name: name.to_owned(), store: values.clone(), scope }
}

#[tokio::test]
async fn a_key_of_each_container_is_read_anew_for_each_request() {
    let keys = Arc::new(Values::default());
    let settings = ScriptSettings { keyvalue: vec![granted("KEYS", &keys, Scope::Shared)], ..plain() };
    let (chain, upstream) = (load("key-per-container", settings), Upstream::text("private"));
    let ask = || get("https://vcs.example.test/");
    assert_eq!(response(&chain, ask(), &upstream).await.status(), StatusCode::FORBIDDEN);
    for key in ["KEY-1", "KEY-2"] {
        keys.put("container-1", key);
        assert_eq!(response(&chain, ask(), &upstream).await.status(), StatusCode::OK);
        assert_eq!(upstream.seen().pop().unwrap().headers["x-auth-token"], key);
    }
}

#[tokio::test]
async fn hosts_that_do_not_exist_are_served_from_stores() {
    let values = Arc::new(Values::default());
    let files = Arc::new(Files::default());
    let settings = ScriptSettings {
        keyvalue: vec![granted("VALUES", &values, Scope::Shared)],
        blobs: [("FILES".to_owned(), files.clone() as _)].into(),
        ..plain()
    };
    let (chain, upstream) = (load("stores", settings), Upstream::text(""));
    for host in ["values", "files"] {
        let url = format!("http://{host}.internal/a");
        assert_eq!(response(&chain, get(&url), &upstream).await.status(), StatusCode::NOT_FOUND, "{host}");
        let put = Request::put(&url).body(pieces(["gr\u{fc}", "\u{df}e"])).unwrap();
        assert!(response(&chain, put, &upstream).await.status().is_success(), "{host}");
        let kept = response(&chain, get(&url), &upstream).await;
        assert_eq!(text(kept.into_body()).await, "gr\u{fc}\u{df}e", "{host}");
    }
    assert_eq!(files.keys(), ["container-1/a"]);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn state_belongs_to_one_container() {
    let values = Arc::new(Values::default());
    let settings = ScriptSettings { keyvalue: vec![granted("NOTES", &values, Scope::Instance)], ..plain() };
    let (chain, upstream) = (load("notes", settings), Upstream::text(""));
    let add = |note| Request::post("http://notes.internal/").body(full(note)).unwrap();
    for (count, note) in [(1, "one"), (2, "two")] {
        let answer = response(&chain, add(note), &upstream).await;
        assert_eq!(text(answer.into_body()).await, format!(r#"{{"count":{count}}}"#));
    }
    let notes = |instance: &'static str| {
        let (chain, upstream) = (chain.clone(), upstream.clone());
        async move {
            let other = handlers::Context { instance: instance.into(), ..context() };
            let outcome = chain.run(get("http://notes.internal/"), &other, upstream).await.unwrap();
            let Outcome::Response(answer) = outcome else { panic!("denied") };
            let notes: Vec<Value> = serde_json::from_str(&text(answer.into_body()).await).unwrap();
            notes.into_iter().map(|note| note["text"].clone()).collect::<Vec<_>>()
        }
    };
    assert_eq!(notes("container-1").await, ["one", "two"]);
    assert!(notes("container-2").await.is_empty());
}

#[tokio::test]
async fn limits_and_settings() {
    let limiter = Arc::new(RateLimit::new(2, Duration::from_secs(3600)));
    let settings = ScriptSettings { rate_limits: [("LIMITER".to_owned(), limiter)].into(), ..plain() };
    let (chain, upstream) = (load("limited", settings), Upstream::text(""));
    for expected in [200, 200, 429] {
        let answer = response(&chain, get("https://api.example.test/"), &upstream).await;
        assert_eq!(answer.status().as_u16(), expected);
    }
}

#[tokio::test]
async fn the_functions_of_a_class_by_name_and_by_host() {
    let params = json!({ "hosts": ["api.example.test"] });
    for (name, host, status) in [
        ("someDoors", "api.example.test", 200),
        ("someDoors", "other.example.test", 403),
        ("noDoor", "api.example.test", 403),
        ("_outbound", "api.example.test", 200),
        ("app", "api.example.test", 200),
    ] {
        let settings = ScriptSettings { name: name.into(), params: params.clone(), ..plain() };
        let url = format!("https://{host}/");
        let answer = response(&load("doors", settings), get(&url), &Upstream::text("open")).await;
        assert_eq!(answer.status().as_u16(), status, "{name} {host}");
    }
    let params = json!({ "user": "ann", "teams": ["red"] });
    let settings = ScriptSettings { name: "Directory".into(), params, ..plain() };
    let chain = load("capability", settings);
    let answer = response(&chain, get("http://directory.internal/teams"), &Upstream::text("")).await;
    assert_eq!(text(answer.into_body()).await, r#"{"user":"ann","teams":["red"]}"#);
}

#[tokio::test]
async fn a_slow_upstream_is_asked_again_and_the_collector_told() {
    let told = Arc::new(Notify::new());
    let hears = told.clone();
    let tries = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let upstream = Upstream::new(move |request: Request<Body>| {
        let collected = request.uri().host() == Some("collector.test");
        if collected {
            hears.notify_one();
        }
        let fails = !collected && tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        async move {
            let status = if fails { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
            Ok(Response::builder().status(status).body(full("")).unwrap())
        }
    });
    let config = [("COLLECTOR".to_owned(), "http://collector.test/".to_owned())].into();
    let chain = load("patient", ScriptSettings { config, ..plain() });
    let answer = response(&chain, get("https://api.example.test/"), &upstream).await;
    assert_eq!((answer.status(), upstream.seen().len()), (StatusCode::OK, 2));
    tokio::time::timeout(Duration::from_secs(10), told.notified()).await.unwrap();
    assert_eq!(upstream.elsewhere()[0].1.method, "POST");
}

#[tokio::test]
async fn a_filter_edits_refuses_and_answers() {
    let script = ENGINE.load(&component("tag"), settings(ScriptLimits::default())).unwrap();
    assert_eq!(script.kind(), Kind::Filter);
    let chain = chain_of(script);
    let upstream = Upstream::new(|_| async {
        Ok(Response::builder().header("server", "leaky").header("x-kept", "1").body(full("page")).unwrap())
    });
    let mut request = get("https://api.example.test/page");
    request.headers_mut().insert("x-forwarded-for", "198.18.0.1".parse().unwrap());
    let answer = response(&chain, request, &upstream).await;
    assert_eq!((answer.headers().get("server"), answer.headers().contains_key("x-kept")), (None, true));
    assert_eq!(text(answer.into_body()).await, "page");
    let seen = upstream.seen().remove(0);
    assert_eq!(
        (seen.headers.get("x-forwarded-for"), &seen.headers["x-sandbox"]),
        (None, &"container-1".parse().unwrap())
    );
    let pong = response(&chain, get("https://api.example.test/ping"), &upstream).await;
    assert_eq!(text(pong.into_body()).await, "pong\n");
    let outcome = run(&chain, get("https://api.example.test/private/x"), &upstream).await.unwrap();
    assert!(matches!(outcome, Outcome::Denied { .. }));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_tail_hears_of_what_was_refused() {
    let settings = ScriptSettings { params: json!({ "id": "t1" }), ..plain() };
    let script = ENGINE.load(&component("tail"), settings).unwrap();
    assert_eq!(script.kind(), Kind::Tail);
    let event = |status: u16| Event {
        record: json!({ "status": status, "authority": "api.test", "error": "host_denied" }).to_string(),
        lines: vec![Line { handler: "guest".into(), level: Level::Warn, message: "words".to_owned() }],
    };
    let context = context();
    script.tail(vec![event(200), event(403)], &context, Upstream::text("")).await.unwrap();
    let (lines, _) = context.logs.take();
    let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
    let expected = [
        r#"{"from":"t1","status":403,"authority":"api.test","error":"host_denied"}"#,
        r#"{"handler":"guest","level":"warn","message":"words"}"#,
    ];
    assert_eq!(messages, expected);
}

#[tokio::test]
async fn a_secret_costs_no_more_for_what_else_there_is() {
    let granted = ScriptSettings { secrets: secret("SECRET"), ..plain() };
    let (chain, upstream) = (load("token-by-host", granted), Upstream::text("private"));
    for _ in 0..300 {
        let answer = response(&chain, get("https://api.example.test/"), &upstream).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    assert_eq!(upstream.seen().len(), 300);
}
