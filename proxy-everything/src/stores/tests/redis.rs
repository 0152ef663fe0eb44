//! What is true of Redis servers: they come and go, and passwords stay inside.

use std::{net::TcpListener, sync::Arc, time::Instant};

use bytes::Bytes;
use handlers::{KeyValue, Secret, StoreError};

use super::servers::RedisProcess;
use crate::stores::redis::{Redis, RedisServer};

const PASSWORD: &str = "pass-canary";

fn key() -> Vec<String> {
    vec!["a".to_owned()]
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let mut server = RedisProcess::start("");
    let store = server.store("", "");
    store.set(vec![("a".into(), Bytes::from_static(b"1"))]).await.unwrap();
    server.stop();
    for _ in 0..2 {
        let error = store.get(key()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    server.start_again();
    // What the server had is gone with it; that it answers is what counts.
    assert_eq!(store.get(key()).await, Ok(vec![None]));
    assert_eq!(store.increment("n".into(), 1).await, Ok(1));
}

#[tokio::test]
async fn the_password_is_used_and_not_shown() {
    let server = RedisProcess::start(PASSWORD);
    assert_eq!(server.store(PASSWORD, "").get(key()).await, Ok(vec![None]));
    for wrong in ["", "wrong-canary"] {
        let error = server.store(wrong, "").get(key()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    let password = Some(Arc::new(Secret::new(PASSWORD.to_owned())));
    let settings = RedisServer { url: server.url(), username: None, password, prefix: String::new() };
    assert!(!format!("{settings:?}").contains("canary"));
}

#[tokio::test]
async fn prefixes_keep_apart() {
    let server = RedisProcess::start("");
    let (one, other) = (server.store("", "one:"), server.store("", "other:"));
    one.set(vec![("a".into(), Bytes::from_static(b"1"))]).await.unwrap();
    assert_eq!(other.get(key()).await, Ok(vec![None]));
    assert!(other.list(String::new(), None).await.unwrap().keys.is_empty());
    other.delete(key()).await.unwrap();
    assert_eq!(one.list(String::new(), None).await.unwrap().keys, ["a"]);
    let all = server.store("", "");
    assert_eq!(all.list(String::new(), None).await.unwrap().keys, ["one:a"]);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/0", listener.local_addr().unwrap());
    let store =
        Redis::new(RedisServer { url, username: None, password: None, prefix: String::new() }).unwrap();
    let started = Instant::now();
    assert!(matches!(store.get(key()).await, Err(StoreError::Unavailable(_))));
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn urls_that_are_refused() {
    for url in [
        "redis://user:canary@127.0.0.1/",
        "redis://:canary@127.0.0.1/",
        "rediss://127.0.0.1/",
        "unix:///tmp/canary",
        "redis://127.0.0.1/canary",
        "redis://127.0.0.1:canary/",
        "redis://",
        "127.0.0.1:6379",
    ] {
        let server = RedisServer { url: url.into(), username: None, password: None, prefix: String::new() };
        let error = Redis::new(server).err().unwrap_or_else(|| panic!("{url}"));
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
