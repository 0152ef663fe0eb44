//! Lines of the audit file, as far as policies can be tried on them or drafted from them. Receives one line, hands on what it says
//! about a request; what is not known here is passed over.

use serde::Deserialize;
use serde_json::Value;

use crate::{Authority, Scheme, Url};

/// A line; what a tool does not need is left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Recorded {
    pub(crate) kind: String,
    pub(crate) class: String,
    pub(crate) protocol: String,
    pub(crate) decision: String,
    pub(crate) handlers: Vec<String>,
    pub(crate) secrets: Vec<RecordedSecret>,
    pub(crate) method: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) monitored: Option<Value>,
    pub(crate) error: Option<String>,
    scheme: Option<String>,
    sni: Option<String>,
    path: Option<String>,
}

/// A secret that a request was sent with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RecordedSecret {
    pub(crate) name: String,
}

/// Longest path of a record that is certainly whole, in octets.
const MAX_WHOLE: usize = 1_020;

impl Recorded {
    pub(crate) fn parse(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }

    /// What the request was for, if the line says all of it.
    pub(crate) fn url(&self) -> Option<Url> {
        let path = self.path.clone().filter(|path| path.len() <= MAX_WHOLE)?;
        let authority = self.authority.as_deref()?;
        let scheme = match self.scheme.as_deref() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            // Lines of earlier versions do not name it.
            _ if self.sni.is_some() || authority.ends_with(":443") => Scheme::Https,
            _ => Scheme::Http,
        };
        Some(Url { scheme, authority: Authority::parse(authority, scheme).ok()?, path })
    }
}
