//! A secret's value in memory.
//!
//! Receives the value from the secret's source; hands it out only through [`Secret::expose`], so that every use can
//! be found by that word. It has no `Display` or `Serialize`, its `Debug` shows nothing, and it is wiped on drop.

use std::fmt;

use zeroize::Zeroizing;

/// A named secret's value, wiped from memory on drop.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value over.
    pub fn new(value: impl Into<Zeroizing<String>>) -> Self {
        Self(value.into())
    }

    /// The value itself: for the wire or a granted handler, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
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
    }
}
