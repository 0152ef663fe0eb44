//! Filters: what they see and change of heads, how they fail, and that they hold nobody up.
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

use guests::{DENY, EDIT, HOARD, PASS, PATH_AS_NAME, REPLY, SPIN, TRAP, filter};
use handlers::{BodyError, Chain, Deny, Handler, Kind, Named, Outcome, ScriptSettings};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use support::{
    ENGINE, Upstream, chain_of, failure, full, get, limits, response, run, secret, settings, text,
};

fn chain(on_request: Option<&str>, on_response: Option<&str>, cpu_ms: u64) -> Chain {
    let component = filter(on_request, on_response);
    let script = ENGINE.load(component.as_bytes(), settings(limits(cpu_ms, 10_000))).unwrap();
    assert_eq!(script.kind(), Kind::Filter);
    chain_of(script)
}

fn asking() -> Request<handlers::Body> {
    let mut request = get("https://api.example.test/path?query");
    request.headers_mut().insert("x-secret", "S".parse().unwrap());
    request
}

/// What a chain makes of one exchange: status, the headers that matter on both sides, and the body.
async fn made(chain: &Chain) -> String {
    let upstream = Upstream::new(|_| async {
        Ok::<_, BodyError>(Response::builder().header("x-secret", "T").body(full("hello")).unwrap())
    });
    let end = match run(chain, asking(), &upstream).await.unwrap() {
        Outcome::Denied { status, handler, .. } => format!("{status} by {handler}"),
        Outcome::Response(response) => {
            let (head, body) = response.into_parts();
            let value = |name| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            let (secret, filter) = (value("x-secret"), value("x-filter"));
            format!("{} {secret:?} {filter:?} {}", head.status.as_u16(), text(body).await)
        }
    };
    let seen = upstream.seen().into_iter().map(|head| {
        let value = |name| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        format!("{} {:?} {:?} <- ", head.uri, value("x-secret"), value("x-filter"))
    });
    seen.collect::<String>() + &end
}

#[tokio::test]
async fn what_becomes_of_an_exchange() {
    let url = "https://api.example.test/path?query";
    let sent = format!(r#"{url} Some("S") None <- "#);
    let edited = format!(r#"{url} None Some("yes") <- "#);
    let plain = r#"200 Some("T") None hello"#;
    let cases = [
        (Some(PASS), None, format!("{sent}{plain}")),
        (Some(EDIT), None, format!("{edited}{plain}")),
        (Some(DENY), None, "403 Forbidden by guest".to_owned()),
        (Some(REPLY), None, "299 None None yes".to_owned()),
        (None, Some(PASS), format!("{sent}{plain}")),
        (None, Some(EDIT), format!(r#"{sent}200 None Some("yes") hello"#)),
        (None, Some(DENY), format!("{sent}403 Forbidden by guest")),
        (None, Some(REPLY), format!("{sent}299 None None yes")),
        (Some(EDIT), Some(EDIT), format!(r#"{edited}200 None Some("yes") hello"#)),
        (Some(DENY), Some(EDIT), "403 Forbidden by guest".to_owned()),
    ];
    for (on_request, on_response, expected) in cases {
        let chain = chain(on_request, on_response, 1000);
        for _ in 0..130 {
            assert_eq!(made(&chain).await, expected);
        }
    }
}

#[tokio::test]
async fn every_misdeed_ends_in_an_error_and_the_next_call_works() {
    for (body, kind, status) in [
        (TRAP, "handler_trapped", StatusCode::BAD_GATEWAY),
        (SPIN, "handler_cpu", StatusCode::GATEWAY_TIMEOUT),
        (HOARD, "handler_memory", StatusCode::BAD_GATEWAY),
    ] {
        for (on_request, on_response) in [(Some(body), None), (None, Some(body))] {
            let guilty = chain(on_request, on_response, 20);
            for _ in 0..2 {
                assert_eq!(failure(&guilty, &Upstream::text("hello")).await, (kind, status));
            }
        }
    }
}

/// One thread serves all connections here: it is free again although the guest spins.
#[tokio::test(flavor = "current_thread")]
async fn a_filter_that_spins_does_not_hold_its_thread() {
    let (spin, pass) = (chain(Some(SPIN), None, 300), chain(Some(PASS), None, 1000));
    let upstream = Upstream::text("hello");
    response(&pass, asking(), &upstream).await;
    let spinning = tokio::spawn({
        let upstream = upstream.clone();
        async move { run(&spin, asking(), &upstream).await.err().unwrap().kind() }
    });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let mut served = 0;
    while !spinning.is_finished() {
        response(&pass, asking(), &upstream).await;
        served += 1;
        tokio::task::yield_now().await;
    }
    assert_eq!(spinning.await.unwrap(), "handler_cpu");
    assert!(
        begun.elapsed() >= Duration::from_millis(100) && served > 100,
        "{served} in {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn filters_are_links_like_others() {
    let load = |on_request, on_response| {
        let component = filter(on_request, on_response);
        Handler::Script(ENGINE.load(component.as_bytes(), settings(limits(1000, 10_000))).unwrap())
    };
    let named = |name: &str, handler| Arc::new(Named { version: None, name: name.into(), handler });
    let wall = || Handler::Deny(Deny { status: StatusCode::GONE, reason: None });
    let chain = Chain::new(vec![
        named("first", load(Some(EDIT), Some(EDIT))),
        named("second", load(None, Some(PASS))),
        named("third", load(Some(PASS), None)),
    ]);
    assert_eq!(
        made(&chain).await,
        r#"https://api.example.test/path?query None Some("yes") <- 200 None Some("yes") hello"#
    );
    let chain = Chain::new(vec![named("first", load(None, Some(REPLY))), named("wall", wall())]);
    assert_eq!(made(&chain).await, "410 Gone by wall");
}

/// What a guest did wrong is told with its own words, and those may hold what it knows.
#[tokio::test]
async fn what_is_no_header_is_told_without_the_secret_in_it() {
    let settings = ScriptSettings { secrets: secret("S"), ..settings(limits(1000, 10_000)) };
    let chain = chain_of(ENGINE.load(filter(Some(PATH_AS_NAME), None).as_bytes(), settings).unwrap());
    let request = get("https://api.example.test/SEKRIT-6");
    let error = run(&chain, request, &Upstream::text("")).await.err().unwrap();
    assert_eq!(error.to_string(), "handler guest: failed: bad header name `/[secret S]`");
}

#[tokio::test]
async fn a_body_passes_a_filter_untouched() {
    let upstream = Upstream::new(|request: Request<handlers::Body>| async move {
        Ok::<_, BodyError>(Response::new(request.into_body()))
    });
    let chain = chain(Some(EDIT), Some(EDIT), 1000);
    let frame = bytes::Bytes::from(vec![7; 1 << 16]);
    let mut request = get("https://api.example.test/");
    *request.body_mut() = support::frames(1000, frame.clone());
    let mut body = response(&chain, request, &upstream).await.into_body();
    let mut seen = 0;
    while let Some(piece) = body.frame().await {
        let piece = piece.unwrap().into_data().unwrap();
        assert_eq!(piece.as_ptr(), frame.as_ptr(), "the same memory");
        seen += piece.len();
    }
    assert_eq!(seen, 1000 << 16);
}
