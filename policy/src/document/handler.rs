//! What a handler of the document is: one of three built-in kinds, or a WebAssembly component.
//!
//! Templates of header values are cut into text and secret names here, so that whoever renders them only concatenates.

use std::mem;

use serde_saphyr::Spanned;

use super::{
    Rules, Secrets,
    read::{duplicate, is_name, unknown},
    source::{Entries, HandlerWords, RespondWords, Word},
    wasm::{Names, WasmSource},
};
use crate::{
    Fault,
    fault::{Position, clip},
};

/// A handler as the document describes it.
#[derive(Clone, Debug, PartialEq)]
pub enum HandlerSource {
    /// Sets request headers, after the workload's own of the same name are removed.
    Inject(Vec<(String, Template)>),
    /// Refuses the request.
    Deny {
        /// 400 to 599.
        status: u16,
        /// What the workload is told.
        reason: Option<String>,
    },
    /// Answers the request itself.
    Respond {
        /// 200 to 599.
        status: u16,
        /// Header names in lower case, with their values.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: String,
    },
    /// Runs a component.
    Wasm(Box<WasmSource>),
}

impl HandlerSource {
    /// The key that makes it what it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Inject(_) => "inject",
            Self::Deny { .. } => "deny",
            Self::Respond { .. } => "respond",
            Self::Wasm(_) => "wasm",
        }
    }

    /// Whether it puts a secret into the request.
    pub(super) fn injects_secrets(&self) -> bool {
        matches!(self, Self::Inject(headers) if headers.iter().any(|(_, value)| value.secrets().next().is_some()))
    }
}

/// A header value with places for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<TemplatePart>);

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text that stands for itself.
    Text(String),
    /// The value of the secret of this name.
    Secret(String),
}

/// Headers that belong to a connection or frame a message (RFC 9110, sections 7.2, 7.6.1 and 8.6): the proxy writes
/// them itself. Everything that starts with `proxy-` is with them.
const RESERVED: [&str; 8] =
    ["connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Most headers of one handler: what HTTP servers commonly take in all.
const MAX_HEADERS: usize = 100;

impl HandlerSource {
    pub(super) fn read(
        name: &Word,
        mut words: HandlerWords,
        names: Names<'_>,
        rules: &mut Rules,
    ) -> Result<Self, Fault> {
        if let (None, Some((key, at))) = (&words.wasm, words.of_wasm()) {
            return Err(Fault::new(at, format!("`{key}` is for handlers with `wasm`")));
        }
        match (words.inject.take(), words.deny.take(), words.respond.take(), words.wasm.take()) {
            (Some(headers), None, None, None) => read_inject(&headers, names.secrets),
            (None, Some(deny), None, None) => Ok(Self::Deny {
                status: read_status(deny.status.as_ref(), 403, 400)?,
                reason: deny.reason.map(|word| word.value),
            }),
            (None, None, Some(respond), None) => read_respond(respond),
            (None, None, None, Some(wasm)) => {
                WasmSource::read(wasm, words, names, rules).map(|wasm| Self::Wasm(Box::new(wasm)))
            }
            _ => {
                let message = format!(
                    "handler `{}` needs exactly one of `inject`, `deny`, `respond` and `wasm`",
                    name.value
                );
                Err(Fault::new(name.referenced.into(), message))
            }
        }
    }
}

fn read_inject(headers: &Entries<Word>, secrets: &Secrets) -> Result<HandlerSource, Fault> {
    let read = |value: &Word| {
        let at = Position::from(value.referenced);
        let template = Template::parse(&value.value).map_err(|message| Fault::new(at, message))?;
        let missing = template.secrets().find(|name| !secrets.contains_key(*name));
        match missing.map(|name| unknown("secret", at, name, secrets)) {
            Some(fault) => Err(fault),
            None => Ok(template),
        }
    };
    read_headers(headers, read).map(HandlerSource::Inject)
}

fn read_respond(words: RespondWords) -> Result<HandlerSource, Fault> {
    Ok(HandlerSource::Respond {
        status: read_status(words.status.as_ref(), 200, 200)?,
        headers: read_headers(&words.headers, |value| Ok(value.value.clone()))?,
        body: words.body,
    })
}

pub(super) fn read_status(status: Option<&Spanned<u16>>, default: u16, lowest: u16) -> Result<u16, Fault> {
    match status {
        None => Ok(default),
        Some(status) if (lowest..=599).contains(&status.value) => Ok(status.value),
        Some(status) => {
            Err(Fault::new(status.referenced.into(), format!("the status must be from {lowest} to 599")))
        }
    }
}

/// Header names in lower case, each once, with values that end neither the header nor the message.
pub(super) fn read_headers<T>(
    entries: &Entries<Word>,
    read: impl Fn(&Word) -> Result<T, Fault>,
) -> Result<Vec<(String, T)>, Fault> {
    if let Some((key, _)) = entries.0.get(MAX_HEADERS) {
        return Err(Fault::new(key.referenced.into(), format!("more than {MAX_HEADERS} headers")));
    }
    let mut headers: Vec<(String, T)> = Vec::with_capacity(entries.0.len());
    for (key, value) in &entries.0 {
        let at = Position::from(key.referenced);
        let name = key.value.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(Fault::new(at, format!("`{}` is no name for a header", clip(&key.value))));
        }
        if RESERVED.contains(&name.as_str()) || name.starts_with("proxy-") {
            return Err(Fault::new(at, format!("the header `{}` is the proxy's own to write", clip(&name))));
        }
        if headers.iter().any(|(seen, _)| *seen == name) {
            return Err(duplicate(key));
        }
        if !value.value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            let message = format!("the value of `{}` holds something else than printable ASCII", clip(&name));
            return Err(Fault::new(value.referenced.into(), message));
        }
        headers.push((name, read(value)?));
    }
    Ok(headers)
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

impl Template {
    /// `${NAME}` is a secret, `$${` is a literal `${`, and any other `$` is itself.
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                literal.extend([before, "${"]);
                rest = after;
                continue;
            }
            literal.push_str(before);
            let (name, tail) =
                after.split_once('}').ok_or("`${` has no `}`; write `$${` for a literal `${`")?;
            if !is_name(name) {
                return Err(format!("`{}` is no name for a secret", clip(name)));
            }
            if !literal.is_empty() {
                parts.push(TemplatePart::Text(mem::take(&mut literal)));
            }
            parts.push(TemplatePart::Secret(name.to_owned()));
            rest = tail;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(TemplatePart::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The names of the secrets in it.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Secret(name) => Some(name.as_str()),
            TemplatePart::Text(_) => None,
        })
    }
}
