//! What names mean together: which handlers may stand in a chain, which hear of finished exchanges, and whether all of that still
//! holds where a later part of a document says anew what a name is.
//!
//! Receives names and what they stand for, hands on the first mistake. A part is judged where its words stand; what earlier parts said
//! is judged again at the end, at the word that made it wrong.

use std::collections::{BTreeMap, HashSet};

use super::{
    Document, HandlerSource, OnError, Route,
    read::{duplicate, known},
    source::{Entries, Word, Words},
    store::StoreKind,
};
use crate::{
    Fault,
    fault::{Position, clip},
};

/// Most handlers that one request goes through: each has a call of its own open until the last one has answered.
const MAX_CHAIN: usize = 8;
/// Most handlers that hear of each exchange.
const MAX_TAIL: usize = 8;

type Handlers = BTreeMap<String, HandlerSource>;

/// What is wrong with a chain.
struct Misfit {
    /// At which of its handlers.
    place: usize,
    message: String,
    cure: Option<&'static str>,
}

impl Misfit {
    fn at(self, at: Position) -> Fault {
        Fault::new(at, self.message).suggesting(self.cure.map(str::to_owned))
    }
}

/// The handlers that a request goes through, in their order.
pub(super) fn chain(words: Words, handlers: &Handlers) -> Result<Vec<String>, Fault> {
    if words.list.is_empty() {
        return Err(Fault::new(words.at, "no handler is named"));
    }
    let places: Vec<Position> = words.list.iter().map(|word| word.referenced.into()).collect();
    let names = words.list.into_iter().map(|word| known("handler", word, handlers));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let fault = |misfit: Misfit| {
        let at = places.get(misfit.place).copied().unwrap_or(words.at);
        misfit.at(at)
    };
    judge(&names, handlers).map_err(fault)?;
    Ok(names)
}

/// A program behind `inject` would be handed secrets that nobody granted to it. One whose failures do not matter would let requests
/// pass by failing. What is signed must not change any more.
fn judge(names: &[String], handlers: &Handlers) -> Result<(), Misfit> {
    let (mut injected, mut signed) = (false, false);
    for (place, name) in names.iter().enumerate() {
        let misfit = |message, cure| Err(Misfit { place, message, cure });
        if place == MAX_CHAIN {
            return misfit(format!("more than {MAX_CHAIN} handlers behind each other"), None);
        }
        match handlers.get(name) {
            Some(_) if signed => {
                let message = format!("`{}` would change what is signed before it", clip(name));
                return misfit(message, Some("name `sign` last"));
            }
            Some(HandlerSource::Sign(_)) => signed = true,
            Some(HandlerSource::Wasm(_)) if injected => {
                let message = format!("`{}` would see the secrets that are injected before it", clip(name));
                return misfit(message, Some("name it before them"));
            }
            Some(HandlerSource::Wasm(wasm)) if wasm.on_error == OnError::Pass => {
                let message =
                    format!("`{}` has `onError: pass`, and requests cannot go through it", clip(name));
                return misfit(message, Some("leave `onError` out, or name it under `tail` only"));
            }
            Some(handler) => injected |= handler.injects_secrets(),
            None => {}
        }
    }
    Ok(())
}

/// Those that hear of finished exchanges: `earlier` ones, and those that are not yet among them.
pub(super) fn tail(
    earlier: Vec<String>,
    words: Vec<Word>,
    handlers: &Handlers,
) -> Result<Vec<String>, Fault> {
    let (mut tail, mut seen) = (earlier, HashSet::new());
    for word in words {
        let at = Position::from(word.referenced);
        if !seen.insert(word.value.clone()) {
            return Err(duplicate(&word));
        }
        let name = known("handler", word, handlers)?;
        if !is_program(&name, handlers) {
            return Err(no_tail(&name, at));
        }
        if !tail.contains(&name) {
            tail.push(name);
        }
        if tail.len() > MAX_TAIL {
            return Err(Fault::new(at, format!("more than {MAX_TAIL} handlers under `tail`")));
        }
    }
    Ok(tail)
}

fn no_tail(name: &str, at: Position) -> Fault {
    Fault::new(at, format!("`{}` is no handler with `wasm`, and only such hear of exchanges", clip(name)))
}

/// The name of a handler with `wasm`.
pub(crate) fn program(word: Word, handlers: &Handlers) -> Result<String, Fault> {
    let at = Position::from(word.referenced);
    let name = known("handler", word, handlers)?;
    if is_program(&name, handlers) {
        return Ok(name);
    }
    let kind = handlers.get(&name).map_or("", HandlerSource::kind);
    Err(Fault::new(
        at,
        format!("`{}` is a handler with `{kind}`, and only those with `wasm` run a component", clip(&name)),
    ))
}

pub(super) fn is_program(name: &str, handlers: &Handlers) -> bool {
    matches!(handlers.get(name), Some(HandlerSource::Wasm(_)))
}

/// Where a part declares names.
pub(super) struct Places(BTreeMap<String, Position>);

impl Places {
    pub(super) fn of<V>(entries: &Entries<V>) -> Self {
        Self(entries.0.iter().map(|(key, _)| (key.value.clone(), key.referenced.into())).collect())
    }

    /// The place of the first of these names that is declared there.
    pub(super) fn find<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<Position> {
        names.into_iter().find_map(|name| self.0.get(name)).copied()
    }

    /// The same; without any, the start.
    pub(super) fn first<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Position {
        self.find(names.into_iter().map(String::as_str)).unwrap_or(Position::START)
    }
}

/// All of a document, with the places of what its last part declares.
pub(super) fn check(document: &Document, handlers: &Places, stores: &Places) -> Result<(), Fault> {
    let declared = &document.handlers;
    for Route { handlers: names, params, .. } in document.outbound_by_host.iter().chain(&document.outbound) {
        judge(names, declared).map_err(|misfit| misfit.at(handlers.first(names)))?;
        if params.is_some() && !names.iter().any(|name| is_program(name, declared)) {
            return Err(params_for_none(handlers.first(names)));
        }
    }
    if let Some(name) = document.tail.iter().find(|name| !is_program(name, declared)) {
        return Err(no_tail(name, handlers.first([name])));
    }
    for source in declared.values() {
        let HandlerSource::Wasm(wasm) = source else { continue };
        for (binding, kind, bound) in [
            ("keyvalue", StoreKind::KeyValue, &wasm.keyvalue),
            ("state", StoreKind::KeyValue, &wasm.state),
            ("blobstore", StoreKind::Objects, &wasm.blobstore),
        ] {
            let other = |name: &&String| document.stores.get(*name).is_none_or(|store| store.kind() != kind);
            if let Some(name) = bound.values().find(other) {
                let (message, cure) = kind.refuse(name, binding);
                return Err(Fault::new(stores.first([name]), message).suggesting(Some(cure)));
            }
        }
    }
    Ok(())
}

pub(super) fn params_for_none(at: Position) -> Fault {
    Fault::new(at, "`params` are for handlers with `wasm`, and none of these is one")
}
