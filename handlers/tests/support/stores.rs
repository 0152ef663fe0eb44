//! Stores in memory, small enough to be seen through.
//!
//! Receives what scripts keep; hands it back, and shows it to the test.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use bytes::Bytes;
use handlers::{Blobs, Body, KeyPage, KeyValue, Object, ObjectPage, Span, StoreError, Storing};
use http_body_util::BodyExt;

use crate::support::full;

type Map = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// A key-value store.
#[derive(Default)]
pub(crate) struct Values(Map);

impl Values {
    pub(crate) fn put(&self, key: &str, value: &str) {
        self.0.lock().unwrap().insert(key.to_owned(), Bytes::copy_from_slice(value.as_bytes()));
    }
}

fn done<T: Send + 'static>(value: T) -> Storing<T> {
    Box::pin(async { Ok(value) })
}

impl KeyValue for Values {
    fn get(&self, keys: Vec<String>) -> Storing<Vec<Option<Bytes>>> {
        let map = self.0.lock().unwrap();
        done(keys.iter().map(|key| map.get(key).cloned()).collect())
    }

    fn set(&self, entries: Vec<(String, Bytes)>) -> Storing<()> {
        self.0.lock().unwrap().extend(entries);
        done(())
    }

    fn delete(&self, keys: Vec<String>) -> Storing<()> {
        self.0.lock().unwrap().retain(|key, _| !keys.contains(key));
        done(())
    }

    fn list(&self, prefix: String, _: Option<u64>) -> Storing<KeyPage> {
        let keys = self.0.lock().unwrap().keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        done(KeyPage { keys, cursor: None })
    }

    fn increment(&self, _: String, _: u64) -> Storing<u64> {
        Box::pin(async { Err(StoreError::Refused("nothing counts here".to_owned())) })
    }
}

/// A bucket.
#[derive(Default)]
pub(crate) struct Files(Map);

impl Files {
    pub(crate) async fn write(&self, key: &str, value: &'static str) {
        Blobs::put(self, key.to_owned(), full(value), None).await.unwrap();
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }
}

fn object(key: String, bytes: &Bytes) -> Object {
    let size = bytes.len() as u64;
    Object { key, size, etag: Some("etag".to_owned()), content_type: None, modified: SystemTime::UNIX_EPOCH }
}

impl Blobs for Files {
    fn get(&self, key: String, _: Option<Span>) -> Storing<Option<(Object, Body)>> {
        let found = self.0.lock().unwrap().get(&key).cloned();
        done(found.map(|bytes| (object(key, &bytes), full(bytes))))
    }

    fn head(&self, key: String) -> Storing<Option<Object>> {
        let found = self.0.lock().unwrap().get(&key).cloned();
        done(found.map(|bytes| object(key, &bytes)))
    }

    fn put(&self, key: String, value: Body, _: Option<String>) -> Storing<Object> {
        let map = self.0.clone();
        Box::pin(async move {
            let failed = |error| StoreError::Unavailable(format!("{error}"));
            let bytes = value.collect().await.map_err(failed)?.to_bytes();
            let stored = object(key.clone(), &bytes);
            map.lock().unwrap().insert(key, bytes);
            Ok(stored)
        })
    }

    fn delete(&self, keys: Vec<String>) -> Storing<()> {
        self.0.lock().unwrap().retain(|key, _| !keys.contains(key));
        done(())
    }

    fn list(&self, _: String, _: usize, _: Option<String>) -> Storing<ObjectPage> {
        done(ObjectPage::default())
    }
}
