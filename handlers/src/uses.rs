//! Where the secrets of an exchange go, in words for its record.
//!
//! Receives what handlers know of themselves; hands on names, never values.

use std::{fmt, sync::Arc};

use http::HeaderName;

/// That a handler, or a placeholder, uses a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The secret's name.
    pub secret: Arc<str>,
    /// How.
    pub style: Style,
    /// Where.
    pub place: Place,
}

/// How a secret gets into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// In a header.
    Inject,
    /// In a parameter of the query.
    Query,
    /// As HTTP Basic.
    Basic,
    /// In the place of a text that the workload has.
    Placeholder,
    /// In a signature, which does not show it.
    Sign,
    /// As a program likes.
    Handler,
}

/// Where in a request a secret goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the header of this name.
    Header(HeaderName),
    /// In the parameter of this name.
    Query(Arc<str>),
    /// Wherever the handler of this name puts it.
    Handler(Arc<str>),
}

impl Use {
    /// That `secret` goes to `place`.
    pub(crate) fn new(secret: &Arc<str>, style: Style, place: Place) -> Self {
        Self { secret: secret.clone(), style, place }
    }
}

impl Style {
    /// The word for the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inject => "inject",
            Self::Query => "query",
            Self::Basic => "basic",
            Self::Placeholder => "placeholder",
            Self::Sign => "sign",
            Self::Handler => "handler",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Handler(name) => write!(f, "handler:{name}"),
        }
    }
}
