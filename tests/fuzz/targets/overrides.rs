//! Any text as what was changed at run time: it is refused or compiled, and what is printed of it is read back the same.

use std::sync::LazyLock;

use policy::{Document, Overrides, Policy};

static DOCUMENTS: LazyLock<[Document; 2]> = LazyLock::new(|| {
    ["", "compat: cloudflare\n"].map(|compat| {
        let text = format!(
            "{compat}deniedHosts: [evil.test]\nallowedHosts: ['*.test']\nhandlers: {{ h: {{ deny: {{}} }} }}"
        );
        Document::parse(&text).expect("a valid document")
    })
});

/// One text.
pub(crate) fn run(text: &str) {
    for document in DOCUMENTS.iter() {
        match Overrides::parse(text, document) {
            Ok(overrides) => {
                let again = Overrides::parse(&overrides.to_json().to_string(), document);
                assert_eq!(again.as_ref(), Ok(&overrides));
                drop(Policy::compile(document, &overrides));
            }
            Err(fault) => assert!(fault.line >= 1 && fault.column >= 1, "{fault}"),
        }
    }
}
