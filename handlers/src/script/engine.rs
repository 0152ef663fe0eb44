//! The WebAssembly engine: compiles components, and owns the threads that guests run on.
//!
//! Receives the bytes of components; hands on scripts that are ready to be called. Compiled code is kept for a while
//! by its content, in memory and by a [`Cache`] on disk, so that a policy that is loaded again does not compile again.
//! Guests have threads of their own for what takes longer than a tick: one that computes never delays the proxy's
//! connections for long.

use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::runtime::{self, Runtime};
use wasmtime::{
    Config, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::{Component, Linker},
};

use super::{
    Cache, Script, ScriptSettings, instances::Instances, kind::Linked, limits::MAX_TABLE_ELEMENTS, link,
    state::State, ticker::Ticker,
};
use crate::{Kind, LoadError, inspect};

/// The largest component that is accepted, in bytes; Python's are about 20 MiB.
const MAX_COMPONENT_BYTES: usize = 32 << 20;

/// Compiled components that are kept.
const MAX_COMPILED: usize = 16;

/// Guests run on as many threads.
const THREADS: usize = 2;

/// The largest linear memory that any script can be given, in bytes.
const MAX_MEMORY_BYTES: usize = 1 << 30;

/// Instances of all scripts of one [`Machine`] at once. Each reserves address space, and uses memory only when it exists.
const MAX_INSTANCES: u32 = 256;

/// Memories of one component: few enough that all instances of one handler leave half of the places to the others.
const MAX_MEMORIES: u32 = 4;

/// Tables of one component, for the same reason.
const MAX_TABLES: u32 = 8;

/// Bytes of a guest's stack; the rest of [`FIBER_STACK_BYTES`] is for the host functions that it calls.
const GUEST_STACK_BYTES: usize = 512 << 10;

/// Bytes of the stack that a guest and the host functions it calls run on.
const FIBER_STACK_BYTES: usize = 2 << 20;

/// Compiles components and runs them on threads of its own. One for the whole process.
pub struct Engine {
    /// For whoever can wait for several things at once: our own handlers, and WASI 0.3.
    concurrent: Machine,
    /// For the others. What wasmtime does for concurrent guests is more than all that a filter does.
    sequential: Machine,
    ticker: Arc<Ticker>,
    /// None only while it is being dropped.
    runtime: Option<Runtime>,
    /// The one used last is last.
    compiled: Mutex<Vec<(ContentHash, Component)>>,
    cache: Option<Cache>,
}

/// What compiles and links.
struct Machine {
    wasmtime: wasmtime::Engine,
    /// The same for all: what a component may not use is refused when it asks for it.
    linker: Linker<State>,
}

/// SHA-256 of a component's bytes.
pub(super) type ContentHash = [u8; 32];

impl Engine {
    /// Starts the engine and its threads. What it compiles is kept in `cache` too, if there is one.
    pub fn new(cache: Option<Cache>) -> Result<Self, LoadError> {
        let concurrent = Machine::new(config().wasm_component_model_async(true), link::concurrent)?;
        let sequential = Machine::new(config().concurrency_support(false), link::sequential)?;
        let ticker = Ticker::start([concurrent.wasmtime.clone(), sequential.wasmtime.clone()])?;
        let ticker = Arc::new(ticker);
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("handler")
            // A guest that computes is polled once a tick. By tokio's defaults, deadlines would be looked at after
            // every 61st poll only, and new calls not after each.
            .global_queue_interval(1)
            .event_interval(4)
            .enable_time()
            .build()
            .map_err(|error| LoadError::Engine(error.to_string()))?;
        let compiled = Mutex::default();
        Ok(Self { concurrent, sequential, ticker, runtime: Some(runtime), compiled, cache })
    }

    /// Compiles a component, binary or text; blocks for about a second if these bytes are in no cache.
    pub fn load(&self, component: &[u8], settings: ScriptSettings) -> Result<Script, LoadError> {
        if component.len() > MAX_COMPONENT_BYTES {
            return Err(LoadError::TooLarge { bytes: component.len(), limit: MAX_COMPONENT_BYTES });
        }
        let hash = ContentHash::from(Sha256::digest(component));
        let component = self.component(&hash, || self.kept_or_compiled(component, &hash))?;
        self.link(hash, &component, settings)
    }

