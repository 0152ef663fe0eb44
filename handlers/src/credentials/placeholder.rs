//! Placeholders: made-up texts that a workload holds in place of secrets, swapped on the way out.
//!
//! Receives the placeholders of an instance, and for each exchange the values of those secrets that are bound to it; hands on a request with the values
//! in it, spelled as the place needs it, and says which were used where. A placeholder of any other secret is an error: nobody else is
//! to get it, and somebody tried. What was put is not looked at again.

mod body;
mod head;
mod place;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use http::HeaderName;
use zeroize::Zeroizing;

use super::{
    render::{self, Digits, is_unreserved},
    replace::Patterns,
};
use crate::{BodyError, Secret};
pub use place::{Place, Places, Use};

/// Swaps in one head.
const MAX_IN_HEAD: usize = 64;

/// Swaps in one body or message. A value may be much longer than its placeholder.
const MAX_IN_BODY: usize = 1024;

/// One secret's placeholder.
#[derive(Debug, Clone)]
pub struct Placeholder {
    /// The secret's name.
    pub secret: Arc<str>,
    /// What the workload holds: at least 16 visible ASCII characters without quotes, `%` and `\`.
    pub fake: String,
    /// Where it is swapped. Elsewhere it is left as it is.
    pub places: Places,
}

/// Why a request cannot be sent on.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// The workload sent the placeholder of a secret (its name) that is not bound to this exchange.
    #[error("the placeholder of secret `{0}` does not belong into this request")]
    Stray(Arc<str>),
    /// The workload sent too many placeholders.
    #[error("too many placeholders in one request")]
    TooMany,
    /// The secret's value (its name) cannot stand where the workload put the placeholder, or makes that too long. The operator's fault.
    #[error("the value of secret `{0}` cannot stand where its placeholder does")]
    Unfit(Arc<str>),
    /// The workload's body could not be read.
    #[error("the request's body broke off: {0}")]
    Body(#[source] BodyError),
}

/// The placeholders of one instance. Made once; may hold none.
pub struct Placeholders {
    list: Vec<Placeholder>,
    patterns: Arc<Patterns>,
    /// For each pattern.
    spelled: Vec<Spelled>,
}

struct Spelled {
    /// A place in `list`.
    owner: usize,
    spelling: Spelling,
    length: usize,
}

/// How text is written where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Plain,
    Percent,
    Json,
}

impl Spelling {
    fn write(self, value: &str) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Plain => value.to_owned(),
            Self::Percent => render::percent(value, Digits::Upper, is_unreserved),
            Self::Json => render::json(value, Digits::Lower, &|_| false, &|_| false),
        })
    }
}

impl Placeholders {
    /// These ones. Of two with the same text only the first counts.
    pub fn new(list: Vec<Placeholder>) -> Self {
        let mut texts = Vec::new();
        let mut spelled = Vec::new();
        for (owner, placeholder) in list.iter().enumerate() {
            for (text, spelling) in spellings(&placeholder.fake) {
                spelled.push(Spelled { owner, spelling, length: text.len() });
                texts.push(Zeroizing::new(text.into_bytes()));
            }
        }
        Self { list, patterns: Arc::new(Patterns::new(texts)), spelled }
    }

    /// Whether there are none: then no request needs to be looked at.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// For one exchange: `value` gives the values of the secrets that are bound to it, by name, and none for others.
    pub fn bind(self: &Arc<Self>, value: impl Fn(&str) -> Option<Arc<Secret>>) -> Arc<Bound> {
        let values = self.list.iter().map(|placeholder| value(&placeholder.secret)).collect();
        Arc::new(Bound { placeholders: Arc::clone(self), values, uses: Mutex::default() })
    }
}

/// As the workload's software may write it.
fn spellings(fake: &str) -> Vec<(String, Spelling)> {
    let percent = |digits| render::percent(fake, digits, is_unreserved);
    let slashes = render::json(fake, Digits::Lower, &|_| false, &|char| char == '/');
    vec![
        (fake.to_owned(), Spelling::Plain),
        (percent(Digits::Upper), Spelling::Percent),
        (percent(Digits::Lower), Spelling::Percent),
        (slashes, Spelling::Json),
    ]
}

