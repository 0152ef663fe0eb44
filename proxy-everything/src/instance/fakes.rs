//! The placeholders of one instance: texts that its workload holds in the place of secrets. Receives what the document says of their look,
//! hands on a text for each, made once and at random: the same for as long as the instance lives, whatever becomes of the policy
//! or of the process that serves it. They are worth nothing anywhere else, but they are not told to everybody: who has one may use the
//! secret through this instance.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use policy::{Document, InstanceFacts, Placeholder, PlaceholderLook};
use rustls::crypto::{SecureRandom, aws_lc_rs};
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

const CHARACTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// What was made for an instance.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Fakes(Mutex<BTreeMap<String, Fake>>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Fake {
    /// What it was made by: a document that asks for another look gets another text.
    format: String,
    text: String,
}

/// What a workload is to be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The secret that it stands for.
    pub secret: String,
    /// The variable that it is for, if the document names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The text.
    pub value: String,
}

impl Clone for Fakes {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }
}

impl Fakes {
    /// Those of `document` for this instance, by the names of their secrets. What there is not yet is made.
    pub fn of(&self, document: &Document, who: &InstanceFacts<'_>) -> Result<Vec<Given>, ConfigError> {
        let mut given = Vec::new();
        for (name, secret) in document.secrets.iter().filter(|(_, secret)| secret.is_for(who)) {
            let Some(placeholder) = &secret.placeholder else { continue };
            let value = self.text(name, placeholder)?;
            given.push(Given { secret: name.clone(), env: placeholder.env.clone(), value });
        }
        Ok(given)
    }

    /// The text for the secret `name`.
    pub fn text(&self, name: &str, placeholder: &Placeholder) -> Result<String, ConfigError> {
        let (before, length, after) = match &placeholder.look {
            PlaceholderLook::Fixed(text) => return Ok(text.clone()),
            PlaceholderLook::Random { before, length, after } => (before, *length, after),
        };
        let format = placeholder.look.format().unwrap_or_default();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fake) = all.get(name).filter(|fake| fake.format == format) {
            return Ok(fake.text.clone());
        }
        let random = random(length).ok_or_else(|| ConfigError::Secret {
            name: name.to_owned(),
            reason: "the system has no random numbers for its placeholder".to_owned(),
        })?;
        let text = [before.as_str(), &random, after].concat();
        all.insert(name.to_owned(), Fake { format, text: text.clone() });
        Ok(text)
    }
}

/// So many letters and digits.
fn random(length: usize) -> Option<String> {
    let source: &dyn SecureRandom = aws_lc_rs::default_provider().secure_random;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0; 64];
        source.fill(&mut bytes).ok()?;
        // The bytes above the last multiple would make some characters likelier than others.
        let fair =
            bytes.iter().filter(|byte| usize::from(**byte) < 256 / CHARACTERS.len() * CHARACTERS.len());
        let characters = fair.filter_map(|byte| CHARACTERS.get(usize::from(*byte) % CHARACTERS.len()));
        text.extend(characters.map(|byte| char::from(*byte)).take(length - text.len()));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(fakes: &Fakes, document: &str) -> Vec<String> {
        let document = Document::parse(document).unwrap();
        fakes
            .of(&document, &InstanceFacts { id: "i", class: "c" })
            .unwrap()
            .into_iter()
            .map(|given| given.value)
            .collect()
    }

    #[test]
    fn a_text_is_made_once() {
        let fakes = Fakes::default();
        let document = |placeholder: &str| {
            format!(
                "secrets: {{ A: {{ env: A, hosts: [a.test], placeholder: {placeholder} }}, B: {{ env: B }} }}"
            )
        };
        let first = texts(&fakes, &document("true"));
        assert!(matches!(&first[..], [text] if text.starts_with("pe_") && text.len() == 43), "{first:?}");
        assert!(first[0].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert!(texts(&fakes, "").is_empty());
        assert_eq!(texts(&fakes, &document("true")), first, "the policy came back");
        let kept: Fakes = serde_json::from_str(&serde_json::to_string(&fakes).unwrap()).unwrap();
        assert_eq!(texts(&kept, &document("true")), first, "another process");
        assert_ne!(texts(&Fakes::default(), &document("true")), first, "another instance");
        let other = texts(&fakes, &document("{ format: 'ghp_{36}', env: T }"));
        assert!(other[0].starts_with("ghp_") && other[0].len() == 40, "{other:?}");
        let of_others = "secrets: { A: { env: A, hosts: [a.test], placeholder: true, instances: [other] } }";
        assert!(texts(&fakes, of_others).is_empty());
        let fixed = "{ value: a-text-of-the-operators }";
        assert_eq!(texts(&fakes, &document(fixed)), ["a-text-of-the-operators"]);
    }

    #[test]
    fn all_characters_are_used() {
        let text = random(6200).unwrap();
        assert_eq!(text.len(), 6200);
        for character in CHARACTERS {
            let count = text.bytes().filter(|byte| byte == character).count();
            assert!((40..200).contains(&count), "{character}: {count}");
        }
    }
}
