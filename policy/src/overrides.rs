//! What was changed while the instance ran: lists and handlers that take the place of the document's, or go before them.
//!
//! Receives single changes, with Cloudflare's names and meanings, and hands on the whole; nothing is in force until a policy is
//! compiled with it. A change to a list starts from the list that is in force, so the first one copies the document's.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    Document, Entry, Fault, HandlerSource, Origin, Pattern, Route,
    document::{
        OverrideSource, Rules, allowed_entry, catch_all, denied_entry, parse_overrides, routes,
        routes_to_json,
    },
};

/// All that was changed. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// In place of the document's.
    pub denied_hosts: Option<Vec<Entry>>,
    /// In place of the document's.
    pub allowed_hosts: Option<Vec<Entry>>,
    /// Asked before those of the document.
    pub outbound_by_host: Vec<Route>,
    /// Asked before the document's.
    pub outbound: Vec<Route>,
}

/// Whether a change found what it was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It did.
    Yes,
    /// Everything is as it was.
    No,
}

impl Overrides {
    /// Reads what [`Overrides::to_json`] prints, or parts of it: `deniedHosts`, `allowedHosts`, `outboundByHost` and `outbound`, as a
    /// document spells them; `outboundByHost` may be a list of such mappings too. Handlers must be those of `document`.
    pub fn parse(text: &str, document: &Document) -> Result<Self, Fault> {
        let OverrideSource { denied_hosts, allowed_hosts, outbound_by_host, outbound } =
            parse_overrides(text)?;
        let mut rules = Rules::new(document.compat, Origin::RunTime);
        Ok(Self {
            denied_hosts: denied_hosts.map(|words| rules.list(words, denied_entry)).transpose()?,
            allowed_hosts: allowed_hosts.map(|words| rules.list(words, allowed_entry)).transpose()?,
            outbound_by_host: routes(Vec::new(), outbound_by_host, &mut rules, &document.handlers)?,
            outbound: outbound
                .map(|words| catch_all(words, &mut rules, &document.handlers))
                .transpose()?
                .unwrap_or_default(),
        })
    }

    /// `deniedHosts` as they are in force.
    pub fn denied<'a>(&'a self, document: &'a Document) -> &'a [Entry] {
        self.denied_hosts.as_deref().unwrap_or(&document.denied_hosts)
    }

    /// `allowedHosts` as they are in force.
    pub fn allowed<'a>(&'a self, document: &'a Document) -> Option<&'a [Entry]> {
        self.allowed_hosts.as_deref().or(document.allowed_hosts.as_deref())
    }

    /// Adds an entry to `allowedHosts`; without such a list, it becomes the only one that is allowed.
    pub fn allow_host(&mut self, entry: Entry, document: &Document) -> Changed {
        let list = self.allowed(document).unwrap_or_default().to_vec();
        add(&mut self.allowed_hosts, list, entry)
    }

    /// Takes all entries with this pattern out of `allowedHosts`. The list that is left refuses all else, also when it is empty.
    pub fn remove_allowed_host(&mut self, pattern: &Pattern, document: &Document) -> Changed {
        let list = self.allowed(document).unwrap_or_default().to_vec();
        remove(&mut self.allowed_hosts, list, pattern)
    }

    /// Adds an entry to `deniedHosts`.
    pub fn deny_host(&mut self, entry: Entry, document: &Document) -> Changed {
        let list = self.denied(document).to_vec();
        add(&mut self.denied_hosts, list, entry)
    }

    /// Takes all entries with this pattern out of `deniedHosts`.
    pub fn remove_denied_host(&mut self, pattern: &Pattern, document: &Document) -> Changed {
        let list = self.denied(document).to_vec();
        remove(&mut self.denied_hosts, list, pattern)
    }

    /// Puts the rules for each pattern in the place of those that it has at run time, or behind all others.
    pub fn set_outbound_by_host(&mut self, routes: Vec<Route>) {
        let mut by_pattern: Vec<(Pattern, Vec<Route>)> = Vec::new();
        for route in self.outbound_by_host.drain(..) {
            place(&mut by_pattern, route);
        }
        let named: Vec<Pattern> = routes.iter().map(|route| route.entry.pattern.clone()).collect();
        by_pattern.iter_mut().filter(|(pattern, _)| named.contains(pattern)).for_each(|(_, old)| old.clear());
        for route in routes {
            place(&mut by_pattern, route);
        }
        self.outbound_by_host = by_pattern.into_iter().flat_map(|(_, routes)| routes).collect();
    }

    /// Takes the run-time rules for this pattern away.
    pub fn remove_outbound_by_host(&mut self, pattern: &Pattern) -> Changed {
        let before = self.outbound_by_host.len();
        self.outbound_by_host.retain(|route| route.entry.pattern != *pattern);
        if self.outbound_by_host.len() == before { Changed::No } else { Changed::Yes }
    }

    /// The names of handlers that it uses and that `handlers` does not have.
    pub fn missing<'a>(
        &'a self,
        handlers: &'a BTreeMap<String, HandlerSource>,
    ) -> impl Iterator<Item = &'a str> {
        let routes = self.outbound_by_host.iter().chain(&self.outbound);
        let names = routes.flat_map(|route| &route.handlers).map(String::as_str);
        names.filter(|name| !handlers.contains_key(*name))
    }

    /// What [`Overrides::parse`] reads.
    pub fn to_json(&self) -> Value {
        let mut all = Map::new();
        let list = |entries: &Vec<Entry>| Value::from(entries.iter().map(Entry::to_json).collect::<Vec<_>>());
        all.extend(self.denied_hosts.as_ref().map(|entries| ("deniedHosts".into(), list(entries))));
        all.extend(self.allowed_hosts.as_ref().map(|entries| ("allowedHosts".into(), list(entries))));
        if !self.outbound_by_host.is_empty() {
            all.insert("outboundByHost".into(), routes_to_json(&self.outbound_by_host));
        }
        if !self.outbound.is_empty() {
            all.insert("outbound".into(), self.outbound.iter().map(Route::to_json).collect());
        }
        Value::Object(all)
    }
}

fn place(by_pattern: &mut Vec<(Pattern, Vec<Route>)>, route: Route) {
    match by_pattern.iter_mut().find(|(pattern, _)| *pattern == route.entry.pattern) {
        Some((_, routes)) => routes.push(route),
        None => by_pattern.push((route.entry.pattern.clone(), vec![route])),
    }
}

fn add(to: &mut Option<Vec<Entry>>, mut list: Vec<Entry>, entry: Entry) -> Changed {
    let same = |other: &&Entry| Entry { origin: entry.origin.clone(), ..(*other).clone() } == entry;
    if to.is_some() && list.iter().any(|other| same(&other)) {
        return Changed::No;
    }
    if !list.iter().any(|other| same(&other)) {
        list.push(entry);
    }
    *to = Some(list);
    Changed::Yes
}

fn remove(from: &mut Option<Vec<Entry>>, mut list: Vec<Entry>, pattern: &Pattern) -> Changed {
    let before = list.len();
    list.retain(|entry| entry.pattern != *pattern);
    if list.len() == before {
        return Changed::No;
    }
    *from = Some(list);
    Changed::Yes
}