/// The placeholders of an instance in one exchange.
pub struct Bound {
    placeholders: Arc<Placeholders>,
    /// In the order of the placeholders; none for a secret that is not bound to this exchange.
    values: Vec<Option<Arc<Secret>>>,
    uses: Mutex<Vec<Use>>,
}

impl Bound {
    /// What was swapped so far: each secret once for each place, also while a body is under way.
    pub fn uses(&self) -> Vec<Use> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn used(&self, used: Use) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        if !uses.contains(&used) {
            uses.push(used);
        }
    }

    /// The secret's name and value that a match is swapped for; nothing if it is left as it is.
    fn value(&self, owner: usize, place: Place) -> Result<Option<(&Arc<str>, &Secret)>, SwapError> {
        let Some(placeholder) = self.placeholders.list.get(owner) else { return Ok(None) };
        match self.values.get(owner) {
            Some(Some(value)) if placeholder.places.contains(place) => Ok(Some((&placeholder.secret, value))),
            Some(Some(_)) => Ok(None),
            _ => Err(SwapError::Stray(Arc::clone(&placeholder.secret))),
        }
    }
}

/// The swaps in one text: a value of a head, a body, a message.
pub(super) struct Swap {
    bound: Arc<Bound>,
    place: Place,
    header: Option<HeaderName>,
    /// How the text around is spelled. A placeholder that is not spelled plainly says it itself.
    around: Spelling,
    /// Swaps that may still be made.
    left: usize,
    /// Whether what is put is always as long as what stood there.
    keeps_length: bool,
    /// The secret that was put last.
    last: Option<Arc<str>>,
}

impl Swap {
    /// In one message on a WebSocket.
    pub(super) fn in_message(bound: &Arc<Bound>) -> Self {
        Self::new(bound, Place::Websocket, Spelling::Plain, MAX_IN_BODY)
    }

    fn new(bound: &Arc<Bound>, place: Place, around: Spelling, left: usize) -> Self {
        Self { bound: Arc::clone(bound), place, header: None, around, left, keeps_length: false, last: None }
    }

    /// Whether what can be put is as long as its placeholder, however that is spelled.
    fn is_as_long(&self) -> bool {
        self.bound.placeholders.spelled.iter().all(|one| match self.bound.value(one.owner, self.place) {
            Ok(Some((_, value))) => self.written(one.spelling, value).len() == one.length,
            Ok(None) | Err(_) => true,
        })
    }

    /// The value as it is put where a placeholder was spelled like this.
    fn written(&self, spelling: Spelling, value: &Secret) -> Zeroizing<String> {
        let written = spelling.write(value.expose());
        match (self.around, spelling) {
            (around, Spelling::Plain) => around.write(&written),
            (Spelling::Percent, Spelling::Json) => Spelling::Percent.write(&written),
            // Those were decoded before they were looked at, so this one was encoded twice.
            (Spelling::Percent, _) if matches!(self.place, Place::Path | Place::Query) => {
                Spelling::Percent.write(&written)
            }
            _ => written,
        }
    }

    pub(super) fn patterns(&self) -> Arc<Patterns> {
        Arc::clone(&self.bound.placeholders.patterns)
    }

    pub(super) fn keeps_length(&self) -> bool {
        self.keeps_length
    }

    /// Puts the value in the place of a placeholder, or leaves that.
    pub(super) fn put(&mut self, number: usize, text: &[u8], out: &mut BytesMut) -> Result<(), SwapError> {
        let Some(spelled) = self.bound.placeholders.spelled.get(number) else { return Ok(()) };
        match self.bound.value(spelled.owner, self.place)? {
            Some((secret, value)) => {
                self.left = self.left.checked_sub(1).ok_or(SwapError::TooMany)?;
                out.extend_from_slice(self.written(spelled.spelling, value).as_bytes());
                self.last = Some(Arc::clone(secret));
                self.bound.used(Use {
                    secret: Arc::clone(secret),
                    place: self.place,
                    header: self.header.clone(),
                });
            }
            None => out.extend_from_slice(text),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
