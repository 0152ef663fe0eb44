//! Any text as a policy document: it is refused or compiled, it never panics, and a refusal points into the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::{Document, Overrides, Policy};

fuzz_target!(|text: &str| match Document::parse(text) {
    Ok(document) => drop(Policy::compile(&document, &Overrides::default())),
    Err(fault) => assert!(fault.line >= 1 && fault.column >= 1, "{fault}"),
});
