//! What secrets do in exchanges. Receives the secrets of a generation, and a request that was let pass; hands on the values that the
//! request may use, and changes what goes to the upstream and what comes back. Where anything is missing, nothing is sent.

mod networks;
mod play;
mod scrubbers;

use std::{collections::BTreeMap, sync::Arc};

use handlers::{
    Secrets, Style, Use,
    credentials::{Place, Placeholder, Placeholders},
};
use policy::{Document, InstanceFacts, Policy, RequestFacts, Rule};

pub use networks::Networks;
pub use play::{InPlay, Readers, Unread};

use crate::{audit::SecretUse, config::ConfigError, error::ExchangeError, instance::Fakes, secrets::Slot};
use scrubbers::Scrubbers;

/// The secrets of one generation.
pub struct Credentials {
    held: BTreeMap<Arc<str>, Held>,
    /// All that there are, for other instances too: none of them may stray.
    placeholders: Option<Arc<Placeholders>>,
    scrubbers: Scrubbers,
}

/// One secret.
struct Held {
    slot: Arc<Slot>,
    /// Whether a program may have it that serves no request.
    is_free: bool,
    is_scrubbed: bool,
}

/// A request that was let pass.
pub struct Passing<'a> {
    /// By which policy.
    pub policy: &'a Policy,
    /// By which rule of it.
    pub rule: &'a Rule,
    /// What it was decided by.
    pub facts: RequestFacts<'a>,
    /// Whose it is.
    pub who: InstanceFacts<'a>,
    /// The secrets that its handlers use.
    pub uses: &'a [Use],
}

/// What a request will ask for.
#[derive(Default)]
struct Wanted<'a> {
    held: Vec<(&'a Arc<str>, &'a Held)>,
    uses: Vec<&'a Use>,
    /// Where each of the secrets may go.
    where_to: Vec<policy::SecretUse<'a>>,
}

impl Wanted<'_> {
    async fn values(&self) -> Result<Secrets, ExchangeError> {
        let mut values = Vec::with_capacity(self.held.len());
        for (name, held) in &self.held {
            let value = held.slot.value().await.map_err(|error| {
                tracing::warn!(%error, "a request is refused: a secret has no value");
                ExchangeError::SecretUnavailable
            })?;
            values.push((Arc::clone(name), value));
        }
        Ok(values.into_iter().collect())
    }
}

impl Credentials {
    /// What there is at the start of a generation.
    pub fn new(
        document: &Document,
        slots: &BTreeMap<String, Arc<Slot>>,
        fakes: &Fakes,
        who: &InstanceFacts<'_>,
    ) -> Result<Self, ConfigError> {
        let held = |(name, secret): (&String, &policy::Secret)| {
            let is_free = secret.hosts.is_none() && secret.is_for(who);
            let slot = Arc::clone(slots.get(name)?);
            Some((Arc::from(name.as_str()), Held { slot, is_free, is_scrubbed: secret.scrub }))
        };
        let mut placeholders = Vec::new();
        for (name, secret) in &document.secrets {
            let Some(placeholder) = &secret.placeholder else { continue };
            placeholders.push(Placeholder {
                secret: name.as_str().into(),
                fake: fakes.text(name, placeholder)?,
                places: placeholder.places.iter().copied().map(place).collect(),
            });
        }
        let held = document.secrets.iter().filter_map(held).collect();
        let placeholders = (!placeholders.is_empty()).then(|| Arc::new(Placeholders::new(placeholders)));
        Ok(Self { held, placeholders, scrubbers: Scrubbers::default() })
    }

    /// Those of a program that serves no request: what is bound to requests is not for it.
    pub async fn of_tail(&self, uses: &[Use]) -> Result<Secrets, ExchangeError> {
        let mut wanted = Wanted::default();
        uses.iter().for_each(|one| self.want(&mut wanted, &one.secret));
        wanted.held.retain(|(_, held)| held.is_free);
        wanted.values().await
    }

    /// What a request may use, with the values that there are now.
    pub async fn in_play(&self, passing: &Passing<'_>) -> Result<InPlay, ExchangeError> {
        if passing.uses.is_empty() && self.placeholders.is_none() {
            return Ok(InPlay::default());
        }
        let wanted = self.wanted(passing)?;
        let secrets = wanted.values().await?;
        let used = |one: &&Use| {
            let fingerprint = secrets.get(&one.secret)?.fingerprint();
            Some(SecretUse::new(one, fingerprint))
        };
        let used = wanted.uses.iter().filter_map(used).collect();
        let within = Networks::of(&wanted.where_to);
        let is_scrubbed = |name: &str| self.held.get(name).is_some_and(|held| held.is_scrubbed);
        let scrubber = self.scrubbers.of(secrets.iter().filter(|(name, _)| is_scrubbed(name)));
        // What is in play is bound to this exchange; all else is not.
        let placeholders = self.placeholders.as_ref().map(|all| all.bind(|name| secrets.get(name).cloned()));
        Ok(InPlay { secrets, used, within, scrubber, placeholders })
    }

    fn wanted<'a>(&'a self, passing: &Passing<'a>) -> Result<Wanted<'a>, ExchangeError> {
        let mut wanted = Wanted::default();
        let may = |name: &str| passing.policy.secret_use(name, &passing.facts, &passing.who);
        for one in passing.uses {
            let rule = || passing.rule.to_string();
            let secret_use = may(&one.secret);
            match (secret_use, one.style) {
                (policy::SecretUse::NotWithoutTls, _) => {
                    return Err(ExchangeError::SecretOnPlaintext { rule: rule() });
                }
                // The program is told that it has none.
                (policy::SecretUse::NotBound, Style::Handler) => continue,
                (policy::SecretUse::NotBound, _) => {
                    return Err(ExchangeError::SecretNotBound { rule: rule() });
                }
                (policy::SecretUse::Plaintext(_) | policy::SecretUse::OverTls, _) => {}
            }
            wanted.where_to.push(secret_use);
            self.want(&mut wanted, &one.secret);
            wanted.uses.push(one);
        }
        for (name, _) in passing.policy.placeholders(&passing.who) {
            let secret_use = may(name);
            if matches!(secret_use, policy::SecretUse::NotBound | policy::SecretUse::NotWithoutTls) {
                continue;
            }
            wanted.where_to.push(secret_use);
            self.want(&mut wanted, name);
        }
        Ok(wanted)
    }

    /// Unknown names were refused when the document was parsed.
    fn want<'a>(&'a self, wanted: &mut Wanted<'a>, name: &str) {
        let is_there = wanted.held.iter().any(|(known, _)| &***known == name);
        if let Some(found) = self.held.get_key_value(name).filter(|_| !is_there) {
            wanted.held.push(found);
        }
    }
}

fn place(place: policy::Place) -> Place {
    match place {
        policy::Place::Headers => Place::Headers,
        policy::Place::Basic => Place::Basic,
        policy::Place::Query => Place::Query,
        policy::Place::Path => Place::Path,
        policy::Place::Body => Place::Body,
        policy::Place::Websocket => Place::Websocket,
    }
}
