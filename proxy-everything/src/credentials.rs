//! What secrets do in exchanges. Receives the secrets of a generation, and a request that was let pass; hands on the values that the
//! request may use, and changes what goes to the upstream and what comes back. Where anything is missing, nothing is sent.

mod networks;
mod play;

use std::{collections::BTreeMap, sync::Arc};

use handlers::{Secrets, Style, Use};
use policy::{Rule, Scheme};

pub use networks::Networks;
pub use play::InPlay;

use crate::{audit::SecretUse, error::ExchangeError, in_force::Asked, instance::Instance};

/// The secrets of one generation.
pub struct Credentials {
    held: BTreeMap<Arc<str>, Held>,
}

/// One secret.
struct Held {
    slot: Slot,
    secret: policy::Secret,
}

/// What an exchange will ask for.
type Wanted<'a> = Vec<(&'a Arc<str>, &'a Held)>;

impl Credentials {
    /// What a request may use: of the `uses` of its handlers, and of the placeholders that may stand in it.
    pub async fn in_play(
        &self,
        asked: &Asked,
        uses: &[Use],
        instance: &Instance,
        rule: &Rule,
    ) -> Result<InPlay, ExchangeError> {
        if self.held.is_empty() {
            return Ok(InPlay::default());
        }
        let (mut wanted, mut used) = (Wanted::new(), Vec::new());
        for one in uses {
            // Unknown names were refused when the document was parsed.
            let Some((name, held)) = self.held.get_key_value(&one.secret) else { continue };
            if asked.scheme == Scheme::Http && held.secret.allow_plaintext.is_empty() {
                return Err(ExchangeError::SecretOnPlaintext { rule: rule.to_string() });
            }
            match (self.is_bound(name, asked, instance), one.style) {
                (true, _) => {}
                // The program is told that it has none.
                (false, Style::Handler) => continue,
                (false, _) => return Err(ExchangeError::SecretNotBound { rule: rule.to_string() }),
            }
            want(&mut wanted, name, held);
            used.push(one);
        }
        let mut values = Vec::with_capacity(wanted.len());
        for (name, held) in &wanted {
            let value = held.slot.value().await.map_err(|error| {
                tracing::warn!(secret = &***name, %error, "a secret cannot be had");
                ExchangeError::SecretUnavailable
            })?;
            values.push((Arc::clone(name), value));
        }
        let secrets: Secrets = values.into_iter().collect();
        todo!()
    }
}

fn want<'a>(wanted: &mut Wanted<'a>, name: &'a Arc<str>, held: &'a Held) {
    if !wanted.iter().any(|(known, _)| *known == name) {
        wanted.push((name, held));
    }
}
