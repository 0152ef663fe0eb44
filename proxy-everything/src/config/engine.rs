//! The WebAssembly engine, made when the first program is loaded: an instance whose handlers are all built in never pays
//! for its threads and its reserved address space.

use std::sync::OnceLock;

use handlers::{Engine, LoadError};

/// One engine for all generations of an instance.
#[derive(Default)]
pub struct LazyEngine(OnceLock<Engine>);

impl LazyEngine {
    /// The engine. Of two callers at once one's effort is wasted, which is harmless.
    pub fn get(&self) -> Result<&Engine, LoadError> {
        if let Some(engine) = self.0.get() {
            return Ok(engine);
        }
        let engine = Engine::new()?;
        Ok(self.0.get_or_init(|| engine))
    }
}
