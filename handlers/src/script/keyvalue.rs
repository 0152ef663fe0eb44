//! `wasi:keyvalue` over the stores that the policy granted.
//!
//! Receives a guest's questions about a store that it opened by name; hands them to the store on the proxy's own
//! runtime. In a store of which every instance has its own part, keys begin with the instance's id, which the guest
//! neither sees nor chooses.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::Resource;

use super::{
    bindings::wasi::keyvalue::{
        atomics, batch,
        store::{self, Error, KeyResponse},
    },
    state::State,
    task::Task,
};
use crate::{KeyValue, StoreError, Storing};

/// Bytes of one key.
const MAX_KEY: usize = 1024;

/// Bytes of one value.
const MAX_VALUE: usize = 8 << 20;

/// Keys of one batch.
const MAX_BATCH: usize = 1000;

/// A store under the name that a handler knows it by.
#[derive(Clone)]
pub struct KeyValueGrant {
    /// The name.
    pub name: String,
    /// The store.
    pub store: Arc<dyn KeyValue>,
    /// Whose keys they are.
    pub scope: Scope,
}

/// Who shares the keys of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All who were granted it.
    Shared,
    /// Each instance has its own.
    Instance,
}

/// A store that the guest opened; its number is the place of its grant.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub enum Opened {}

/// A grant, in one call.
struct Bucket {
    store: Arc<dyn KeyValue>,
    prefix: String,
}

impl Bucket {
    fn key(&self, key: &str) -> Result<String, Error> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(Error::Other(format!("a key has 1 to {MAX_KEY} bytes")));
        }
        Ok(format!("{}{key}", self.prefix))
    }

    fn keys(&self, keys: &[String]) -> Result<Vec<String>, Error> {
        if keys.len() > MAX_BATCH {
            return Err(Error::Other(format!("more than {MAX_BATCH} keys at once")));
        }
        keys.iter().map(|key| self.key(key)).collect()
    }
}

impl State {
    fn bucket(&self, opened: &Resource<Opened>) -> Result<Bucket, Error> {
        let place = usize::try_from(opened.rep()).unwrap_or(usize::MAX);
        let grant = self.settings.keyvalue.get(place).ok_or(Error::NoSuchStore)?;
        let prefix = match (grant.scope, &self.call.0) {
            (Scope::Shared, _) => String::new(),
            // An id holds no control characters, so no id's keys begin with another's.
            (Scope::Instance, Some(call)) => format!("{}\0", call.context.instance),
            (Scope::Instance, None) => return Err(Error::AccessDenied),
        };
        Ok(Bucket { store: grant.store.clone(), prefix })
    }

    /// Runs what a store does where the store's connections live, and says it in the log if it fails.
    pub(super) async fn stored<T: Send + 'static>(&mut self, work: Storing<T>) -> Result<T, String> {
        let Some(call) = &self.call.0 else { return Err("outside of a call".to_owned()) };
        let done = Task::spawn(&call.runtime, work).await;
        match done {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => {
                if let StoreError::Unavailable(_) = &error {
                    tracing::warn!(handler = &*self.settings.name, %error);
                }
                Err(error.to_string())
            }
            None => Err("interrupted".to_owned()),
        }
    }

    async fn kept<T: Send + 'static>(&mut self, work: Storing<T>) -> Result<T, Error> {
        self.stored(work).await.map_err(Error::Other)
    }

    async fn values(
        &mut self,
        opened: &Resource<Opened>,
        keys: &[String],
    ) -> Result<Vec<Option<Bytes>>, Error> {
        let bucket = self.bucket(opened)?;
        let work = bucket.store.get(bucket.keys(keys)?);
        self.kept(work).await
    }

    async fn put(&mut self, opened: &Resource<Opened>, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        let bucket = self.bucket(opened)?;
        if entries.len() > MAX_BATCH || entries.iter().any(|(_, value)| value.len() > MAX_VALUE) {
            return Err(Error::Other(format!(
                "more than {MAX_BATCH} values at once, or one over {MAX_VALUE} bytes"
            )));
        }
        let entries: Result<Vec<_>, Error> =
            entries.into_iter().map(|(key, value)| Ok((bucket.key(&key)?, Bytes::from(value)))).collect();
        let work = bucket.store.set(entries?);
        self.kept(work).await
    }
}

impl store::Host for State {
    fn open(&mut self, identifier: String) -> Result<Resource<Opened>, Error> {
        let found = self.settings.keyvalue.iter().position(|grant| grant.name == identifier);
        let Some(place) = found.and_then(|place| u32::try_from(place).ok()) else {
            self.lacks("keyvalue", &identifier);
            return Err(Error::NoSuchStore);
        };
        Ok(Resource::new_own(place))
    }
}

impl store::HostBucket for State {
    async fn get(&mut self, this: Resource<Opened>, key: String) -> Result<Option<Vec<u8>>, Error> {
        let values = self.values(&this, &[key]).await?;
        Ok(values.into_iter().next().flatten().map(Into::into))
    }

    async fn set(&mut self, this: Resource<Opened>, key: String, value: Vec<u8>) -> Result<(), Error> {
        self.put(&this, vec![(key, value)]).await
    }

    async fn delete(&mut self, this: Resource<Opened>, key: String) -> Result<(), Error> {
        batch::Host::delete_many(self, this, vec![key]).await
    }

    async fn exists(&mut self, this: Resource<Opened>, key: String) -> Result<bool, Error> {
        Ok(self.values(&this, &[key]).await?.iter().any(Option::is_some))
    }

    async fn list_keys(&mut self, this: Resource<Opened>, cursor: Option<u64>) -> Result<KeyResponse, Error> {
        let bucket = self.bucket(&this)?;
        let work = bucket.store.list(bucket.prefix.clone(), cursor);
        let page = self.kept(work).await?;
        let own = |key: String| key.strip_prefix(&bucket.prefix).map(str::to_owned);
        Ok(KeyResponse { keys: page.keys.into_iter().filter_map(own).collect(), cursor: page.cursor })
    }

    fn drop(&mut self, _: Resource<Opened>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl atomics::Host for State {
    async fn increment(&mut self, this: Resource<Opened>, key: String, by: u64) -> Result<u64, Error> {
        let bucket = self.bucket(&this)?;
        let work = bucket.store.increment(bucket.key(&key)?, by);
        self.kept(work).await
    }
}

impl batch::Host for State {
    async fn get_many(
        &mut self,
        this: Resource<Opened>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Error> {
        let values = self.values(&this, &keys).await?;
        let pair = |(key, value): (String, Option<Bytes>)| value.map(|value| (key, value.into()));
        Ok(keys.into_iter().zip(values).map(pair).collect())
    }

    async fn set_many(
        &mut self,
        this: Resource<Opened>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Error> {
        self.put(&this, entries).await
    }

    async fn delete_many(&mut self, this: Resource<Opened>, keys: Vec<String>) -> Result<(), Error> {
        let bucket = self.bucket(&this)?;
        let work = bucket.store.delete(bucket.keys(&keys)?);
        self.kept(work).await
    }
}
