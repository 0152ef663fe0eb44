//! What a component may not do, what that does to others, and what passes through one.
//!
//! The guests are written as text, in `support/guests.rs`; no toolchain is needed to run these tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/guests.rs"]
mod guests;
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use guests::{
    ANSWER, BAD_STATUS, ELSEWHERE, FAIL, FETCH_FOREVER, FORWARD, HOARD, SPIN, TRAP, guest, guest_with,
};
use handlers::{
    BodyError, Chain, Deny, Engine, Fault, Handler, HandlerError, Inject, LoadError, Named, Outcome, Respond,
    ScriptLimits, ScriptSettings, Value,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use support::{
    ENGINE, Upstream, chain_of, failure, frames, full, get, limits, response, run, secret, settings, soon,
    text,
};
use tokio::sync::{mpsc, oneshot};

fn chain(body: &str, limits: ScriptLimits) -> Chain {
    chain_of(ENGINE.load(guest(body).as_bytes(), settings(limits)).unwrap())
}

#[tokio::test]
async fn every_misdeed_ends_in_an_error_and_the_next_call_works() {
    let cases: &[(&str, &str, &str, u16)] = &[
        ("trap", TRAP, "handler_trapped", 502),
        ("spin", SPIN, "handler_cpu", 504),
        ("hoard", HOARD, "handler_memory", 502),
        ("fail", FAIL, "handler_failed", 502),
        ("bad status", BAD_STATUS, "handler_failed", 502),
        ("fetch forever", FETCH_FOREVER, "handler_failed", 502),
        ("bad address", "(i32.const -8)", "handler_trapped", 502),
    ];
    let upstream = Upstream::text("hello");
    let bystander = chain(ANSWER, limits(50, 10_000));
    for (name, body, kind, status) in cases {
        let guilty = chain(body, limits(50, 10_000));
        for _ in 0..2 {
            let failed = failure(&guilty, &upstream).await;
            assert_eq!(failed, (*kind, StatusCode::from_u16(*status).unwrap()), "{name}");
            let answer = response(&bystander, get("https://api.example.test/"), &upstream).await;
            assert_eq!(answer.status().as_u16(), 299, "after {name}");
        }
    }
}

#[test]
fn what_is_not_granted_is_refused_at_load() {
    let import = |name: &str| format!(r#"(component (import "{name}" (instance (export "open" (func)))))"#);
    let memory = "(core instance (instantiate $m))".repeat(5);
    let memories = format!("(component (core module $m (memory 1)) {memory})");
    let ours = "(param \"request\" $request) (result (result $response (error string)))";
    let other = guest(ANSWER).replace(ours, "(param \"request\" $request) (result (result (error string)))");
    type Kind = fn(&LoadError) -> bool;
    let cases: &[(&str, String, Kind, &str)] = &[
        (
            "stranger",
            import("evil:host/files@1.0.0"),
            |e| matches!(e, LoadError::Import(_)),
            "evil:host/files",
        ),
        (
            "sockets",
            import("wasi:sockets/tcp@0.2.0"),
            |e| matches!(e, LoadError::Import(_)),
            "wasi:sockets/tcp",
        ),
        (
            "new version",
            import("egress:handler/http@0.2.0"),
            |e| matches!(e, LoadError::Import(_)),
            "http@0.2.0",
        ),
        ("no export", "(component)".into(), |e| matches!(e, LoadError::Export(_)), "none of those"),
        ("another type", other, |e| matches!(e, LoadError::Export(_)), "handle"),
        ("core module", "(module)".into(), |e| matches!(e, LoadError::Invalid(_)), "component"),
        ("many memories", memories, |e| matches!(e, LoadError::Invalid(_)), "memories"),
        ("noise", "\0asm\u{1}".into(), |e| matches!(e, LoadError::Invalid(_)), "component"),
        ("empty", String::new(), |e| matches!(e, LoadError::Invalid(_)), "component"),
        ("huge", " ".repeat((32 << 20) + 1), |e| matches!(e, LoadError::TooLarge { .. }), "limit"),
    ];
    for (name, component, kind, word) in cases {
        let loaded = ENGINE.load(component.as_bytes(), settings(ScriptLimits::default()));
        let Err(error) = loaded else { panic!("{name} was loaded") };
        assert!(kind(&error) && error.to_string().contains(word), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_loop_in_the_start_function_and_endless_recursion_end() {
    let spin = guest_with(ANSWER, "(func $spin (loop $again (br $again))) (start $spin)");
    let deep = guest_with("(call $deep) unreachable", "(func $deep (call $deep) (call $deep))");
    for (guest, kind) in [(spin, "handler_cpu"), (deep, "handler_trapped")] {
        let chain = chain_of(ENGINE.load(guest.as_bytes(), settings(limits(50, 10_000))).unwrap());
        assert_eq!(failure(&chain, &Upstream::text("")).await.0, kind);
    }
}

#[tokio::test]
async fn a_guest_that_spins_does_not_delay_others() {
    // An engine of its own: the guests of other tests count as others too.
    let engine = Engine::new(None).unwrap();
    let load = |body, limits| chain_of(engine.load(guest(body).as_bytes(), settings(limits)).unwrap());
    let (spin, bystander) = (load(SPIN, limits(1000, 60_000)), load(ANSWER, limits(1000, 60_000)));
    let upstream = Upstream::text("");
    let spinners: Vec<_> = (0..3)
        .map(|_| {
            let (spin, upstream) = (spin.clone(), upstream.clone());
            tokio::spawn(async move { failure(&spin, &upstream).await.0 })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    while !spinners.iter().all(tokio::task::JoinHandle::is_finished) {
        let begun = Instant::now();
        response(&bystander, get("https://api.example.test/"), &upstream).await;
        slowest = slowest.max(begun.elapsed());
    }
    for spinner in spinners {
        assert_eq!(spinner.await.unwrap(), "handler_cpu");
    }
    // Three spinners with a second each on two threads: uninterrupted, they would keep others waiting as long.
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
}

#[tokio::test]
async fn a_hanging_upstream_meets_the_deadline_and_is_let_go() {
    let (dropped, mut noticed) = mpsc::unbounded_channel::<()>();
    let upstream = Upstream::new(move |_| {
        let held = dropped.clone();
        async move {
            let forever: Result<Response<handlers::Body>, BodyError> = std::future::pending().await;
            drop(held);
            forever
        }
    });
    let forward = chain(FORWARD, limits(1000, 100));
    assert_eq!(failure(&forward, &upstream).await, ("handler_deadline", StatusCode::GATEWAY_TIMEOUT));
    drop(upstream);
    // The channel closes only when the fetch that was under way has been dropped.
    assert!(soon(noticed.recv()).await.is_none());
}

#[tokio::test]
async fn waiting_costs_no_cpu_budget() {
    // 64 fetches of more than two ticks each; the budget is 20 ticks. The guest fails at the 65th fetch instead.
    let upstream = Upstream::new(|_| async {
        tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await.unwrap_err();
        Ok(Response::new(full("")))
    });
    let kind = failure(&chain(FETCH_FOREVER, limits(40, 60_000)), &upstream).await.0;
    assert_eq!((kind, upstream.seen().len()), ("handler_failed", 64));
}

#[tokio::test]
async fn an_engine_may_end_while_others_hold_its_scripts() {
    let engine = Engine::new(None).unwrap();
    let load =
        |body: &str| chain_of(engine.load(guest(body).as_bytes(), settings(limits(1000, 10_000))).unwrap());
    let (quick, spin) = (load(ANSWER), load(SPIN));
    let upstream = Upstream::text("");
    drop(engine);
    assert_eq!(response(&quick, get("https://api.example.test/"), &upstream).await.status(), 299);
    let error = run(&spin, get("https://api.example.test/"), &upstream).await.err().unwrap();
    assert_eq!(error.to_string(), "handler guest: failed: the engine has stopped");
}

#[tokio::test]
async fn who_hangs_up_stops_the_handler_and_its_fetch() {
    let (begun, wait) = oneshot::channel();
    let begun = std::sync::Mutex::new(Some(begun));
    let (dropped, mut noticed) = mpsc::unbounded_channel::<()>();
    let upstream = Upstream::new(move |_| {
        begun.lock().unwrap().take().unwrap().send(()).unwrap();
        let held = dropped.clone();
        async move {
            let forever = std::future::pending().await;
            drop(held);
            forever
        }
    });
    let forward = chain(FORWARD, limits(1000, 600_000));
    let workload = tokio::spawn({
        let upstream = upstream.clone();
        async move { failure(&forward, &upstream).await }
    });
    wait.await.unwrap();
    workload.abort();
    drop(upstream);
    assert!(soon(noticed.recv()).await.is_none());
}

#[tokio::test]
async fn the_request_and_response_pass_unchanged_but_for_what_belongs_to_one_hop() {
    let upstream = Upstream::new(|request| async move {
        let body = text(request.into_body()).await;
        let response =
            Response::builder().status(418).header("x-answer", "b\u{e9}").header("content-length", "7");
        Ok(response.header("keep-alive", "timeout=5").body(full(body)).unwrap())
    });
    let forward = chain(FORWARD, limits(1000, 10_000));
    let request = Request::post("https://API.example.test:443/path?query")
        .version(Version::HTTP_2)
        .header("host", "API.example.test:443")
        .header("te", "trailers")
        .header("connection", "close, X-One-Hop")
        .header("x-one-hop", "1")
        .header("proxy-authorization", "Basic x")
        .header("upgrade", "h2c")
        .header("content-length", "7")
        .header("x-bytes", HeaderValue::from_bytes(b"\xff\xfe").unwrap())
        .header("cookie", "a")
        .header("cookie", "b")
        .extension(7_u8)
        .body(full("payload"))
        .unwrap();
    let answer = response(&forward, request, &upstream).await;
    assert_eq!(answer.status(), 418);
    assert_eq!(answer.headers()["x-answer"].as_bytes(), "b\u{e9}".as_bytes());
    assert_eq!(answer.headers()["content-length"], "7");
    assert!(!answer.headers().contains_key("keep-alive"));
    assert_eq!(text(answer.into_body()).await, "payload");

    let head = upstream.seen().remove(0);
    let mut lines: Vec<_> = head.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    lines.sort();
    let expected = [
        r#"content-length: "7""#,
        r#"cookie: "a""#,
        r#"cookie: "b""#,
        r#"host: "API.example.test:443""#,
        r#"te: "trailers""#,
        r#"x-bytes: "\xff\xfe""#,
    ];
    assert_eq!(lines, expected);
    assert_eq!((head.method.as_str(), head.version), ("POST", Version::HTTP_2));
    assert_eq!(head.uri, "https://API.example.test:443/path?query");
    assert_eq!(head.extensions.get::<u8>(), Some(&7));
}

#[tokio::test]
async fn a_gigabyte_goes_both_ways_through_a_guest_of_one_mebibyte() {
    const CHUNKS: usize = 16384;
    const CHUNK: Bytes = Bytes::from_static(&[7; 65536]);
    let upstream = Upstream::new(|mut request| async move {
        let mut seen = 0;
        while let Some(frame) = request.body_mut().frame().await {
            seen += frame?.into_data().unwrap().len();
        }
        assert_eq!(seen, CHUNKS << 16);
        Ok(Response::new(frames(CHUNKS, CHUNK)))
    });
    let tiny = ScriptLimits { memory_bytes: 16 << 16, ..limits(200, 60_000) };
    let request = Request::put("https://api.example.test/").body(frames(CHUNKS, CHUNK)).unwrap();
    let mut body = response(&chain(FORWARD, tiny), request, &upstream).await.into_body();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        seen += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(seen, CHUNKS << 16);
}

#[tokio::test]
async fn the_exchanges_own_authority_is_the_chain_and_others_are_granted_apart() {
    enum To {
        Chain,
        Elsewhere,
        Nowhere,
    }
    use To::{Chain, Elsewhere, Nowhere};
    let cases = [
        ("https://api.example.test/api.example.test", Chain),
        ("https://api.example.test/API.Example.TEST:443", Chain),
        ("https://api.example.test:8443/api.example.test:8443", Chain),
        ("https://api.example.test/api.example.test:80", Elsewhere),
        ("http://api.example.test/api.example.test:443", Elsewhere),
        ("https://api.example.test:8443/api.example.test", Elsewhere),
        ("https://api.example.test/other.example.test", Elsewhere),
        ("https://api.example.test/user@api.example.test", Nowhere),
        ("https://api.example.test/api.example.test:", Nowhere),
        ("https://api.example.test/api.example.test:99999", Nowhere),
        ("https://api.example.test/", Nowhere),
        ("https://[::1]/%5B::1%5D", Nowhere),
    ];
    let elsewhere = chain(ELSEWHERE, limits(1000, 10_000));
    for (uri, to) in cases {
        let upstream = Upstream::text("");
        let outcome = run(&elsewhere, get(uri), &upstream).await;
        let (chain, other) = match to {
            Chain => (1, 0),
            Elsewhere => (0, 1),
            Nowhere => (0, 0),
        };
        assert_eq!((upstream.seen().len(), upstream.elsewhere().len()), (chain, other), "{uri}");
        assert_eq!(outcome.is_ok(), chain + other == 1, "{uri}");
        if let Some(error) = outcome.err() {
            assert_eq!(error.kind(), "handler_failed", "{uri}");
        }
    }
    let upstream = Upstream::text("");
    let refused =
        run(&elsewhere, get("https://api.example.test/denied.test"), &upstream).await.err().unwrap();
    assert!(matches!(refused, HandlerError::Fetch(_)));
    let (handler, head) = upstream.elsewhere().remove(0);
    assert_eq!(
        (handler.as_str(), head.uri.to_string().as_str()),
        ("guest", "https://denied.test/denied.test")
    );
    assert!(!head.headers.contains_key("host"));
}

#[tokio::test]
async fn a_failed_fetch_is_reported_as_what_it_was() {
    #[derive(Debug, thiserror::Error)]
    #[error("certificate expired")]
    struct Expired;
    let upstream = Upstream::new(|_| async { Err(BodyError::from(Expired)) });
    let forward = |rest: Vec<Arc<Named>>| {
        let script = ENGINE.load(guest(FORWARD).as_bytes(), settings(limits(1000, 10_000))).unwrap();
        let first = Arc::new(Named { version: None, name: "guest".into(), handler: Handler::Script(script) });
        Chain::new([vec![first], rest].concat())
    };
    let fails = run(&forward(vec![]), get("https://api.example.test/"), &upstream).await.err().unwrap();
    assert!(matches!(fails, HandlerError::Fetch(error) if error.is::<Expired>()));

    let deny = Deny { status: StatusCode::FORBIDDEN, reason: Some("no".to_owned()) };
    let denying = vec![Arc::new(Named { version: None, name: "wall".into(), handler: Handler::Deny(deny) })];
    let denied = run(&forward(denying), get("https://api.example.test/"), &upstream).await.ok().unwrap();
    assert!(matches!(denied, Outcome::Denied { handler, .. } if &*handler == "wall"));

    let trap = ENGINE.load(
        guest(TRAP).as_bytes(),
        ScriptSettings { name: "broken".into(), ..settings(limits(1000, 10_000)) },
    );
    let trapping = vec![Arc::new(Named {
        version: None,
        name: "broken".into(),
        handler: Handler::Script(trap.unwrap()),
    })];
    let broken = run(&forward(trapping), get("https://api.example.test/"), &upstream).await.err().unwrap();
    assert_eq!((broken.handler(), broken.kind()), (Some("broken"), "handler_trapped"));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_script_is_one_link_of_a_chain() {
    let upstream = Upstream::text("");
    let script = || ENGINE.load(guest(FORWARD).as_bytes(), settings(limits(1000, 10_000))).unwrap();
    let header = ("x-token".parse().unwrap(), Value::Plain(HeaderValue::from_static("S")));
    let inject = Inject { headers: vec![header], query: Vec::new() };
    let named = |name: &str, handler| Arc::new(Named { version: None, name: name.into(), handler });
    let chain = Chain::new(vec![
        named("first", Handler::Script(script())),
        named("inject", Handler::Inject(inject)),
        named("second", Handler::Script(script())),
    ]);
    assert_eq!(chain.handlers().map(|named| &*named.name).collect::<Vec<_>>(), ["first", "inject", "second"]);
    assert_eq!(response(&chain, get("https://api.example.test/"), &upstream).await.status(), 200);
    assert_eq!(upstream.seen()[0].headers["x-token"], "S");

    let respond = Respond {
        status: StatusCode::ACCEPTED,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"canned"),
    };
    let chain = Chain::new(vec![
        named("script", Handler::Script(script())),
        named("canned", Handler::Respond(respond)),
    ]);
    let canned = response(&chain, get("https://api.example.test/"), &upstream).await;
    assert_eq!((canned.status(), text(canned.into_body()).await.as_str()), (StatusCode::ACCEPTED, "canned"));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_guests_words_come_without_its_secrets() {
    let granted = ScriptSettings { secrets: secret("TOKEN"), ..settings(limits(1000, 10_000)) };
    let chain = chain_of(ENGINE.load(guest(FAIL).as_bytes(), granted).unwrap());
    assert_eq!(chain.uses().len(), 1);
    let request =
        Request::builder().method("SEKRIT-1").uri("https://api.example.test/").body(full("")).unwrap();
    let error = run(&chain, request, &Upstream::text("")).await.err().unwrap();
    assert_eq!(error.to_string(), "handler guest: failed: [secret TOKEN]");
    assert!(
        matches!(&error, HandlerError::Script { fault: Fault::Failed(text), .. } if !text.contains("SEKRIT"))
    );
}

#[tokio::test]
async fn a_relative_request_is_refused() {
    let error =
        run(&chain(ANSWER, limits(1000, 10_000)), get("/path"), &Upstream::text("")).await.err().unwrap();
    assert_eq!(error.kind(), "handler_failed");
}
