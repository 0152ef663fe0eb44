//! What is true of all key-value stores: each does what a model of it does.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bytes::Bytes;
use handlers::{KeyValue, StoreError};
use proptest::{prelude::*, test_runner::TestRunner};

use super::servers::RedisProcess;
use crate::stores::{
    file::KeyFile,
    keys::{MAX_CALL_BYTES, MAX_KEY_BYTES, MAX_KEYS, MAX_PAGE, MAX_VALUE_BYTES, add},
    memory::Memory,
};

/// One of each kind.
fn all(directory: &Path, redis: &RedisProcess) -> [(&'static str, Arc<dyn KeyValue>); 3] {
    [
        ("memory", Arc::new(Memory::default())),
        ("file", Arc::new(KeyFile::open(&directory.join("keys.db")).unwrap())),
        ("redis", Arc::new(redis.store("", "pe*:"))),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Get(Vec<String>),
    Set(Vec<(String, Bytes)>),
    Delete(Vec<String>),
    List(String),
    Increment(String, u64),
}

/// What came of a step.
#[derive(Debug, PartialEq)]
enum Seen {
    Values(Vec<Option<Bytes>>),
    Keys(Vec<String>),
    Number(u64),
    Done,
}

async fn apply(store: &dyn KeyValue, step: Step) -> Result<Seen, StoreError> {
    match step {
        Step::Get(keys) => store.get(keys).await.map(Seen::Values),
        Step::Set(entries) => store.set(entries).await.map(|()| Seen::Done),
        Step::Delete(keys) => store.delete(keys).await.map(|()| Seen::Done),
        Step::List(prefix) => Ok(Seen::Keys(every_key(store, &prefix, |_| ()).await)),
        Step::Increment(key, by) => store.increment(key, by).await.map(Seen::Number),
    }
}

fn expect(model: &mut BTreeMap<String, Bytes>, step: Step) -> Result<Seen, StoreError> {
    Ok(match step {
        Step::Get(keys) => Seen::Values(keys.iter().map(|key| model.get(key).cloned()).collect()),
        Step::Set(entries) => {
            model.extend(entries);
            Seen::Done
        }
        Step::Delete(keys) => {
            keys.iter().for_each(|key| drop(model.remove(key)));
            Seen::Done
        }
        Step::List(prefix) => {
            Seen::Keys(model.keys().filter(|key| key.starts_with(&prefix)).cloned().collect())
        }
        Step::Increment(key, by) => {
            let sum = add(model.get(&key).map(Bytes::as_ref), by)?;
            model.insert(key, sum.to_string().into());
            Seen::Number(sum)
        }
    })
}

/// The keys of all pages, sorted, each once.
async fn every_key(store: &dyn KeyValue, prefix: &str, mut page_seen: impl FnMut(&[String])) -> Vec<String> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(prefix.to_owned(), after).await.unwrap();
        page_seen(&page.keys);
        keys.extend(page.keys);
        after = page.cursor;
        if after.is_none() {
            keys.sort_unstable();
            keys.dedup();
            return keys;
        }
    }
}

/// With all that is special in patterns.
fn key() -> impl Strategy<Value = String> {
    let keys = ["a", "ab", "a*", "a?", "a[b]", "a\\", "a\\*", "^-", "ä/1", " ", "1\n2\0"];
    prop::sample::select(keys.to_vec()).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Bytes> {
    let values: [&[u8]; 7] = [b"", b"x", b"0", b"41", b"07", b"\xff\0\r\n", b"9223372036854775807"];
    prop::sample::select(values.to_vec()).prop_map(Bytes::from_static)
}

fn step() -> impl Strategy<Value = Step> {
    let by = prop::sample::select(vec![0, 1, 7, i64::MAX as u64, u64::MAX]);
    prop_oneof![
        prop::collection::vec(key(), 0..5).prop_map(Step::Get),
        prop::collection::vec((key(), value()), 0..5).prop_map(Step::Set),
        prop::collection::vec(key(), 0..3).prop_map(Step::Delete),
        prop_oneof![Just(String::new()), key()].prop_map(Step::List),
        (key(), by).prop_map(|(key, by)| Step::Increment(key, by)),
    ]
}

#[test]
fn all_do_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let redis = RedisProcess::start("");
    let stores = all(directory.path(), &redis);
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    let steps = prop::collection::vec(step(), 1..24);
    let result = TestRunner::new(config).run(&steps, |steps| {
        for (name, store) in &stores {
            // What the case before left, which may have failed.
            let left = runtime.block_on(every_key(store.as_ref(), "", |_| ()));
            runtime.block_on(store.delete(left)).unwrap();
            let mut model = BTreeMap::new();
            for step in &steps {
                let seen = runtime.block_on(apply(store.as_ref(), step.clone()));
                prop_assert_eq!(seen, expect(&mut model, step.clone()), "{} after {:?}", name, step);
            }
        }
        Ok(())
    });
    result.unwrap();
}

