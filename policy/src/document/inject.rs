//! What the built-in handler puts into requests: headers, a bearer token, a user and a password, parameters of the query.
//!
//! Receives words and hands on an [`InjectSource`]. All of its keys may stand together, as long as none writes what another does:
//! whatever the workload sent in such a place is removed first.

use serde::Deserialize;

use super::{
    Secrets,
    handler::read_headers,
    read::{duplicate, unknown},
    source::{Entries, HandlerWords, Word},
    template::Template,
};
use crate::{
    Fault,
    fault::{Position, clip},
};

/// Most parameters of one handler.
const MAX_PARAMETERS: usize = 100;
/// Longest name of a parameter, in octets.
const MAX_NAME: usize = 128;

/// What is put into a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InjectSource {
    /// Names in lower case, each once.
    pub headers: Vec<(String, Template)>,
    /// The header `Authorization`, which is not among `headers` then.
    pub basic: Option<BasicSource>,
    /// Parameters of the query, as they are before they are encoded, each once.
    pub query: Vec<(String, Template)>,
}

/// A user and a password (RFC 7617).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicSource {
    /// Text in it has no `:`.
    pub username: Template,
    /// The password.
    pub password: Template,
}

impl InjectSource {
    /// The names of the secrets that it puts into requests.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let basic = self.basic.iter().flat_map(|basic| [&basic.username, &basic.password]);
        let named = self.headers.iter().chain(&self.query).map(|(_, value)| value);
        named.chain(basic).flat_map(Template::secrets)
    }
}

/// The keys of `basic`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BasicWords {
    username: Word,
    password: Word,
}

impl HandlerWords {
    /// Whether one of these keys is there.
    pub(super) fn injects(&self) -> bool {
        self.inject.is_some() || self.bearer.is_some() || self.basic.is_some() || self.query.is_some()
    }
}

impl InjectSource {
    pub(super) fn read(words: &mut HandlerWords, secrets: &Secrets) -> Result<Self, Fault> {
        let headers = words.inject.take().unwrap_or_default();
        let mut headers = read_headers(&headers, |value| template(value, secrets))?;
        let authorized =
            |headers: &[(String, Template)]| headers.iter().any(|(name, _)| name == AUTHORIZATION);
        let twice = |word: &Word| {
            Fault::new(word.referenced.into(), "the header `authorization` is written a second time")
        };
        if let Some(token) = words.bearer.take() {
            if authorized(&headers) {
                return Err(twice(&token));
            }
            printable("bearer", &token)?;
            headers.push((AUTHORIZATION.to_owned(), template(&token, secrets)?.after("Bearer ")));
        }
        let basic = match words.basic.take() {
            Some(BasicWords { username, .. }) if authorized(&headers) => return Err(twice(&username)),
            Some(basic) => Some(basic.read(secrets)?),
            None => None,
        };
        let query = words.query.take().unwrap_or_default();
        Ok(Self { headers, basic, query: parameters(&query, secrets)? })
    }
}

const AUTHORIZATION: &str = "authorization";

impl BasicWords {
    fn read(self, secrets: &Secrets) -> Result<BasicSource, Fault> {
        printable("username", &self.username)?;
        printable("password", &self.password)?;
        let username = template(&self.username, secrets)?;
        if username.texts().any(|text| text.contains(':')) {
            let message = "a `username` has no `:`, which is what ends it";
            return Err(Fault::new(self.username.referenced.into(), message));
        }
        Ok(BasicSource { username, password: template(&self.password, secrets)? })
    }
}

fn parameters(entries: &Entries<Word>, secrets: &Secrets) -> Result<Vec<(String, Template)>, Fault> {
    if let Some((key, _)) = entries.0.get(MAX_PARAMETERS) {
        return Err(Fault::new(key.referenced.into(), format!("more than {MAX_PARAMETERS} parameters")));
    }
    let mut parameters: Vec<(String, Template)> = Vec::with_capacity(entries.0.len());
    for (key, value) in &entries.0 {
        let name = &key.value;
        if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!("`{}` is no name for a parameter of a query", clip(name));
            return Err(Fault::new(key.referenced.into(), message));
        }
        if parameters.iter().any(|(seen, _)| seen == name) {
            return Err(duplicate(key));
        }
        printable(name, value)?;
        parameters.push((name.clone(), template(value, secrets)?));
    }
    Ok(parameters)
}

fn printable(key: &str, value: &Word) -> Result<(), Fault> {
    if value.value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    let message = format!("the value of `{}` holds something else than printable ASCII", clip(key));
    Err(Fault::new(value.referenced.into(), message))
}

/// Every secret in it is one of the document's.
fn template(value: &Word, secrets: &Secrets) -> Result<Template, Fault> {
    let at = Position::from(value.referenced);
    let template = Template::parse(&value.value).map_err(|message| Fault::new(at, message))?;
    let missing = template.secrets().find(|name| !secrets.contains_key(*name));
    match missing.map(|name| unknown("secret", at, name, secrets)) {
        Some(fault) => Err(fault),
        None => Ok(template),
    }
}
