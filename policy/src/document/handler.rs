//! What a handler of the document is: one of four built-in kinds, or a WebAssembly component.
//!
//! Receives words and hands on what the one kind that they name needs; headers that the proxy writes itself are nobody else's.

use std::collections::BTreeSet;

use serde_saphyr::Spanned;

use super::{
    Rules,
    inject::InjectSource,
    read::duplicate,
    sign::SignSource,
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
    /// Puts headers and parameters into the request, after the workload's own of the same name are removed.
    Inject(InjectSource),
    /// Signs the request.
    Sign(SignSource),
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
            Self::Sign(_) => "sign",
            Self::Deny { .. } => "deny",
            Self::Respond { .. } => "respond",
            Self::Wasm(_) => "wasm",
        }
    }

    /// The names of the secrets that it may use.
    pub fn secrets(&self) -> BTreeSet<&str> {
        match self {
            Self::Inject(inject) => inject.secrets().collect(),
            Self::Sign(sign) => sign.secrets().collect(),
            Self::Wasm(wasm) => wasm.secrets.iter().map(String::as_str).collect(),
            Self::Deny { .. } | Self::Respond { .. } => BTreeSet::new(),
        }
    }

    /// Whether it puts a secret into the request.
    pub(super) fn injects_secrets(&self) -> bool {
        matches!(self, Self::Inject(inject) if inject.secrets().next().is_some())
    }
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
        let injects = words.injects();
        match (injects, words.sign.take(), words.deny.take(), words.respond.take(), words.wasm.take()) {
            (true, None, None, None, None) => InjectSource::read(&mut words, names.secrets).map(Self::Inject),
            (false, Some(sign), None, None, None) => SignSource::read(sign, names.secrets).map(Self::Sign),
            (false, None, Some(deny), None, None) => Ok(Self::Deny {
                status: read_status(deny.status.as_ref(), 403, 400)?,
                reason: deny.reason.map(|word| word.value),
            }),
            (false, None, None, Some(respond), None) => read_respond(respond),
            (false, None, None, None, Some(wasm)) => {
                WasmSource::read(wasm, words, names, rules).map(|wasm| Self::Wasm(Box::new(wasm)))
            }
            _ => {
                let message = format!(
                    "handler `{}` needs exactly one of `inject` (with `bearer`, `basic` and `query`), `sign`, `deny`, \
                     `respond` and `wasm`",
                    name.value
                );
                Err(Fault::new(name.referenced.into(), message))
            }
        }
    }
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
        let name = header_name(key)?;
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

/// In lower case.
pub(super) fn header_name(word: &Word) -> Result<String, Fault> {
    let at = Position::from(word.referenced);
    let name = word.value.to_ascii_lowercase();
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Fault::new(at, format!("`{}` is no name for a header", clip(&word.value))));
    }
    if RESERVED.contains(&name.as_str()) || name.starts_with("proxy-") {
        return Err(Fault::new(at, format!("the header `{}` is the proxy's own to write", clip(&name))));
    }
    Ok(name)
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
