//! The instances of a component: how many calls one serves, when it ends, and who waits for one.
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

use std::sync::Arc;

use guests::{ANSWER, COUNT, FORWARD, LEAK, THIRD, guest};
use handlers::{Chain, Outcome, ScriptLimits, ScriptSettings};
use http::Response;
use support::{ENGINE, Upstream, chain_of, failure, full, get, limits, response, run, settings, soon};
use tokio::{sync::Semaphore, task::JoinSet};

fn chain(body: &str, limits: ScriptLimits) -> Chain {
    chain_of(ENGINE.load(guest(body).as_bytes(), settings(limits)).unwrap())
}

#[tokio::test]
async fn an_instance_serves_so_many_calls_and_none_after_a_trap() {
    let upstream = Upstream::text("");
    let settings = ScriptSettings { calls: Some(128), ..settings(limits(1000, 10_000)) };
    let counting = chain_of(ENGINE.load(guest(COUNT).as_bytes(), settings).unwrap());
    for call in 0..300 {
        let status = response(&counting, get("https://api.example.test/"), &upstream).await.status().as_u16();
        assert_eq!(status, 201 + call % 128);
    }
    let trapping = chain(THIRD, limits(1000, 10_000));
    for _ in 0..2 {
        for status in [201, 202] {
            let answer = response(&trapping, get("https://api.example.test/"), &upstream).await;
            assert_eq!(answer.status(), status);
        }
        assert_eq!(failure(&trapping, &upstream).await.0, "handler_trapped");
    }
}

#[tokio::test]
async fn one_that_keeps_more_with_every_call_ends_before_a_call_fails() {
    let leaking = chain(LEAK, limits(1000, 10_000));
    for _ in 0..200 {
        let answer = response(&leaking, get("https://api.example.test/"), &Upstream::text("")).await;
        assert_eq!(answer.status(), 299);
    }
}

/// Starts so many calls, each with one fetch, which this upstream answers when it likes.
fn start(calls: usize, upstream: &Arc<Upstream>) -> JoinSet<u16> {
    let forward = chain(FORWARD, limits(1000, 600_000));
    (0..calls)
        .map(|_| {
            let (forward, upstream) = (forward.clone(), upstream.clone());
            async move {
                match run(&forward, get("https://api.example.test/"), &upstream).await {
                    Ok(Outcome::Response(response)) => response.status().as_u16(),
                    Ok(Outcome::Denied { .. }) => 403,
                    Err(error) => error.status().as_u16(),
                }
            }
        })
        .collect()
}

#[tokio::test]
async fn calls_beyond_32_wait_for_an_instance() {
    let answers = Arc::new(Semaphore::new(0));
    let upstream = Upstream::new({
        let answers = answers.clone();
        move |_| {
            let answers = answers.clone();
            async move {
                answers.acquire().await?.forget();
                Ok(Response::new(full("")))
            }
        }
    });
    let mut calls = start(40, &upstream);
    let seen = async |count| {
        while upstream.seen().len() < count {
            tokio::task::yield_now().await;
        }
    };
    soon(seen(32)).await;
    // Others are served meanwhile, so the eight had their chance.
    let bystander = chain(ANSWER, limits(1000, 10_000));
    for _ in 0..20 {
        response(&bystander, get("https://api.example.test/"), &Upstream::text("")).await;
    }
    assert_eq!(upstream.seen().len(), 32);
    answers.add_permits(1);
    soon(seen(33)).await;
    answers.add_permits(39);
    while let Some(status) = soon(calls.join_next()).await {
        assert_eq!(status.unwrap(), 200);
    }
}

#[tokio::test]
async fn calls_beyond_256_that_wait_are_busy_at_once() {
    let mut calls = start(32 + 256 + 5, &Upstream::new(|_| std::future::pending()));
    for _ in 0..5 {
        assert_eq!(soon(calls.join_next()).await.unwrap().unwrap(), 503);
    }
    assert!(calls.try_join_next().is_none());
}
