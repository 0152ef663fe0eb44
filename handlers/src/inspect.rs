//! What a component says of itself, found without compiling or running it.
//!
//! Receives a component's bytes; hands on its kind, what it imports and exports, what made it, and which keys of the
//! policy grant what it asks for. A component imports all that its SDK offers: what it may ask for is not what it needs.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, CustomSectionReader, Encoding, KnownCustom, Parser, Payload,
};

use crate::LoadError;

/// Which key of a handler in the policy grants what an interface gives. `state` is the same interface as `keyvalue`.
const GRANTS: [(&str, &str); 8] = [
    ("egress:handler/http", "fetch"),
    ("wasi:http/outgoing-handler", "fetch"),
    ("wasi:http/client", "fetch"),
    ("egress:handler/secrets", "secrets"),
    ("wasi:config/store", "config"),
    ("wasi:keyvalue/", "keyvalue"),
    ("egress:handler/blobstore", "blobstore"),
    ("egress:handler/rate-limit", "rateLimits"),
];

/// A component, as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What it can be used as; none if it exports nothing that a handler does.
    pub kind: Option<Kind>,
    /// The interfaces and functions that it wants.
    pub imports: Vec<String>,
    /// The interfaces and functions that it offers.
    pub exports: Vec<String>,
    /// Bytes, as given.
    pub size: usize,
    /// Of the bytes as given, by which a policy can name it.
    pub sha256: [u8; 32],
    /// The languages and tools that say they made it, with their versions, in order.
    pub producers: Vec<String>,
    /// The keys of a handler in the policy that give it something to find in what it imports, in order.
    pub needs: Vec<&'static str>,
}

/// What a component can be used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Exports `handle`.
    Handler,
    /// Exports `on-request`, `on-response` or both.
    Filter,
    /// Exports `wasi:http/incoming-handler@0.2`.
    WasiHttp02,
    /// Exports `wasi:http/handler@0.3`.
    WasiHttp03,
    /// Exports `tail`.
    Tail,
}

impl Kind {
    /// One word, the same wherever it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Filter => "filter",
            Self::WasiHttp02 => "wasi:http@0.2",
            Self::WasiHttp03 => "wasi:http@0.3",
            Self::Tail => "tail",
        }
    }

    /// Of several, the first in the order above.
    pub(crate) fn of(exports: &[String]) -> Option<Self> {
        let has = |wanted: &str| exports.iter().any(|name| name == wanted);
        let begins = |prefix: &str| exports.iter().any(|name| name.starts_with(prefix));
        let kinds = [
            (has("handle"), Self::Handler),
            (has("on-request") || has("on-response"), Self::Filter),
            (begins("wasi:http/incoming-handler@0.2."), Self::WasiHttp02),
            (begins("wasi:http/handler@0.3."), Self::WasiHttp03),
            (has("tail"), Self::Tail),
        ];
        kinds.into_iter().find_map(|(found, kind)| found.then_some(kind))
    }
}

/// Looks at a component, binary or text.
pub fn inspect(component: &[u8]) -> Result<Inspection, LoadError> {
    let binary = wat::parse_bytes(component).map_err(|error| LoadError::Invalid(error.to_string()))?;
    let found = read(&binary).map_err(|error| LoadError::Invalid(error.to_string()))?;
    if !found.is_component {
        return Err(LoadError::Invalid(
            "it is a core module; a component is made of it by an SDK".to_owned(),
        ));
    }
    let asks = |prefix: &str| found.imports.iter().any(|name| name.starts_with(prefix));
    let needs: BTreeSet<_> =
        GRANTS.iter().filter(|(prefix, _)| asks(prefix)).map(|(_, grant)| *grant).collect();
    Ok(Inspection {
        kind: Kind::of(&found.exports),
        imports: found.imports,
        exports: found.exports,
        size: component.len(),
        sha256: Sha256::digest(component).into(),
        producers: found.producers.into_iter().collect(),
        needs: needs.into_iter().collect(),
    })
}

