//! Components on disk: as they were given, and compiled.
//!
//! Receives compiled components and their hashes; hands on the same ones to a later process, in milliseconds instead of
//! the second or ten that compiling takes. Compiled code is believed only with a tag that nobody without the key could
//! have made; the key lives in a folder of its own, which may be gone after a restart of the machine. Everything that is
//! amiss with a file means that it is removed and the component compiled anew.

mod seal;

use std::{
    collections::BTreeMap,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::fd::AsRawFd,
    path::Path,
    sync::Arc,
    time::Instant,
};

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use super::{
    engine::ContentHash,
    folder::{Entry, Existing, Folder},
};
use seal::Seal;

/// The file with the key.
const KEY: &str = "components.key";

/// Bytes of the key.
const KEY_BYTES: usize = 32;

/// The largest compiled component that is kept, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// What is kept at most.
const BOUNDS: Bounds = Bounds { components: 64, bytes: 1 << 30 };

/// Components that are kept on disk for later processes of the same user. A clone is the same cache.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    folder: Folder,
    key: hmac::Key,
    bounds: Bounds,
}

#[derive(Clone, Copy)]
struct Bounds {
    /// Each with all files that are of it.
    components: usize,
    /// Of all files together.
    bytes: u64,
}

impl Cache {
    /// Opens the cache in `folder`, with a key from the folder `keys`; makes what is not there. Both must belong to this
    /// user and be closed to others (mode 0700). Whoever can write into both can make this process run machine code.
    pub fn open(folder: &Path, keys: &Path) -> io::Result<Self> {
        Self::bounded(folder, keys, BOUNDS)
    }

    fn bounded(folder: &Path, keys: &Path, bounds: Bounds) -> io::Result<Self> {
        let key = key(&Folder::open(keys)?)?;
        Ok(Self(Arc::new(Inner { folder: Folder::open(folder)?, key, bounds })))
    }

    /// The component with this hash, as it was given, if it was loaded before.
    pub(super) fn given(&self, hash: &ContentHash) -> Option<Vec<u8>> {
        let name = given_name(hash);
        let bytes = self.believed(&name, self.0.folder.read(&name, MAX_FILE_BYTES))?;
        let right = Sha256::digest(&bytes).as_slice() == hash;
        if !right {
            self.0.folder.remove(&name);
        }
        right.then_some(bytes)
    }

    /// The component with this hash, compiled for this engine.
    pub(super) fn compiled(&self, engine: &Engine, hash: &ContentHash) -> Option<Component> {
        let begun = Instant::now();
        let name = compiled_name(engine, hash);
        let (file, size) = self.believed(&name, self.0.folder.file(&name, MAX_FILE_BYTES))?;
        let code = self.seal(&name).and_then(|seal| seal.copy(file, size));
        let found = loaded(engine, &self.believed(&name, code.map(Some))?);
        match &found {
            Some(_) => tracing::debug!(took = ?begun.elapsed(), name, "a compiled handler was kept"),
            None => self.0.folder.remove(&name),
        }
        found
    }

    /// Keeps a component, as it was given and compiled. What cannot be kept will be compiled again.
    pub(super) fn keep(&self, hash: &ContentHash, given: &[u8], compiled: &Component) {
        if let Err(error) = self.try_keep(hash, given, compiled) {
            tracing::warn!(%error, "a compiled handler cannot be kept");
        }
    }

    fn try_keep(&self, hash: &ContentHash, given: &[u8], compiled: &Component) -> io::Result<()> {
        let folder = &self.0.folder;
        folder.write(&given_name(hash), &[given], Existing::Replace)?;
        let code = compiled.serialize().map_err(|error| io::Error::other(format!("{error:#}")))?;
        let name = compiled_name(compiled.engine(), hash);
        let seal = self.seal(&name)?.of(random()?, &code)?;
        folder.write(&name, &[&seal, &code], Existing::Replace)?;
        self.prune()
    }

    /// What seals the file of this name: by a key of that name.
    fn seal(&self, name: &str) -> io::Result<Seal> {
        Seal::new(hmac::sign(&self.0.key, name.as_bytes()).as_ref())
    }

    /// What was found of the file `name`, which is removed if that went wrong.
    fn believed<T>(&self, name: &str, found: io::Result<Option<T>>) -> Option<T> {
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, name, "a file of the handlers' cache is not used");
            self.0.folder.remove(name);
            None
        })
    }

    /// Removes what was not used for longest, until the rest is within the bounds.
    fn prune(&self) -> io::Result<()> {
        let Inner { folder, bounds, .. } = &*self.0;
        // A component's files live and go together.
        let mut components: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for entry in folder.list()? {
            let hash = entry.name.get(..64).unwrap_or(&entry.name).to_owned();
            components.entry(hash).or_default().push(entry);
        }
        let mut components: Vec<_> = components.into_values().collect();
        components.sort_by_key(|files| files.iter().map(|file| file.used).max());
        let size = |files: &[Entry]| files.iter().map(|file| file.size).sum::<u64>();
        let mut bytes: u64 = components.iter().map(|files| size(files)).sum();
        let mut left = components.len();
        for files in components {
            if left <= bounds.components && bytes <= bounds.bytes {
                break;
            }
            left -= 1;
            bytes -= size(&files);
            files.iter().for_each(|file| folder.remove(&file.name));
        }
        Ok(())
    }
}

/// The component whose code is in this file.
#[expect(unsafe_code, reason = "compiled code cannot be checked by looking at it")]
fn loaded(engine: &Engine, code: &File) -> Option<Component> {
    let path = format!("/proc/self/fd/{}", code.as_raw_fd());
    // SAFETY: the file must hold what `Component::serialize` gave, and not change while the component exists. The seal says
    // that a process with our key wrote exactly these bytes under exactly this name, which holds the component's hash and
    // the engine's: neither an accident nor somebody who can write into the folder, but not into that of the key, can make
    // one. They are a copy in memory, of ours alone, that has taken no writes since the seal was verified and never will.
    unsafe { Component::deserialize_file(engine, path) }.ok()
}

/// The key of this user's caches: the first process makes it.
fn key(folder: &Folder) -> io::Result<hmac::Key> {
    folder.write(KEY, &[&random::<KEY_BYTES>()?], Existing::Keep)?;
    let key = folder.read(KEY, 2 * KEY_BYTES as u64)?;
    let key = key.filter(|key| key.len() == KEY_BYTES);
    let key = key.ok_or_else(|| io::Error::other("the key is damaged: remove it"))?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

fn random<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(bytes)
}

fn given_name(hash: &ContentHash) -> String {
    format!("{}.wasm", HEXLOWER.encode(hash))
}

fn compiled_name(engine: &Engine, hash: &ContentHash) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{:016x}.cwasm", HEXLOWER.encode(hash), hasher.finish())
}

#[cfg(test)]
mod tests;
