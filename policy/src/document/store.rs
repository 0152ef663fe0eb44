//! Where handlers keep things between calls: the stores of a document.
//!
//! Receives words and hands on a [`StoreSource`]: exactly one kind of store, with all that is needed to open it but the values of
//! secrets, which are only named. Which handler sees which store, and as what, its own bindings say.

use std::{collections::BTreeMap, path::Path, path::PathBuf};

use serde::Deserialize;

use super::{
    Secrets,
    read::{declared, known, text},
    source::{Entries, Word, some},
};
use crate::{
    Authority, Fault, Scheme, Url,
    fault::{Position, clip},
};

/// Most stores of one part of a document: each may have a connection or an open file.
const MAX_STORES: usize = 64;
/// Longest prefix of names, in characters.
const MAX_PREFIX: usize = 256;

/// The stores by name.
pub(super) type Stores = BTreeMap<String, StoreSource>;

/// A store as the document describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSource {
    /// Keys and values, gone with the process.
    Memory,
    /// Keys and values in this file.
    File(PathBuf),
    /// Keys and values in a Redis server.
    Redis {
        /// `redis://HOST[:PORT][/DATABASE]`, or `rediss://` for TLS; without a user and a password.
        url: String,
        /// Who we are there.
        username: Option<String>,
        /// The name of the secret that is the password.
        password: Option<String>,
        /// What all keys begin with there.
        prefix: String,
    },
    /// Objects, each a file in this folder.
    Folder(PathBuf),
    /// Objects in a bucket of S3 or what speaks like it.
    S3 {
        /// The bucket.
        bucket: String,
        /// `https://HOST[:PORT]`, or `http://`; `None` is Amazon's own for the region.
        endpoint: Option<String>,
        /// Signed into every request.
        region: String,
        /// The name of the secret that is the key's id.
        access_key_id: String,
        /// The name of the secret that is the key.
        secret_access_key: String,
        /// What the names of all objects begin with there.
        prefix: String,
    },
}

/// What a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Small values under keys: for `keyvalue` and `state`.
    KeyValue,
    /// Objects: for `blobstore`.
    Objects,
}

impl StoreSource {
    /// What it holds.
    pub const fn kind(&self) -> StoreKind {
        match self {
            Self::Memory | Self::File(_) | Self::Redis { .. } => StoreKind::KeyValue,
            Self::Folder(_) | Self::S3 { .. } => StoreKind::Objects,
        }
    }

    /// The names of the secrets that open it.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Memory | Self::File(_) | Self::Folder(_) => (None, None),
            Self::Redis { password, .. } => (password.as_ref(), None),
            Self::S3 { access_key_id, secret_access_key, .. } => {
                (Some(access_key_id), Some(secret_access_key))
            }
        };
        first.into_iter().chain(second).map(String::as_str)
    }
}

impl StoreKind {
    /// What is wrong with `name` where a store of this kind is needed, and how to put it right.
    pub(super) fn refuse(self, name: &str, binding: &str) -> (String, String) {
        let (holds, kinds) = match self {
            Self::KeyValue => ("keys and values", "`memory`, `file` or `redis`"),
            Self::Objects => ("objects", "`folder` or `s3`"),
        };
        let message = format!("`{binding}` needs a store of {holds}, and `{}` is none", clip(name));
        (message, format!("name a store with {kinds}"))
    }
}

/// The keys of a store; which of them go together is judged later.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreWords {
    #[serde(default, deserialize_with = "some")]
    memory: Option<MemoryWords>,
    file: Option<Word>,
    redis: Option<RedisWords>,
    folder: Option<Word>,
    s3: Option<S3Words>,
}

