//! The places of a request where a placeholder may stand, and sets of them: what the policy's `in` says. Also where one was found, in
//! the words of records.

use std::{fmt, sync::Arc};

use http::HeaderName;

/// A place of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The value of any header.
    Headers,
    /// The user or password of `Authorization: Basic`.
    Basic,
    /// The query of the URL.
    Query,
    /// The path of the URL.
    Path,
    /// The body.
    Body,
    /// Text messages on a WebSocket.
    Websocket,
}

/// A set of places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Places(u8);

impl Places {
    /// Whether the place is among them.
    pub fn contains(self, place: Place) -> bool {
        self.0 & bit(place) != 0
    }
}

impl FromIterator<Place> for Places {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        Self(places.into_iter().fold(0, |all, place| all | bit(place)))
    }
}

fn bit(place: Place) -> u8 {
    1 << place as u8
}

/// One secret that was put into one place. Its `Display` is the place, as the record has it: `header:x-api-key`, `basic`, `query`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The secret's name.
    pub secret: Arc<str>,
    /// Where.
    pub place: Place,
    /// Which header, if it is in one.
    pub header: Option<HeaderName>,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.place, &self.header) {
            (Place::Headers, Some(name)) => write!(f, "header:{name}"),
            (Place::Headers, None) => f.write_str("header"),
            (Place::Basic, _) => f.write_str("basic"),
            (Place::Query, _) => f.write_str("query"),
            (Place::Path, _) => f.write_str("path"),
            (Place::Body, _) => f.write_str("body"),
            (Place::Websocket, _) => f.write_str("websocket"),
        }
    }
}
