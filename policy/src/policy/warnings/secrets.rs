//! What is odd about secrets: those that nobody uses, those that go further than their author may think, and those that never
//! get where a handler would put them.

use std::collections::{BTreeSet, HashSet};

use ipnet::IpNet;

use super::{Odd, Warning};
use crate::{
    Entry, HandlerSource, Pattern, Route, Scheme, Secret, SecretSource, StoreSource, Upgrade, pattern::Target,
};

/// Shorter prefixes than these hold more addresses than one operator has.
const NARROW: (u8, u8) = (8, 32);

impl<'a> Odd<'a> {
    /// Those that nobody uses, and each by itself.
    pub(super) fn secrets(&mut self) {
        let document = self.document;
        let mut used: HashSet<&str> = document.handlers.values().flat_map(HandlerSource::secrets).collect();
        used.extend(document.stores.values().flat_map(StoreSource::secrets));
        used.extend(document.secrets.values().flat_map(|secret| secret.source.secrets()));
        let held = document.secrets.iter().filter(|(_, secret)| secret.placeholder.is_some());
        used.extend(held.map(|(name, _)| name.as_str()));
        self.unused(&document.secrets, &used, |name| format!("secret `{name}` is given to no handler"));
        for (name, secret) in &document.secrets {
            if !secret.scrub {
                self.warn(format!("what servers answer is not searched for secret `{name}`"), None);
            }
            if !secret.allow_plaintext.is_empty() {
                let networks: Vec<String> = secret.allow_plaintext.iter().map(ToString::to_string).collect();
                let message = format!("secret `{name}` may be sent without TLS, to {}", networks.join(", "));
                self.warn(message, None);
            }
            self.broad(name, secret);
        }
    }

    /// Anyone who runs one of the hosts could be sent the value by the workload.
    fn broad(&mut self, name: &str, secret: &Secret) {
        let Some(hosts) = secret.hosts.as_ref().filter(|_| secret.placeholder.is_some()) else { return };
        for entry in hosts.iter().filter(|entry| is_broad(&entry.pattern)) {
            let message = format!(
                "the workload can send secret `{name}` to whichever host of `{}` it likes",
                entry.pattern
            );
            self.say(entry, message, Some("name the hosts that it is for"));
        }
    }

    /// Rules whose handlers put secrets where these do not belong.
    pub(super) fn misplaced(&mut self, routes: &[Route]) {
        for Route { entry, handlers, upgrade, .. } in routes {
            let names: BTreeSet<&str> = handlers.iter().flat_map(|name| self.names_in(name)).collect();
            for name in names {
                let Some(secret) = self.document.secrets.get(name) else { continue };
                self.plain(entry, *upgrade, name, secret);
                self.elsewhere(entry, *upgrade, name);
            }
        }
    }

    /// The names of the secrets without which a handler does nothing.
    fn names_in(&self, handler: &str) -> BTreeSet<&'a str> {
        match self.document.handlers.get(handler) {
            Some(HandlerSource::Wasm(_)) | None => BTreeSet::new(),
            Some(handler) => handler.secrets(),
        }
    }

    fn plain(&mut self, entry: &Entry, upgrade: Upgrade, name: &str, secret: &Secret) {
        let stays = upgrade == Upgrade::Keep && secret.allow_plaintext.is_empty();
        if entry.pattern.scheme == Some(Scheme::Http) && stays {
            let message =
                format!("`{}` is without TLS, and secret `{name}` is sent over TLS only", entry.pattern);
            self.say(entry, message, Some("write `https://`, or `upgrade: https`"));
        }
    }

    fn elsewhere(&mut self, entry: &Entry, upgrade: Upgrade, name: &str) {
        // Over TLS, a request may be for another port than the one that the rule names.
        let met = match upgrade {
            Upgrade::Keep => entry.pattern.clone(),
            Upgrade::Https => Pattern { scheme: None, port: None, ..entry.pattern.clone() },
        };
        if self.policy.secrets.get(name).is_some_and(|bound| !bound.touches(&met)) {
            let message = format!(
                "every request for `{}` is refused: `hosts` of secret `{name}` do not name it",
                entry.pattern
            );
            self.say(entry, message, Some("add it there, or leave the handler out"));
        }
    }

    /// Secrets that the catch-all hands to whoever is asked.
    pub(super) fn everywhere(&mut self) {
        let document = self.document;
        let names = document.outbound.iter().flat_map(|route| &route.handlers);
        let names: BTreeSet<&str> = names.flat_map(|handler| self.names_in(handler)).collect();
        let free = |name: &&str| document.secrets.get(*name).is_some_and(|secret| secret.hosts.is_none());
        for name in names.into_iter().filter(free) {
            let message = format!("secret `{name}` goes to every host that no other rule serves");
            self.warn(message, Some("name its `hosts`"));
        }
    }

    fn warn(&mut self, message: String, suggestion: Option<&str>) {
        self.found.push(Warning { origin: None, message, suggestion: suggestion.map(str::to_owned) });
    }

    /// The stores that secrets are read from.
    pub(super) fn stores_of_secrets(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.document.secrets.values().filter_map(|secret| match &secret.source {
            SecretSource::Redis(redis) => Some(redis.store.as_str()),
            _ => None,
        })
    }
}

/// Whether many who have nothing to do with each other may be meant.
fn is_broad(pattern: &Pattern) -> bool {
    match &pattern.target {
        Target::Any | Target::Loose(_) => true,
        Target::Network(IpNet::V4(net)) => net.prefix_len() < NARROW.0,
        Target::Network(IpNet::V6(net)) => net.prefix_len() < NARROW.1,
        Target::Name(_) | Target::Glob(_) => false,
    }
}