#[tokio::test]
async fn increments_of_many_at_once_sum_up() {
    let directory = tempfile::tempdir().unwrap();
    let redis = RedisProcess::start("");
    for (name, store) in all(directory.path(), &redis) {
        let tasks = (0..8).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..16 {
                    store.increment("n".into(), 3).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(store.increment("n".into(), 0).await, Ok(8 * 16 * 3), "{name}");
    }
}

#[tokio::test]
async fn pages_hold_all_keys_though_each_page_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let redis = RedisProcess::start("");
    for (name, store) in all(directory.path(), &redis) {
        let keys: Vec<String> = (0..2500).map(|number| format!("of/{number:04}")).collect();
        let others = keys.iter().map(|key| key.replace("of", "other"));
        for some in keys.iter().cloned().chain(others).collect::<Vec<_>>().chunks(MAX_KEYS) {
            store
                .set(some.iter().map(|key| (key.clone(), Bytes::from_static(b"v"))).collect())
                .await
                .unwrap();
        }
        let mut pages = 0;
        let found = every_key(store.as_ref(), "of/", |page| {
            pages += 1;
            assert!(name == "redis" || page.len() <= MAX_PAGE);
        })
        .await;
        assert_eq!(found, keys, "{name}");
        assert!(pages > 1, "{name}");
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.list("of/".into(), after).await.unwrap();
            for some in page.keys.chunks(MAX_KEYS) {
                store.delete(some.to_vec()).await.unwrap();
            }
            seen.extend(page.keys);
            after = page.cursor;
            if after.is_none() {
                break;
            }
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, keys, "{name}");
        assert!(every_key(store.as_ref(), "of/", |_| ()).await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_all() {
    let directory = tempfile::tempdir().unwrap();
    let redis = RedisProcess::start("");
    for (name, store) in all(directory.path(), &redis) {
        let long = "k".repeat(MAX_KEY_BYTES + 1);
        let large = Bytes::from(vec![0; MAX_VALUE_BYTES]);
        let larger = Bytes::from(vec![0; MAX_VALUE_BYTES + 1]);
        let many = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
        let entries =
            |count: usize| many(count).into_iter().map(|key| (key, large.clone())).collect::<Vec<_>>();
        let fitting = MAX_CALL_BYTES / MAX_VALUE_BYTES;
        let refused = [
            apply(store.as_ref(), Step::Get(vec![long.clone()])).await,
            apply(store.as_ref(), Step::Get(vec![String::new()])).await,
            apply(store.as_ref(), Step::Get(many(MAX_KEYS + 1))).await,
            apply(store.as_ref(), Step::Delete(many(MAX_KEYS + 1))).await,
            apply(store.as_ref(), Step::Set(vec![("a".into(), larger)])).await,
            apply(store.as_ref(), Step::Set(entries(fitting + 1))).await,
            apply(store.as_ref(), Step::Increment(String::new(), 1)).await,
            store.list(long, None).await.map(|_| Seen::Done),
        ];
        for (number, result) in refused.into_iter().enumerate() {
            assert!(matches!(result, Err(StoreError::Refused(_))), "{name} {number}: {result:?}");
        }
        store.set(entries(fitting)).await.unwrap();
        store.set(vec![("one more".into(), large.clone())]).await.unwrap();
        let mut keys = many(fitting);
        assert_eq!(store.get(keys.clone()).await.unwrap(), vec![Some(large.clone()); fitting], "{name}");
        keys.push("one more".into());
        assert!(matches!(store.get(keys).await, Err(StoreError::Refused(_))), "{name}");
    }
}
