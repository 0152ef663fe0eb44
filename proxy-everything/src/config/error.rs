//! What can be wrong with a document, said to whoever wrote it: the text itself, a file that it names, a secret, a handler,
//! a root. Shown at the edge, by the command line or the admin API, and therefore never with a secret's value in it.

use std::path::PathBuf;

/// The document is not put in force. Never holds a secret's value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text itself, with line and column.
    #[error("{fault}")]
    Fault {
        /// Which of several texts.
        part: Option<String>,
        /// What is wrong.
        fault: policy::Fault,
    },
    /// A file that the document names.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A secret without a usable value.
    #[error("secret `{name}`: {reason}")]
    Secret {
        /// Its name in the document.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A handler that cannot be made.
    #[error("handler `{name}`: {reason}")]
    Handler {
        /// Its name in the document.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A store that cannot be opened.
    #[error("store `{name}`: {reason}")]
    Store {
        /// Its name in the document.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// What was set at run time does not fit the document.
    #[error(
        "what was set at run time does not fit the document: {0}; change that first, or `override clear`"
    )]
    Overrides(String),
    /// What was set at run time and kept in a file cannot be set again.
    #[error("cannot set again what was set at run time: {}: {reason}; put the file right, or remove it to do without", path.display())]
    KeptOverrides {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// How TLS is spoken with some hosts.
    #[error("upstreamTls: {}{reason}", .path.as_ref().map(|path| format!("cannot use {}: ", path.display())).unwrap_or_default())]
    UpstreamTls {
        /// The file, if one is at fault.
        path: Option<PathBuf>,
        /// What is wrong.
        reason: String,
    },
    /// The roots that upstreams are verified against.
    #[error("upstreamRoots: {0}")]
    Roots(certs::CertError),
}

impl ConfigError {
    /// The fault has no place in the document.
    pub(super) fn overrides(fault: policy::Fault) -> Self {
        let cure = fault.suggestion.map(|cure| format!("; {cure}")).unwrap_or_default();
        Self::Overrides(fault.message + &cure)
    }

    /// Line and column in the document, both from 1, where they are known.
    pub fn position(&self) -> Option<(u64, u64)> {
        match self {
            Self::Fault { fault, .. } => Some((fault.line, fault.column)),
            _ => None,
        }
    }

    /// Which of several texts is at fault, where that is known.
    pub fn part(&self) -> Option<&str> {
        match self {
            Self::Fault { part, .. } => part.as_deref(),
            _ => None,
        }
    }
}
