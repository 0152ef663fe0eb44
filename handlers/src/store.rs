//! What handlers keep: key-value stores and buckets of objects, as the host sees them.
//!
//! The proxy implements these over memory, files and servers, and grants them to scripts by name; the WebAssembly side
//! of it hands on what guests ask for. Everything is asynchronous and owns what it needs, so that it can run on the
//! proxy's own runtime while the guest waits on another.

use std::{pin::Pin, time::SystemTime};

use bytes::Bytes;

use crate::Body;

/// What the methods of stores return.
pub type Storing<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Why a store did not do what it was asked. The texts are for the operator and for the handler, never for a workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be had now: a server that does not answer, a disk that fails.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// What was asked for cannot be done: a value that is no number, a key that is too long.
    #[error("{0}")]
    Refused(String),
}

/// A key-value store.
pub trait KeyValue: Send + Sync {
    /// The values of these keys, in their order.
    fn get(&self, keys: Vec<String>) -> Storing<Vec<Option<Bytes>>>;

    /// Sets all of these, or none.
    fn set(&self, entries: Vec<(String, Bytes)>) -> Storing<()>;

    /// Deletes all of these; what does not exist counts as deleted.
    fn delete(&self, keys: Vec<String>) -> Storing<()>;

    /// Some of the keys that begin with `prefix`, from where the last page ended: `after` is that page's cursor.
    fn list(&self, prefix: String, after: Option<u64>) -> Storing<KeyPage>;

    /// Adds to a decimal number, which is 0 if there is none yet, and returns the sum. Atomic.
    fn increment(&self, key: String, by: u64) -> Storing<u64>;
}

/// Some of a store's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<String>,
    /// Where to go on, if there are more.
    pub cursor: Option<u64>,
}

/// A bucket of objects.
pub trait Blobs: Send + Sync {
    /// An object and its bytes, streamed; of a span only those of it. None if there is none.
    fn get(&self, key: String, span: Option<Span>) -> Storing<Option<(Object, Body)>>;

    /// An object without its bytes.
    fn head(&self, key: String) -> Storing<Option<Object>>;

    /// Stores an object, whole or not at all.
    fn put(&self, key: String, value: Body, content_type: Option<String>) -> Storing<Object>;

    /// Deletes all of these; what does not exist counts as deleted.
    fn delete(&self, keys: Vec<String>) -> Storing<()>;

    /// Up to `limit` objects whose keys begin with `prefix`, in the order of their keys, behind the key `after`.
    fn list(&self, prefix: String, limit: usize, after: Option<String>) -> Storing<ObjectPage>;
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Changes with its content.
    pub etag: Option<String>,
    /// What it was stored with, where the store keeps that.
    pub content_type: Option<String>,
    /// When it was stored.
    pub modified: SystemTime,
}

/// A part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Bytes to leave out.
    pub offset: u64,
    /// Bytes to read; none means to the end.
    pub length: Option<u64>,
}

/// Some of a bucket's objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<Object>,
    /// The key to go on behind, if there are more.
    pub cursor: Option<String>,
}