#[derive(Default)]
struct Found {
    is_component: bool,
    imports: Vec<String>,
    exports: Vec<String>,
    producers: BTreeSet<String>,
}

fn read(binary: &[u8]) -> wasmparser::Result<Found> {
    let mut found = Found::default();
    // How many modules and components there are around what is being read.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(binary) {
        match payload? {
            Payload::Version { encoding, .. } if depth == 0 => {
                found.is_component = encoding == Encoding::Component;
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import?;
                    if matches!(import.ty, ComponentTypeRef::Func(_) | ComponentTypeRef::Instance(_)) {
                        found.imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export?;
                    if matches!(export.kind, ComponentExternalKind::Func | ComponentExternalKind::Instance) {
                        found.exports.push(export.name.name.to_owned());
                    }
                }
            }
            Payload::CustomSection(section) => found.producers.extend(producers(&section)),
            _ => {}
        }
    }
    Ok(found)
}

/// What is damaged is left out: it is for people only.
fn producers(section: &CustomSectionReader<'_>) -> Vec<String> {
    let KnownCustom::Producers(fields) = section.as_known() else { return Vec::new() };
    let fields = fields.into_iter().flatten();
    let values = fields.flat_map(|field| field.values.into_iter().flatten());
    values.map(|value| format!("{} {}", value.name, value.version).trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exporting(names: &[&str]) -> Inspection {
        let functions: String =
            names.iter().map(|name| format!("(export \"{name}\" ({}))", kind_of(name))).collect();
        inspect(format!("(component (import \"f\" (func $f)) (instance $i) {functions})").as_bytes()).unwrap()
    }

    fn kind_of(name: &str) -> &'static str {
        if name.contains(':') { "instance $i" } else { "func $f" }
    }

    #[test]
    fn kinds_are_told_by_exports() {
        for (exports, kind) in [
            (&["handle"][..], Some(Kind::Handler)),
            (&["on-request"], Some(Kind::Filter)),
            (&["on-response"], Some(Kind::Filter)),
            (&["on-request", "on-response"], Some(Kind::Filter)),
            (&["wasi:http/incoming-handler@0.2.3"], Some(Kind::WasiHttp02)),
            (&["wasi:http/handler@0.3.0"], Some(Kind::WasiHttp03)),
            (&["tail"], Some(Kind::Tail)),
            (&["tail", "handle"], Some(Kind::Handler)),
            (&["other", "wasi:http/incoming-handler@0.3.0"], None),
            (&[], None),
        ] {
            let found = exporting(exports);
            assert_eq!(found.kind, kind, "{exports:?}");
            assert_eq!(found.exports, exports);
        }
    }

    #[test]
    fn imports_tell_what_may_be_granted() {
        let imports =
            ["egress:handler/secrets@0.1.0", "wasi:keyvalue/store@0.2.0-draft", "wasi:io/error@0.2.6"];
        let text: String = imports.iter().map(|name| format!("(import \"{name}\" (instance))")).collect();
        // What is inside of it does not count.
        let text = format!("(component {text} (component (import \"wasi:config/store@0.2.0\" (instance))))");
        let found = inspect(text.as_bytes()).unwrap();
        assert_eq!(found.imports, imports);
        assert_eq!(found.needs, ["keyvalue", "secrets"]);
        assert_eq!((found.size, found.sha256), (text.len(), Sha256::digest(&text).into()));
    }

    #[test]
    fn what_made_it_is_read_wherever_it_stands() {
        let section = r#"(@producers (language "Rust" "2024") (processed-by "rustc" "1.95"))"#;
        let found = inspect(format!("(component (core module {section}))").as_bytes()).unwrap();
        assert_eq!(found.producers, ["Rust 2024", "rustc 1.95"]);
    }

    #[test]
    fn what_is_no_component_is_refused() {
        for bytes in
            [&b""[..], b"(module)", b"(component", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0\xff", b"text"]
        {
            assert!(matches!(inspect(bytes), Err(LoadError::Invalid(_))), "{bytes:?}");
        }
    }
}
