//! A key-value store in memory: gone with the process, and shared by all who hold it.
//! Receives what handlers ask, answers at once.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use handlers::{KeyPage, KeyValue, StoreError, Storing};

use super::{blocking, keys, refused};

/// Most bytes of all keys and values together, each entry with [`ENTRY_BYTES`] more.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// About what an entry takes beside its key and its value.
const ENTRY_BYTES: usize = 128;

/// The store.
#[derive(Default)]
pub struct Memory(Arc<Mutex<Entries>>);

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut Entries) -> Result<T, StoreError>) -> Storing<T>
    where
        T: Send + 'static,
    {
        Box::pin(ready(work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))))
    }
}

impl KeyValue for Memory {
    fn get(&self, keys: Vec<String>) -> Storing<Vec<Option<Bytes>>> {
        self.with(|entries| {
            keys::check_keys(&keys)?;
            keys::collect(keys.iter().map(|key| Ok::<_, StoreError>(entries.values.get(key).cloned())))
        })
    }

    fn set(&self, new: Vec<(String, Bytes)>) -> Storing<()> {
        self.with(|entries| {
            keys::check_entries(&new)?;
            entries.set(new)
        })
    }

    fn delete(&self, keys: Vec<String>) -> Storing<()> {
        self.with(|entries| {
            keys::check_keys(&keys)?;
            keys.iter().for_each(|key| entries.remove(key));
            Ok(())
        })
    }

    fn list(&self, prefix: String, after: Option<u64>) -> Storing<KeyPage> {
        let entries = Arc::clone(&self.0);
        Box::pin(blocking(move || {
            keys::check_prefix(&prefix)?;
            let entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
            let found = entries.values.range(prefix.clone()..).map(|(key, _)| key);
            let mut page = keys::Page::new(after);
            found.take_while(|key| key.starts_with(&prefix)).for_each(|key| page.add(key));
            Ok(page.end())
        }))
    }

    fn increment(&self, key: String, by: u64) -> Storing<u64> {
        self.with(|entries| {
            keys::check_key(&key)?;
            let sum = keys::add(entries.values.get(&key).map(Bytes::as_ref), by)?;
            entries.set(vec![(key, sum.to_string().into())])?;
            Ok(sum)
        })
    }
}

#[derive(Default)]
struct Entries {
    values: BTreeMap<String, Bytes>,
    bytes: usize,
}

impl Entries {
    /// The limit holds for what would be there afterwards; what is to be replaced counts until it is.
    fn set(&mut self, new: Vec<(String, Bytes)>) -> Result<(), StoreError> {
        let more: usize = new.iter().map(|(key, value)| size(key, value)).sum();
        let replaced: BTreeMap<&str, usize> = new
            .iter()
            .filter_map(|(key, _)| self.values.get(key).map(|value| (key.as_str(), size(key, value))))
            .collect();
        let bytes = self.bytes + more - replaced.values().sum::<usize>();
        if bytes > MAX_BYTES {
            return Err(refused("the store is full"));
        }
        for (key, value) in new {
            self.remove(&key);
            self.bytes += size(&key, &value);
            // A copy of its own, because it may be a small part of something large.
            self.values.insert(key, Bytes::copy_from_slice(&value));
        }
        Ok(())
    }

    fn remove(&mut self, key: &str) {
        if let Some(value) = self.values.remove(key) {
            self.bytes -= size(key, &value);
        }
    }
}

fn size(key: &str, value: &Bytes) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn full_is_refused_until_something_goes() {
        let memory = Memory::default();
        let large = Bytes::from(vec![b'x'; keys::MAX_VALUE_BYTES]);
        let mut stored = 0;
        while memory.set(vec![(stored.to_string(), large.clone())]).await.is_ok() {
            stored += 1;
            assert!(stored * large.len() <= MAX_BYTES);
        }
        assert!(stored * large.len() > MAX_BYTES - 2 * large.len());
        let two = vec![("small".to_owned(), Bytes::from_static(b"1")), ("large".to_owned(), large.clone())];
        assert_eq!(memory.set(two).await, Err(refused("the store is full")));
        assert_eq!(memory.get(vec!["small".to_owned()]).await, Ok(vec![None]), "all or nothing");
        memory.set(vec![("0".to_owned(), large.clone())]).await.unwrap();
        memory.delete(vec!["0".to_owned(), "0".to_owned(), "none".to_owned()]).await.unwrap();
        memory.set(vec![("large".to_owned(), large)]).await.unwrap();
        memory.delete((0..stored).map(|key| key.to_string()).collect()).await.unwrap();
        memory.delete(vec!["large".to_owned()]).await.unwrap();
        let entries = memory.0.lock().unwrap();
        assert_eq!((entries.bytes, entries.values.len()), (0, 0));
    }

    #[tokio::test]
    async fn an_entry_without_a_value_counts() {
        let memory = Memory::default();
        for _ in 0..2 {
            memory.set(vec![("key".to_owned(), Bytes::new())]).await.unwrap();
            assert_eq!(memory.0.lock().unwrap().bytes, ENTRY_BYTES + 3);
        }
    }
}
