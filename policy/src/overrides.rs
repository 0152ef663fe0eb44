//! What was changed while the instance ran: lists and handlers that take the place of the document's, or go before them.
//!
//! Receives single changes, with Cloudflare's names and meanings (`change`), and hands on the whole; nothing is in force until a
//! policy is compiled with it. A change to a list starts from the list that is in force, so the first one copies the document's.

mod change;

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

pub use change::Verb;

use crate::{
    ComponentSource, Document, Entry, Fault, Origin, Pattern, Route, WasmSource,
    document::{
        ComponentWords, OverrideSource, Rules, Word, allowed_entry, catch_all, denied_entry, object,
        parse_body, program, routes, routes_to_json,
    },
    fault::Position,
};

/// All that was changed. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// In place of the document's.
    pub denied_hosts: Option<Vec<Entry>>,
    /// In place of the document's.
    pub allowed_hosts: Option<Vec<Entry>>,
    /// Asked before those of the document. Rules with one pattern stand together.
    pub outbound_by_host: Vec<Route>,
    /// Asked before the document's.
    pub outbound: Vec<Route>,
    /// Which components handlers of the document run, in place of their own; all else about these handlers stays.
    pub handlers: BTreeMap<String, ComponentSource>,
}

impl Overrides {
    /// Reads what [`Overrides::to_json`] prints, or parts of it: `deniedHosts`, `allowedHosts`, `outboundByHost` and `outbound`, as a
    /// document spells them, and `handlers` with `wasm` and `sha256` only. Handlers must be those of `document`. No text at all is a fault.
    pub fn parse(text: &str, document: &Document) -> Result<Self, Fault> {
        let OverrideSource { denied_hosts, allowed_hosts, outbound_by_host, outbound, handlers } =
            parse_body(text)?;
        let component = |(name, words)| component(name, words, document);
        let mut rules = Rules::new(document.compat, Origin::RunTime);
        Ok(Self {
            denied_hosts: denied_hosts.map(|words| rules.list(words, denied_entry)).transpose()?,
            allowed_hosts: allowed_hosts.map(|words| rules.list(words, allowed_entry)).transpose()?,
            outbound_by_host: routes(Vec::new(), outbound_by_host, &mut rules, &document.handlers)?,
            outbound: outbound
                .map(|words| catch_all(words, &mut rules, &document.handlers))
                .transpose()?
                .unwrap_or_default(),
            handlers: handlers.0.into_iter().map(component).collect::<Result<_, _>>()?,
        })
    }

    /// The same before `document`, whose `compat` says what patterns mean. Every handler has to be there and to fit where it is named,
    /// all bounds have to hold, and what is printed has to read the same again. The fault has no place in any text.
    pub fn under(&self, document: &Document) -> Result<Self, Fault> {
        if *self == Self::default() {
            return Ok(Self::default());
        }
        let text = self.to_json();
        let again = Self::parse(&text, document)
            .map_err(|fault| Fault::new(Position::START, fault.message).suggesting(fault.suggestion))?;
        if again.to_json() == text {
            return Ok(again);
        }
        Err(Fault::new(Position::START, "it has characters that cannot be written down and read again"))
    }

    /// `deniedHosts` as they are in force.
    pub fn denied<'a>(&'a self, document: &'a Document) -> &'a [Entry] {
        self.denied_hosts.as_deref().unwrap_or(&document.denied_hosts)
    }

    /// `allowedHosts` as they are in force.
    pub fn allowed<'a>(&'a self, document: &'a Document) -> Option<&'a [Entry]> {
        self.allowed_hosts.as_deref().or(document.allowed_hosts.as_deref())
    }

    /// The component that the handler `name`, which is `source` in the document, runs.
    pub fn component<'a>(&'a self, name: &str, source: &'a WasmSource) -> &'a ComponentSource {
        self.handlers.get(name).unwrap_or(&source.component)
    }

