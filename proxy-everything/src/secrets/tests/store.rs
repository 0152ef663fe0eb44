//! Secrets that are read of a Redis server.

use serde_json::{Value as Json, json};

use super::Lab;
use crate::stores::tests::servers::RedisProcess;

const PASSWORD: &str = "redis-canary";

fn document(lab: &Lab, server: &RedisProcess, key: &str) -> Json {
    json!({
        "secrets": {
            "PASSWORD": lab.file("password", PASSWORD),
            "T": { "redis": { "store": "keys", "key": key, "ttlSeconds": 1 } },
        },
        "stores": { "keys": { "redis": { "url": server.url(), "password": "PASSWORD", "prefix": "secrets:" } } },
    })
}

#[tokio::test]
async fn a_key_of_a_store() {
    let server = RedisProcess::start(PASSWORD);
    let lab = Lab::new();
    let store = server.store(PASSWORD, "secrets:");
    let set = async |text: &'static str| {
        handlers::KeyValue::set(&store, vec![("web-1/builder".into(), text.as_bytes().into())])
            .await
            .unwrap();
    };
    let error = lab.open_document(document(&lab, &server, "${instance}/${class}")).err().unwrap();
    assert_eq!(error.to_string(), "secret `T`: the store has no such key");
    set("first-value").await;
    let opened = lab.open_document(document(&lab, &server, "${instance}/${class}")).unwrap();
    assert_eq!(opened.value("T").await.unwrap(), "first-value");
    set("second-value").await;
    opened.becomes("T", "second-value").await;
    // The next generation has the same slot over the same connection.
    let again = lab.open_document(document(&lab, &server, "${instance}/${class}")).unwrap();
    assert!(std::sync::Arc::ptr_eq(&opened.slots["T"], &again.slots["T"]));
}

#[tokio::test]
async fn a_server_that_goes() {
    let mut server = RedisProcess::start(PASSWORD);
    let lab = Lab::new();
    let store = server.store(PASSWORD, "secrets:");
    handlers::KeyValue::set(&store, vec![("a".into(), bytes::Bytes::from_static(b"value-canary"))])
        .await
        .unwrap();
    let opened = lab.open_document(document(&lab, &server, "a")).unwrap();
    server.stop();
    // As long as it was said to be good, and not for longer.
    let began = std::time::Instant::now();
    let error = loop {
        match opened.value("T").await {
            Ok(value) => assert_eq!(value, "value-canary"),
            Err(error) => break error,
        }
    };
    assert!(began.elapsed().as_secs() < 3 && !error.contains("canary"), "{error}");
    // The policy can still be changed, but for what was not there before.
    let again = lab.open_document(document(&lab, &server, "a")).unwrap();
    assert!(again.value("T").await.is_err());
    assert!(lab.open_document(document(&lab, &server, "b")).is_err());
}
