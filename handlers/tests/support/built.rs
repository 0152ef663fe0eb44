//! The components that `make handlers-all` built.
//!
//! Receives a name; hands on the bytes, and fails the test if there are none.

use std::path::PathBuf;

/// The component of this name: `NAME` of `examples/NAME.js`, `LANGUAGE-NAME` of the other languages, `other-NAME`.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let beside_target = || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../handlers");
    let folder = std::env::var_os("HANDLERS_WASM_DIR").map_or_else(beside_target, PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    std::fs::read(&file)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make handlers-all`", file.display()))
}
