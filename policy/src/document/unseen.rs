//! Patterns for what passes unseen: the entries of `raw` and `passthrough`.
//!
//! Receives a pattern that is well-formed and tells what it must not say in such a list. Nobody reads the bytes of these
//! connections, so each entry has to mean as little as it can, and a fault says how to write it.

use crate::{
    Entry, Pattern, PatternError, Scheme,
    pattern::{Target, error},
};

/// Stands in suggestions, where only the person knows the right one.
const SOME_PORT: u16 = 5432;

/// Names, addresses or networks, always with a port: it says what is spoken, since nobody looks.
pub(super) fn raw(entry: &Entry) -> Result<(), PatternError> {
    let pattern = named_only(entry)?;
    let plain =
        |port: u16| format!("write `{}`", Pattern { scheme: None, port: Some(port), ..pattern.clone() });
    match (pattern.scheme, pattern.port) {
        (Some(scheme), port) => {
            let port = port.unwrap_or_else(|| scheme.default_port());
            Err(error("a raw rule is for bytes of any kind and has no scheme", plain(port)))
        }
        (None, None) => Err(error("a raw rule needs a port", plain(SOME_PORT))),
        (None, Some(port)) if pattern.target == Target::Any => Err(error(
            "a raw rule names hosts or networks",
            format!("write `0.0.0.0/0:{port}` and `[::/0]:{port}` for every public address"),
        )),
        (None, Some(_)) => Ok(()),
    }
}

/// Names: a TLS server name is never an address (RFC 6066, section 3).
pub(super) fn passthrough(entry: &Entry) -> Result<(), PatternError> {
    let pattern = named_only(entry)?;
    match (&pattern.target, pattern.scheme) {
        (_, Some(Scheme::Http)) => {
            let secure = Pattern { scheme: None, ..pattern.clone() };
            Err(error("only TLS is passed through", format!("write `{secure}`")))
        }
        (Target::Network(_), _) => {
            let port = pattern.port.or(Some(Scheme::Https.default_port()));
            let raw = Pattern { scheme: None, port, ..pattern.clone() };
            let cure = format!("write names here, or `{raw}` under `raw`");
            Err(error("TLS is passed through by its server name, which is never an address", cure))
        }
        _ => Ok(()),
    }
}

/// Nobody sees the requests, so nothing can depend on them.
fn named_only(entry: &Entry) -> Result<&Pattern, PatternError> {
    if *entry
        != (Entry { name: entry.name.clone(), ..Entry::new(entry.pattern.clone(), entry.origin.clone()) })
    {
        let message = "nobody reads these bytes, so only `host` and `name` can be said of them";
        return Err(error(message, "leave the other keys out"));
    }
    Ok(&entry.pattern)
}
