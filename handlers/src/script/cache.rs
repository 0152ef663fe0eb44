//! Components on disk: as they were given, and compiled.
//!
//! Receives compiled components and their hashes; hands on the same ones to a later process, in milliseconds instead of
//! the second or ten that compiling takes. Compiled code is believed only with a tag that nobody without the key could
//! have made; the key lives in a folder of its own, which may be gone after a restart of the machine. Everything that is
//! amiss with a file means that it is removed and the component compiled anew.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
    sync::Arc,
    time::Instant,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey},
    constant_time::verify_slices_are_equal,
    error::Unspecified,
    hmac,
};
use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use super::{
    engine::ContentHash,
    folder::{Entry, Existing, Folder},
};

/// The file with the key.
const KEY: &str = "components.key";

/// Bytes of the key.
const KEY_BYTES: usize = 32;

/// What a file of compiled code begins with: a nonce, and the tag that belongs to it. 16 is the tag's length.
const SEAL_BYTES: usize = NONCE_LEN + 16;

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
        let bytes = self.read(&name)?;
        let right = Sha256::digest(&bytes).as_slice() == hash;
        if !right {
            self.0.folder.remove(&name);
        }
        right.then_some(bytes)
    }

    /// The component with this hash, compiled for this engine.
    #[expect(unsafe_code, reason = "compiled code cannot be checked by looking at it")]
    pub(super) fn compiled(&self, engine: &Engine, hash: &ContentHash) -> Option<Component> {
        let begun = Instant::now();
        let name = compiled_name(engine, hash);
        let bytes = self.read(&name)?;
        let found = bytes.split_at_checked(SEAL_BYTES).and_then(|(seal, code)| {
            let (nonce, tag) = seal.split_first_chunk()?;
            verify_slices_are_equal(tag, self.tag(&name, *nonce, code).ok()?.as_ref()).ok()?;
            // SAFETY: the bytes must be what `Component::serialize` gave, unchanged. The tag says that a process with
            // our key wrote exactly these under exactly this name, which holds the component's hash and the engine's:
            // neither an accident nor somebody who can write into the folder, but not into that of the key, can make
            // one. They are in memory of ours while the tag is verified and until wasmtime has copied them, so that
            // the file may change meanwhile.
            unsafe { Component::deserialize(engine, code) }.ok()
        });
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
        let nonce = random()?;
        let tag = self.tag(&name, nonce, &code).map_err(|_| io::Error::other("no tag can be made"))?;
        folder.write(&name, &[&nonce, tag.as_ref(), &code], Existing::Replace)?;
        self.prune()
    }

    /// What only we can make of a file's name and content: AES-256-GMAC (NIST SP 800-38D, 6.2) by a key of this name. It takes a
    /// fifth of the time of HMAC-SHA256, which was a third of that of a change of component.
    fn tag(&self, name: &str, nonce: [u8; NONCE_LEN], code: &[u8]) -> Result<Tag, Unspecified> {
        let key = hmac::sign(&self.0.key, name.as_bytes());
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref())?);
        key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(code), &mut [])
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.0.folder.read(name, MAX_FILE_BYTES).unwrap_or_else(|error| {
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
    format!("{}.wasm", hex(hash))
}

fn compiled_name(engine: &Engine, hash: &ContentHash) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{:016x}.cwasm", hex(hash), hasher.finish())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
