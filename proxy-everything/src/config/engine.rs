//! The WebAssembly engine, made when the first program is loaded: an instance whose handlers are all built in never pays
//! for its threads and its reserved address space.

use std::sync::OnceLock;

use handlers::{Cache, Engine, LoadError};

/// One engine for all generations of an instance.
#[derive(Default)]
pub struct LazyEngine {
    engine: OnceLock<Engine>,
    cache: Option<Cache>,
}

impl LazyEngine {
    /// One that keeps what it compiles in `cache`, if there is one.
    pub fn new(cache: Option<Cache>) -> Self {
        Self { engine: OnceLock::new(), cache }
    }

    /// The engine. Of two callers at once one's effort is wasted, which is harmless.
    pub fn get(&self) -> Result<&Engine, LoadError> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Engine::new(self.cache.clone())?;
        Ok(self.engine.get_or_init(|| engine))
    }
}
