//! Any text as a policy document: it is refused or compiled, it never panics, and a refusal points into the text.

use policy::{Document, Overrides, Policy};

/// One text.
pub(crate) fn run(text: &str) {
    match Document::parse(text) {
        Ok(document) => drop(Policy::compile(&document, &Overrides::default())),
        Err(fault) => assert!(fault.line >= 1 && fault.column >= 1, "{fault}"),
    }
}
