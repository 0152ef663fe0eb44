//! `handler inspect` and `handler check`: what a component is, and whether it would be loaded. Receives a file, and what a policy grants to
//! it; hands on lines for people or JSON, and the exit status.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use handlers::{Inspection, LoadError, ScriptSettings};
use policy::{ContentHash, HandlerSource, WasmSource};
use serde_json::{Value, json};

use super::{FAULTY, component};
use crate::{
    app::{in_file, read_policy},
    cache::CacheDir,
    config::{Document, LazyEngine},
};

/// It would not be loaded.
const REFUSED: u8 = 1;

pub(super) fn inspect(file: &Path, json: bool) -> anyhow::Result<u8> {
    match handlers::inspect(&component(file)?) {
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            return Ok(FAULTY);
        }
        Ok(found) if json => println!("{}", to_json(&found)),
        Ok(found) => print(&found),
    }
    Ok(0)
}

pub(super) fn check(file: &Path, policy: &[PathBuf], name: Option<&str>) -> anyhow::Result<u8> {
    let bytes = component(file)?;
    let granted = match name.map(|name| granted(policy, name)).transpose()? {
        Some(None) => return Ok(FAULTY),
        granted => granted.flatten(),
    };
    let found = match handlers::inspect(&bytes) {
        Ok(found) => found,
        Err(error) => return Ok(refused(&error)),
    };
    print(&found);
    if let Some(granted) = granted {
        let missing: Vec<_> = found.needs.iter().copied().filter(|need| !granted.contains(need)).collect();
        if !missing.is_empty() {
            println!("not granted  {} (it finds nothing there)", missing.join(", "));
        }
    }
    let settings = ScriptSettings::named("handler");
    let engine = LazyEngine::new(CacheDir::locate(None).open());
    match engine.get().and_then(|engine| engine.load(&bytes, settings)) {
        Ok(_) => {
            println!("ok");
            Ok(0)
        }
        Err(error) => Ok(refused(&error)),
    }
}

fn refused(error: &LoadError) -> u8 {
    println!("would not be loaded: {error}");
    REFUSED
}

/// The keys with which the policy grants something to the handler; none, which is told, if there is no such handler.
fn granted(policy: &[PathBuf], name: &str) -> anyhow::Result<Option<BTreeSet<&'static str>>> {
    let document = match Document::merge(read_policy(policy)?) {
        Ok(document) => document,
        Err(error) => {
            eprintln!("{}", in_file(policy, &error));
            return Ok(None);
        }
    };
    match document.parsed().handlers.get(name) {
        Some(HandlerSource::Wasm(wasm)) => Ok(Some(keys(wasm))),
        Some(_) => {
            eprintln!("the handler `{name}` is no WebAssembly component");
            Ok(None)
        }
        None => {
            eprintln!("the policy has no handler `{name}`");
            Ok(None)
        }
    }
}

/// The keys that have something in them.
fn keys(wasm: &WasmSource) -> BTreeSet<&'static str> {
    let keys = [
        ("secrets", wasm.secrets.is_empty()),
        ("config", wasm.config.is_empty()),
        ("keyvalue", wasm.keyvalue.is_empty() && wasm.state.is_empty()),
        ("blobstore", wasm.blobstore.is_empty()),
        ("rateLimits", wasm.rate_limits.is_empty()),
        ("fetch", wasm.fetch.is_empty()),
    ];
    keys.into_iter().filter_map(|(key, empty)| (!empty).then_some(key)).collect()
}

fn print(found: &Inspection) {
    let list = |title: &str, names: &[String]| {
        let mut names = names.iter();
        println!("{title:<13}{}", names.next().map_or("-", String::as_str));
        names.for_each(|name| println!("{:<13}{name}", ""));
    };
    println!("{:<13}{}", "kind", kind(found).unwrap_or("none: it exports nothing that a handler does"));
    println!("{:<13}{} bytes", "size", found.size);
    println!("{:<13}{}", "sha256", ContentHash(found.sha256));
    list("made by", &found.producers);
    list("exports", &found.exports);
    list("imports", &found.imports);
    println!(
        "{:<13}{}",
        "may use",
        if found.needs.is_empty() { "-".to_owned() } else { found.needs.join(", ") }
    );
}

fn to_json(found: &Inspection) -> Value {
    json!({
        "kind": kind(found),
        "size": found.size,
        "sha256": ContentHash(found.sha256).to_string(),
        "producers": found.producers,
        "exports": found.exports,
        "imports": found.imports,
        "needs": found.needs,
    })
}

fn kind(found: &Inspection) -> Option<&'static str> {
    found.kind.map(handlers::Kind::as_str)
}