    /// `deniedHosts` as they are in force, to start a change from.
    fn denied_now(&self, document: &Document, rules: &mut Rules) -> Result<Vec<Entry>, Fault> {
        match &self.denied_hosts {
            Some(list) => Ok(list.clone()),
            None => copied(&document.denied_hosts, rules),
        }
    }

    /// `allowedHosts` likewise; without such a list it is empty.
    fn allowed_now(&self, document: &Document, rules: &mut Rules) -> Result<Vec<Entry>, Fault> {
        match &self.allowed_hosts {
            Some(list) => Ok(list.clone()),
            None => copied(document.allowed_hosts.as_deref().unwrap_or_default(), rules),
        }
    }

    /// Puts the rules for a pattern in the place of those that it has at run time, or behind all others.
    fn set_outbound_by_host(&mut self, pattern: &Pattern, routes: Vec<Route>) {
        let all = &mut self.outbound_by_host;
        let at = all.iter().position(|route| route.entry.pattern == *pattern).unwrap_or(all.len());
        all.retain(|route| route.entry.pattern != *pattern);
        all.splice(at..at, routes);
    }

    fn remove_outbound_by_host(&mut self, pattern: &Pattern) {
        self.outbound_by_host.retain(|route| route.entry.pattern != *pattern);
    }

    /// What [`Overrides::parse`] reads.
    pub fn to_json(&self) -> String {
        let list = |entries: &Vec<Entry>| entries.iter().map(Entry::to_json).collect::<Value>().to_string();
        let by_host = Some(&self.outbound_by_host).filter(|routes| !routes.is_empty());
        let outbound = Some(&self.outbound).filter(|routes| !routes.is_empty());
        let members = [
            ("deniedHosts", self.denied_hosts.as_ref().map(list)),
            ("allowedHosts", self.allowed_hosts.as_ref().map(list)),
            ("outboundByHost", by_host.map(|routes| routes_to_json(routes))),
            (
                "outbound",
                outbound.map(|routes| routes.iter().map(Route::to_json).collect::<Value>().to_string()),
            ),
            ("handlers", Some(&self.handlers).filter(|map| !map.is_empty()).map(components)),
        ];
        object(members.into_iter().filter_map(|(key, text)| Some((key, text?))))
    }
}

/// What is copied from a document does not change any more when the document does, so it stands no more where it came from; and it
/// is read as all is that is set at run time, which presets and earlier parts of the document are not.
fn copied(list: &[Entry], rules: &mut Rules) -> Result<Vec<Entry>, Fault> {
    let copy = |entry: &Entry| {
        let read = rules.pattern(&entry.pattern.to_string(), Position::START)?;
        Ok(Entry { pattern: read.pattern, origin: Origin::RunTime, ..entry.clone() })
    };
    list.iter().map(copy).collect()
}

fn components(handlers: &BTreeMap<String, ComponentSource>) -> String {
    let one = |(name, component): (&String, &ComponentSource)| (name.clone(), component.to_json().into());
    Value::Object(handlers.iter().map(one).collect()).to_string()
}

/// The component that a handler of the document is to run. What a relative path would start from, nobody said.
fn component(
    name: Word,
    ComponentWords { wasm, sha256 }: ComponentWords,
    document: &Document,
) -> Result<(String, ComponentSource), Fault> {
    let name = program(name, &document.handlers)?;
    let at = Position::from(wasm.referenced);
    let component = ComponentSource::read(wasm, sha256.as_ref(), Path::new(""))?;
    match &component {
        ComponentSource::Path { path, .. } if !path.is_absolute() => {
            let cure = "write an absolute path, or `sha256:` and the hash of a component".to_owned();
            let message = "at run time there is no folder that a relative path starts from";
            Err(Fault::new(at, message).suggesting(Some(cure)))
        }
        _ => Ok((name, component)),
    }
}

/// `None`: there is no such entry.
fn without(mut list: Vec<Entry>, pattern: &Pattern) -> Option<Vec<Entry>> {
    let before = list.len();
    list.retain(|entry| entry.pattern != *pattern);
    (list.len() < before).then_some(list)
}

#[cfg(test)]
mod tests;