impl StoreWords {
    pub(super) fn is_redis(&self) -> bool {
        self.redis.is_some()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemoryWords {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedisWords {
    url: Word,
    username: Option<Word>,
    password: Option<Word>,
    prefix: Option<Word>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct S3Words {
    bucket: Word,
    endpoint: Option<Word>,
    region: Word,
    access_key_id: Word,
    secret_access_key: Word,
    prefix: Option<Word>,
}

pub(super) fn stores(entries: Entries<StoreWords>, secrets: &Secrets, base: &Path) -> Result<Stores, Fault> {
    if let Some((key, _)) = entries.0.get(MAX_STORES) {
        return Err(Fault::new(key.referenced.into(), format!("more than {MAX_STORES} stores")));
    }
    declared("store", entries, |name, words| store(name, words, secrets, base))
}

fn store(name: &Word, words: StoreWords, secrets: &Secrets, base: &Path) -> Result<StoreSource, Fault> {
    let path = |word| text("file name", word).map(|path| base.join(path));
    match words {
        StoreWords { memory: Some(MemoryWords {}), file: None, redis: None, folder: None, s3: None } => {
            Ok(StoreSource::Memory)
        }
        StoreWords { memory: None, file: Some(file), redis: None, folder: None, s3: None } => {
            path(file).map(StoreSource::File)
        }
        StoreWords { memory: None, file: None, redis: Some(redis), folder: None, s3: None } => {
            redis.read(secrets)
        }
        StoreWords { memory: None, file: None, redis: None, folder: Some(folder), s3: None } => {
            path(folder).map(StoreSource::Folder)
        }
        StoreWords { memory: None, file: None, redis: None, folder: None, s3: Some(s3) } => s3.read(secrets),
        _ => {
            let message = format!(
                "store `{}` needs exactly one of `memory`, `file`, `redis`, `folder` and `s3`",
                name.value
            );
            Err(Fault::new(name.referenced.into(), message))
        }
    }
}

impl RedisWords {
    fn read(self, secrets: &Secrets) -> Result<StoreSource, Fault> {
        Ok(StoreSource::Redis {
            url: redis_url(self.url)?,
            username: self.username.map(|word| text("user's name", word)).transpose()?,
            password: self.password.map(|word| known("secret", word, secrets)).transpose()?,
            prefix: prefix(self.prefix)?,
        })
    }
}

impl S3Words {
    fn read(self, secrets: &Secrets) -> Result<StoreSource, Fault> {
        Ok(StoreSource::S3 {
            bucket: label("bucket", self.bucket, 3)?,
            endpoint: self.endpoint.map(endpoint).transpose()?,
            region: label("region", self.region, 1)?,
            access_key_id: known("secret", self.access_key_id, secrets)?,
            secret_access_key: known("secret", self.secret_access_key, secrets)?,
            prefix: prefix(self.prefix)?,
        })
    }
}

fn redis_url(word: Word) -> Result<String, Fault> {
    let at = Position::from(word.referenced);
    let place = word.value.strip_prefix("redis://").or_else(|| word.value.strip_prefix("rediss://"));
    if place.is_some_and(|place| place.contains('@')) {
        let cure = "write `username`, and under `password` the name of a secret".to_owned();
        return Err(Fault::new(at, "a user and a password do not stand in a URL").suggesting(Some(cure)));
    }
    let good = place.is_some_and(|place| {
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let number = database.bytes().all(|byte| byte.is_ascii_digit()) && database.len() <= 9;
        number && Authority::parse(authority, Scheme::Http).is_ok()
    });
    if good {
        return Ok(word.value);
    }
    let cure = "write `redis://HOST:PORT/DATABASE`, or `rediss://` for TLS".to_owned();
    let message = format!("`{}` is no URL of a Redis server", clip(&word.value));
    Err(Fault::new(at, message).suggesting(Some(cure)))
}

/// Scheme, host and port; what comes behind them is for the requests.
fn endpoint(word: Word) -> Result<String, Fault> {
    let plain = word.value.trim_end_matches('/');
    let whole = |url: Url| url.path == "/" && !plain.contains(['?', '#']);
    if Url::parse(plain).is_ok_and(whole) {
        return Ok(plain.to_owned());
    }
    let message = format!("`{}` is no endpoint", clip(&word.value));
    let cure = "write `https://HOST` or `https://HOST:PORT`".to_owned();
    Err(Fault::new(word.referenced.into(), message).suggesting(Some(cure)))
}

/// A bucket or a region: both become part of host names and paths.
fn label(kind: &str, word: Word, shortest: usize) -> Result<String, Fault> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = word.value.as_bytes();
    let sized = (shortest..=63).contains(&bytes.len()) && !word.value.contains("..");
    if sized && word.value.bytes().all(inner) && ends(bytes.first().copied()) && ends(bytes.last().copied()) {
        return Ok(word.value);
    }
    let message = format!("`{}` is no name for a {kind}", clip(&word.value));
    let cure =
        format!("write {shortest} to 63 lower-case letters, digits, `-` and `.`, no mark at either end");
    Err(Fault::new(word.referenced.into(), message).suggesting(Some(cure)))
}

fn prefix(word: Option<Word>) -> Result<String, Fault> {
    let Some(word) = word else { return Ok(String::new()) };
    let good = |byte: u8| matches!(byte, b'!'..=b'~');
    if word.value.len() <= MAX_PREFIX && word.value.bytes().all(good) {
        return Ok(word.value);
    }
    let message = format!("a prefix has at most {MAX_PREFIX} printable ASCII characters and no space");
    Err(Fault::new(word.referenced.into(), message))
}