    /// The same for a component that was loaded before, by the SHA-256 of its bytes, if it is still kept.
    pub fn load_known(&self, hash: [u8; 32], settings: ScriptSettings) -> Result<Script, LoadError> {
        let component = self.component(&hash, || match self.kept(&hash) {
            Some(component) => Ok(component),
            None => {
                let given = self.cache.as_ref().and_then(|cache| cache.given(&hash));
                self.kept_or_compiled(&given.ok_or(LoadError::NotKept)?, &hash)
            }
        })?;
        self.link(hash, &component, settings)
    }

    /// The compiled component, which becomes the one used last. The lock is held while it is made: who wants the same meanwhile
    /// waits instead of making it too.
    fn component(
        &self,
        hash: &ContentHash,
        make: impl FnOnce() -> Result<Component, LoadError>,
    ) -> Result<Component, LoadError> {
        let mut kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(of, _)| of == hash);
        let component = match place.map(|place| kept.remove(place)) {
            Some((_, component)) => component,
            None => make()?,
        };
        kept.push((*hash, component.clone()));
        if kept.len() > MAX_COMPILED {
            kept.remove(0);
        }
        Ok(component)
    }

    fn link(
        &self,
        hash: ContentHash,
        component: &Component,
        settings: ScriptSettings,
    ) -> Result<Script, LoadError> {
        let machine = match wasmtime::Engine::same(component.engine(), &self.sequential.wasmtime) {
            true => &self.sequential,
            false => &self.concurrent,
        };
        let linked = machine.linker.instantiate_pre(component);
        let linked = linked.map_err(|error| LoadError::Import(format!("{error:#}")))?;
        let linked = Linked::new(linked)?;
        let runtime = self.runtime.as_ref().ok_or_else(|| LoadError::Engine("stopped".to_owned()))?;
        let settings = Arc::new(settings);
        let instances = Arc::new(Instances::new(settings.clone(), linked, self.ticker.clone()));
        let (ticker, runtime) = (self.ticker.clone(), runtime.handle().clone());
        Ok(Script { settings, hash, instances, ticker, runtime })
    }

    fn kept_or_compiled(&self, bytes: &[u8], hash: &ContentHash) -> Result<Component, LoadError> {
        if let Some(found) = self.kept(hash) {
            return Ok(found);
        }
        let component = self.compiled(bytes)?;
        if let Some(cache) = &self.cache {
            cache.keep(hash, bytes, &component);
        }
        Ok(component)
    }

    fn kept(&self, hash: &ContentHash) -> Option<Component> {
        let cache = self.cache.as_ref()?;
        let machines = [&self.concurrent, &self.sequential];
        machines.into_iter().find_map(|machine| cache.compiled(&machine.wasmtime, hash))
    }

    fn compiled(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        let kind = inspect(bytes)?.kind;
        if matches!(kind, Some(Kind::Filter | Kind::WasiHttp02))
            // One that is concurrent inside is nevertheless welcome.
            && let Ok(component) = Component::new(&self.sequential.wasmtime, bytes)
        {
            return Ok(component);
        }
        let component = Component::new(&self.concurrent.wasmtime, bytes);
        component.map_err(|error| LoadError::Invalid(format!("{error:#}")))
    }
}

impl Machine {
    fn new(
        config: &Config,
        linker: impl FnOnce(&wasmtime::Engine) -> wasmtime::Result<Linker<State>>,
    ) -> Result<Self, LoadError> {
        let made = wasmtime::Engine::new(config)
            .and_then(|wasmtime| Ok(Self { linker: linker(&wasmtime)?, wasmtime }));
        made.map_err(|error| LoadError::Engine(format!("{error:#}")))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its tasks, which panics when that is done on another runtime's thread.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(MAX_INSTANCES)
        .total_memories(MAX_INSTANCES)
        .total_stacks(MAX_INSTANCES)
        .total_tables(2 * MAX_INSTANCES)
        .total_core_instances(8 * MAX_INSTANCES)
        .max_memory_size(MAX_MEMORY_BYTES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES);
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // Tables for debuggers and for the offsets in stack traces, of which none is shown. They would be a good part
        // of what is kept, verified and copied for each component.
        .generate_address_map(false)
        .native_unwind_info(false)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
