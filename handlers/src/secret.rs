//! Secrets in memory: single values, and those that one exchange may use.
//!
//! Receives a value from the secret's source; hands it out only through [`Secret::expose`], so that every use can
//! be found by that word. It has no `Display` or `Serialize`, its `Debug` shows nothing, and it is wiped on drop. What may be
//! shown of it is its fingerprint.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A named secret's value, wiped from memory on drop.
pub struct Secret {
    value: Zeroizing<String>,
    /// Asked for in every record, and always the same.
    fingerprint: OnceLock<Arc<str>>,
}

impl Secret {
    /// Takes the value over.
    pub fn new(value: impl Into<Zeroizing<String>>) -> Self {
        Self { value: value.into(), fingerprint: OnceLock::new() }
    }

    /// The value itself: for the wire or a granted handler, never for a log.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// The first 8 hexadecimal digits of its SHA-256: enough to tell two versions of a secret apart, and too little to find one by.
    pub fn fingerprint(&self) -> Arc<str> {
        let digits = || {
            let digest = Sha256::digest(self.value.as_bytes());
            digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>().into()
        };
        self.fingerprint.get_or_init(digits).clone()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secrets that one exchange may use, by name, with the values they had when it began. A clone is cheap; the empty one
/// allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Option<Arc<[Named]>>);

/// A secret with its name.
type Named = (Arc<str>, Arc<Secret>);

impl Secrets {
    /// The secret of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Secret>> {
        // There are few, and most often one.
        self.iter().find(|(known, _)| &***known == name).map(|(_, secret)| secret)
    }

    /// All of them, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Secret>)> + Clone {
        self.0.iter().flat_map(|all| all.iter()).map(|(name, secret)| (name, secret))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl FromIterator<Named> for Secrets {
    fn from_iter<I: IntoIterator<Item = Named>>(all: I) -> Self {
        let all: Vec<_> = all.into_iter().collect();
        Self((!all.is_empty()).then(|| all.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_expose_shows_the_value() {
        let secret = Secret::new(String::from("canary"));
        assert_eq!(secret.expose(), "canary");
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(..) Secret(..)");
        let secrets: Secrets = [("NAME".into(), Arc::new(secret))].into_iter().collect();
        assert_eq!(format!("{secrets:?}"), "Secrets(Some([(\"NAME\", Secret(..))]))");
    }

    #[test]
    fn a_fingerprint_is_the_beginning_of_the_hash() {
        assert_eq!(&*Secret::new(String::from("abc")).fingerprint(), "ba7816bf");
        assert_eq!(&*Secret::new(String::new()).fingerprint(), "e3b0c442");
    }

    #[test]
    fn secrets_are_found_by_their_names() {
        let secret = |value: &str| Arc::new(Secret::new(value.to_owned()));
        let secrets: Secrets = [("A".into(), secret("1")), ("B".into(), secret("2"))].into_iter().collect();
        let value = |name| secrets.get(name).map(|secret| secret.expose());
        assert_eq!((value("A"), value("B"), value("C")), (Some("1"), Some("2"), None));
        assert!(!secrets.is_empty() && Secrets::default().is_empty());
        assert!(Secrets::from_iter([]).is_empty());
    }
}
