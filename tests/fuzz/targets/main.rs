//! libFuzzer around the target that `FUZZ_TARGET` names; `tools/fuzz` says how it is built and run.
#![no_main]

use std::sync::LazyLock;

use fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(name, _)| *name == wanted);
    found.unwrap_or_else(|| panic!("FUZZ_TARGET is none of them: {wanted}")).1
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
