//! What is kept and for how long, by a clock that stands still until it is moved.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::Semaphore,
    task::yield_now,
    time::{Instant, advance},
};

use super::{Cached, EARLY, FAILURE, Source};
use crate::secrets::value::{Lines, Reading};

/// A source that does what it is told.
#[derive(Clone, Default)]
pub(in crate::secrets) struct Script(Arc<Told>);

#[derive(Default)]
struct Told {
    reads: AtomicU32,
    next: Mutex<Next>,
    gate: Option<Semaphore>,
}

#[derive(Clone, Default)]
enum Next {
    Lasts(Duration),
    Fails,
    #[default]
    Hangs,
    Panics,
}

impl Script {
    fn new(next: Next) -> Self {
        let script = Self::default();
        script.set(next);
        script
    }

    /// One whose readings wait until they are let through.
    fn gated(next: Next) -> Self {
        Self(Arc::new(Told { gate: Some(Semaphore::new(0)), next: Mutex::new(next), ..Told::default() }))
    }

    fn set(&self, next: Next) {
        *self.0.next.lock().unwrap() = next;
    }

    fn reads(&self) -> u32 {
        self.0.reads.load(SeqCst)
    }

    fn cached(&self) -> Cached {
        Cached::new("TOKEN".into(), Source::Scripted(self.clone()))
    }

    pub(in crate::secrets) async fn read(&self) -> Result<Reading, String> {
        let number = self.0.reads.fetch_add(1, SeqCst) + 1;
        if let Some(gate) = &self.0.gate {
            gate.acquire().await.unwrap().forget();
        }
        let next = self.0.next.lock().unwrap().clone();
        match next {
            Next::Lasts(lasts) => Ok(Reading::of(format!("value-{number}"), lasts)),
            Next::Fails => Err("the server is down".to_owned()),
            Next::Hangs => pending().await,
            Next::Panics => panic!("as it was told"),
        }
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The value, or why there is none.
async fn value(cached: &Cached) -> Result<String, String> {
    let reading = cached.reading(&Handle::current()).await.map_err(|reason| reason.to_string())?;
    let value = reading.values[0].1.as_ref().unwrap().within(Lines::One).unwrap();
    Ok(value.expose().to_owned())
}

/// Lets what is under way go on.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_reading_for_all_who_wait() {
    let script = Script::gated(Next::Lasts(seconds(60)));
    let cached = Arc::new(script.cached());
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let cached = Arc::clone(&cached);
            tokio::spawn(async move { value(&cached).await })
        })
        .collect();
    settle().await;
    script.0.gate.as_ref().unwrap().add_permits(100);
    for one in waiting {
        assert_eq!(one.await.unwrap().unwrap(), "value-1");
    }
    assert_eq!(script.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_takes_nothing_from_the_others() {
    let script = Script::gated(Next::Lasts(seconds(60)));
    let cached = Arc::new(script.cached());
    let first = tokio::spawn({
        let cached = Arc::clone(&cached);
        async move { value(&cached).await }
    });
    settle().await;
    first.abort();
    script.0.gate.as_ref().unwrap().add_permits(1);
    assert_eq!(value(&cached).await.unwrap(), "value-1");
    assert_eq!(script.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn read_anew_before_the_end_and_beside_the_requests() {
    for (lasts, early) in [(seconds(100), seconds(80)), (seconds(3600), seconds(3600) - EARLY)] {
        let script = Script::new(Next::Lasts(lasts));
        let cached = script.cached();
        assert_eq!(value(&cached).await.unwrap(), "value-1");
        advance(early - seconds(1)).await;
        assert_eq!(value(&cached).await.unwrap(), "value-1");
        settle().await;
        assert_eq!(script.reads(), 1, "too early for {lasts:?}");
        advance(seconds(1)).await;
        assert_eq!(value(&cached).await.unwrap(), "value-1", "nobody waits");
        settle().await;
        assert_eq!(script.reads(), 2);
        assert_eq!(value(&cached).await.unwrap(), "value-2");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_is_used_until_its_end_and_not_beyond() {
    let script = Script::new(Next::Lasts(seconds(100)));
    let cached = script.cached();
    value(&cached).await.unwrap();
    script.set(Next::Fails);
    advance(seconds(90)).await;
    assert_eq!(value(&cached).await.unwrap(), "value-1");
    settle().await;
    assert_eq!(value(&cached).await.unwrap(), "value-1", "the refresh has failed");
    advance(seconds(10)).await;
    assert_eq!(value(&cached).await.unwrap_err(), "the server is down");
    assert!(cached.at_once(Instant::now(), None).is_none());
    script.set(Next::Lasts(seconds(100)));
    advance(FAILURE).await;
    assert!(value(&cached).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_server_in_trouble_is_not_hammered() {
    let script = Script::new(Next::Fails);
    let cached = script.cached();
    for _ in 0..100 {
        assert_eq!(value(&cached).await.unwrap_err(), "the server is down");
    }
    assert_eq!(script.reads(), 1);
    advance(FAILURE).await;
    assert!(value(&cached).await.is_err());
    assert_eq!(script.reads(), 2);
    script.set(Next::Lasts(seconds(60)));
    advance(FAILURE).await;
    assert_eq!(value(&cached).await.unwrap(), "value-3");
    // The same while a value is good.
    script.set(Next::Fails);
    advance(seconds(55)).await;
    for _ in 0..100 {
        assert!(value(&cached).await.is_ok());
        settle().await;
    }
    assert_eq!(script.reads(), 4);
}

#[tokio::test(start_paused = true)]
async fn no_reading_takes_for_ever() {
    let script = Script::new(Next::Hangs);
    let cached = script.cached();
    let began = Instant::now();
    assert_eq!(value(&cached).await.unwrap_err(), "no answer for 10s");
    assert_eq!(began.elapsed(), seconds(10));
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_breaks_off_is_not_waited_for() {
    let script = Script::new(Next::Panics);
    let cached = script.cached();
    assert_eq!(value(&cached).await.unwrap_err(), "the reading broke off");
    script.set(Next::Lasts(seconds(60)));
    assert_eq!(value(&cached).await.unwrap(), "value-2");
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_ends_with_it() {
    let script = Script::new(Next::Hangs);
    let cached = Arc::new(script.cached());
    let waiting = tokio::spawn({
        let cached = Arc::clone(&cached);
        async move { value(&cached).await }
    });
    settle().await;
    assert_eq!(Arc::strong_count(&script.0), 2);
    waiting.abort();
    drop(cached);
    settle().await;
    assert_eq!(Arc::strong_count(&script.0), 1, "the source went with it");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_good_for_no_time_is_for_those_who_waited() {
    let script = Script::new(Next::Lasts(seconds(0)));
    let cached = script.cached();
    assert_eq!(value(&cached).await.unwrap(), "value-1");
    assert_eq!(value(&cached).await.unwrap(), "value-2");
    script.set(Next::Lasts(Duration::MAX));
    assert_eq!(value(&cached).await.unwrap(), "value-3");
    advance(seconds(300 * 24 * 3600)).await;
    assert_eq!(value(&cached).await.unwrap(), "value-3");
}
