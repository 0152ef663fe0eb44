//! Handlers that are components: receives what the document says of one, hands on the program with everything that it is granted,
//! and the way to the other hosts that it may fetch from.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader},
    path::Path,
    sync::Arc,
};

use handlers::{
    Blobs, Handler, KeyValue, KeyValueGrant, Kind, LoadError, Named, RateLimit, Scope, Script, ScriptSettings,
};
use policy::{ComponentSource, ContentHash, Document, HandlerSource, Overrides, WasmSource};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    ConfigError, LazyEngine, Limits,
    load::read,
    stores::{OpenStores, Opened, Stores},
};
use crate::tail::{Queues, Tail};

/// Bytes of a component that are hashed at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Everything that handlers can be granted.
pub struct Granted<'a> {
    /// The stores, by name.
    pub stores: &'a OpenStores,
    /// Where counters are kept.
    pub kept: &'a Stores,
}

/// Makes handlers that are components.
pub struct Scripts<'a> {
    /// What there is to be granted.
    pub granted: Granted<'a>,
    /// What was set at run time.
    pub overrides: &'a Overrides,
    /// Compiles them.
    pub engine: &'a LazyEngine,
    /// What one call may use up.
    pub limits: &'a Limits,
}

impl Scripts<'_> {
    /// The handler of this name, which is handed `given` instead of its own parameters, if that is there. The component is the one
    /// that was set at run time, if one was.
    pub(super) fn named(
        &self,
        name: &str,
        wasm: &WasmSource,
        given: Option<&Value>,
    ) -> Result<Arc<Named>, ConfigError> {
        let handler = Handler::Script(self.script(name, wasm, given)?);
        let version = wasm.version.as_deref().map(Arc::from);
        Ok(Arc::new(Named { name: name.into(), version, handler }))
    }

    fn script(&self, name: &str, wasm: &WasmSource, given: Option<&Value>) -> Result<Script, ConfigError> {
        let wrong = |reason: String| ConfigError::Handler { name: name.to_owned(), reason };
        let engine = self.engine.get().map_err(|error| wrong(error.to_string()))?;
        let limit = |(binding, limit): (&String, &policy::RateLimit)| -> (String, Arc<RateLimit>) {
            (binding.clone(), self.granted.kept.rate_limit(name, binding, *limit))
        };
        let settings = ScriptSettings {
            params: given.unwrap_or(&wasm.params).clone(),
            secrets: wasm.secrets.iter().map(|name| name.as_str().into()).collect(),
            config: wasm.config.clone(),
            keyvalue: self.keyvalue(wasm),
            blobs: wasm
                .blobstore
                .iter()
                .filter_map(|(name, of)| Some((name.clone(), self.blobs(of)?)))
                .collect(),
            rate_limits: wasm.rate_limits.iter().map(limit).collect(),
            calls: wasm.calls,
            limits: self.limits.script(),
            counts: self.granted.kept.counts(name),
            ..ScriptSettings::named(name)
        };
        let script = match self.overrides.component(name, wasm) {
            ComponentSource::Path { path, sha256 } => {
                let right = |found: [u8; 32]| {
                    let found = check(ContentHash(found), *sha256);
                    found.map_err(|reason| wrong(format!("{}: {reason}", path.display())))
                };
                let hash = read(path, hash)?;
                right(hash)?;
                match engine.load_known(hash, settings.clone()) {
                    Err(LoadError::NotKept) => {
                        let bytes = read(path, |path| fs::read(path))?;
                        // It may have become another in the meantime.
                        right(Sha256::digest(&bytes).into())?;
                        engine.load(&bytes, settings)
                    }
                    loaded => loaded,
                }
            }
            ComponentSource::Hash(hash) => engine.load_known(hash.0, settings),
        };
        script.map_err(|error| wrong(error.to_string()))
    }

    // A store of the wrong kind was refused when the document was parsed.

    fn keyvalue(&self, wasm: &WasmSource) -> Vec<KeyValueGrant> {
        let store = |name: &String| -> Option<Arc<dyn KeyValue>> {
            match self.granted.stores.get(name)? {
                Opened::KeyValue(store) => Some(store.clone()),
                Opened::Blobs(_) => None,
            }
        };
        let grants = |bindings: &BTreeMap<String, String>, scope| {
            let grant = |(name, of): (&String, &String)| {
                Some(KeyValueGrant { name: name.clone(), store: store(of)?, scope })
            };
            bindings.iter().filter_map(grant).collect::<Vec<_>>()
        };
        [grants(&wasm.keyvalue, Scope::Shared), grants(&wasm.state, Scope::Instance)].concat()
    }

    fn blobs(&self, name: &str) -> Option<Arc<dyn Blobs>> {
        match self.granted.stores.get(name)? {
            Opened::Blobs(store) => Some(store.clone()),
            Opened::KeyValue(_) => None,
        }
    }
}

/// The tails of `document`, of its `handlers` and in its order, with what waits for them in `queues`.
pub(super) fn tails(
    document: &Document,
    handlers: &[Arc<Named>],
    queues: &Queues,
) -> Result<Vec<Tail>, ConfigError> {
    let mut tails = Vec::new();
    for name in &document.tail {
        let made = handlers.iter().find(|named| &*named.name == name).map(|named| &named.handler);
        // Other handlers were refused when the document was parsed.
        let (Some(HandlerSource::Wasm(wasm)), Some(Handler::Script(script))) =
            (document.handlers.get(name), made)
        else {
            continue;
        };
        if script.kind() != Kind::Tail {
            let reason =
                format!("it is named under `tail`, but its component is a {}", script.kind().as_str());
            return Err(ConfigError::Handler { name: name.clone(), reason });
        }
        tails.push(queues.tail(name, script.clone(), wasm.on_error));
    }
    Ok(tails)
}

/// SHA-256 of a file. It is read piece by piece, because most components are known by it already: their bytes in memory would
/// be a quarter of what a change of component takes.
fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    io::copy(&mut BufReader::with_capacity(PIECE_BYTES, File::open(path)?), &mut hasher)?;
    Ok(hasher.finalize().into())
}

/// Whether a file holds what the document says.
fn check(found: ContentHash, wanted: Option<ContentHash>) -> Result<(), String> {
    match wanted {
        Some(wanted) if wanted != found => Err(format!("its SHA-256 is {found}, and not {wanted}")),
        _ => Ok(()),
    }
}
