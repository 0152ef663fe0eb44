//! Which handlers are in force, and what became of their calls. Receives a generation, hands on JSON: of a component, which it is and how
//! it fares; of a built-in one, only its name and its kind. Nothing here says what a handler was granted.

use handlers::{Handler, Named, Script};
use policy::{ComponentSource, ContentHash, HandlerSource};
use serde_json::{Map, Value, json};

use crate::config::Generation;

pub(super) fn list(generation: &Generation) -> Value {
    let handlers: Vec<_> = generation.handlers().iter().map(|named| one(named, generation)).collect();
    json!({ "generation": generation.number(), "handlers": handlers })
}

fn one(named: &Named, generation: &Generation) -> Value {
    let kind = match &named.handler {
        Handler::Deny(_) => "deny",
        Handler::Inject(_) => "inject",
        Handler::Respond(_) => "respond",
        Handler::Sign(_) => "sign",
        Handler::Script(script) => return component(named, script, generation),
    };
    json!({ "name": &*named.name, "kind": kind })
}

fn component(named: &Named, script: &Script, generation: &Generation) -> Value {
    let source = generation.document().parsed().handlers.get(&*named.name);
    let path = match source {
        Some(HandlerSource::Wasm(wasm)) => match generation.overrides().component(&named.name, wasm) {
            ComponentSource::Path { path, .. } => Some(path.display().to_string()),
            ComponentSource::Hash(_) => None,
        },
        _ => None,
    };
    let counts = script.counts();
    let faults: Map<String, Value> =
        counts.faults().map(|(kind, count)| (kind.to_owned(), count.into())).collect();
    json!({
        "name": &*named.name,
        "kind": script.kind().as_str(),
        "version": named.version,
        "sha256": ContentHash(script.sha256()).to_string(),
        "path": path,
        "instances": counts.instances(),
        "calls": counts.calls(),
        "faults": faults,
    })
}
