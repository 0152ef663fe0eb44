//! Values with places for secrets, made anew for each request.
//!
//! Receives the secrets of an exchange; hands on text, or a header's value that is marked as one that holds a secret: `Debug` does
//! not show it and HPACK does not index it.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::{HandlerError, Secrets, uses::Style};

/// Text with places for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<Part>);

/// A piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stands for itself.
    Text(String),
    /// The value of the secret of this name.
    Secret(Arc<str>),
}

/// What a header is set to.
#[derive(Debug, Clone)]
pub enum Value {
    /// Always the same, and no secret.
    Plain(HeaderValue),
    /// Made of secrets.
    Made(Template),
    /// HTTP Basic (RFC 7617).
    Basic {
        /// The user's name.
        username: Template,
        /// The password.
        password: Template,
    },
}

impl Template {
    /// The names of the secrets in it.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter_map(|part| match part {
            Part::Secret(name) => Some(name),
            Part::Text(_) => None,
        })
    }

    /// The text, with the values that `secrets` have.
    pub(super) fn made(&self, secrets: &Secrets) -> Result<Zeroizing<String>, HandlerError> {
        let mut length = 0;
        for part in &self.0 {
            length += part.text(secrets)?.len();
        }
        // As long as it will be, because what grows leaves copies behind that nobody wipes.
        let mut text = Zeroizing::new(String::with_capacity(length));
        for part in &self.0 {
            text.push_str(part.text(secrets)?);
        }
        Ok(text)
    }
}

impl Part {
    fn text<'a>(&'a self, secrets: &'a Secrets) -> Result<&'a str, HandlerError> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Secret(name) => {
                let secret = secrets.get(name).ok_or_else(|| HandlerError::NoSecret(name.clone()))?;
                Ok(secret.expose())
            }
        }
    }
}

impl Value {
    /// The names of the secrets in it.
    pub(super) fn secrets(&self) -> Vec<&Arc<str>> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Made(template) => template.secrets().collect(),
            Self::Basic { username, password } => username.secrets().chain(password.secrets()).collect(),
        }
    }

    /// How it uses them.
    pub(super) fn style(&self) -> Style {
        match self {
            Self::Plain(_) | Self::Made(_) => Style::Inject,
            Self::Basic { .. } => Style::Basic,
        }
    }

    /// The header's value, with the values that `secrets` have.
    pub(super) fn made(&self, secrets: &Secrets) -> Result<HeaderValue, HandlerError> {
        let text = match self {
            Self::Plain(value) => return Ok(value.clone()),
            Self::Made(template) => std::mem::take(&mut *template.made(secrets)?),
            Self::Basic { username, password } => {
                let (username, password) = (username.made(secrets)?, password.made(secrets)?);
                let both = Zeroizing::new([username.as_str(), ":", &password].concat());
                let mut text = "Basic ".to_owned();
                BASE64.encode_append(both.as_bytes(), &mut text);
                text
            }
        };
        let value = HeaderValue::from_maybe_shared(Bytes::from(text));
        let mut value = value.map_err(|_| HandlerError::BadSecret("a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}
