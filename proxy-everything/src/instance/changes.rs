//! What became of the changes of a policy: how many were accepted and refused, and what is wrong with the last one while that has
//! not been put right. Receives refusals from whoever makes changes, hands them on to `status`, the metrics and the log. What is in
//! force does not depend on any of it: a faulty change leaves the last good one there.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use serde::Serialize;

use crate::{audit::rfc3339, config::ConfigError};

/// Why the last change was refused. Never holds a secret's value.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyFault {
    /// Where the change came from: the path of a file, or the admin API's resource.
    pub source: String,
    /// 1-based line in the document, where it is known.
    pub line: Option<u64>,
    /// 1-based column, in characters.
    pub column: Option<u64>,
    /// What is wrong.
    pub detail: String,
    /// When it was refused first; RFC 3339, UTC, milliseconds.
    #[serde(serialize_with = "rfc3339")]
    pub since: SystemTime,
}

impl PolicyFault {
    fn new(source: &str, error: &ConfigError) -> Self {
        let (line, column) = error.position().unzip();
        Self { source: source.to_owned(), line, column, detail: error.to_string(), since: SystemTime::now() }
    }

    fn is_about_the_same(&self, other: &Self) -> bool {
        (&self.source, &self.detail) == (&other.source, &other.detail)
    }
}

/// The changes of one instance, under one proxy.
#[derive(Debug, Default)]
pub struct Changes {
    accepted: AtomicU64,
    refused: AtomicU64,
    fault: Mutex<Option<PolicyFault>>,
}

impl Changes {
    /// A change is in force.
    pub(super) fn accept(&self) {
        self.accepted.fetch_add(1, Relaxed);
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A change from `source` was refused; said once for each fault.
    pub fn refuse(&self, instance: &str, source: &str, error: &ConfigError) {
        self.refused.fetch_add(1, Relaxed);
        let fault = PolicyFault::new(source, error);
        let mut known = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|known| known.is_about_the_same(&fault)) {
            return;
        }
        tracing::warn!(instance, source, %error, "a faulty policy is not put in force; the last good one stays");
        *known = Some(fault);
    }

    /// What is at `source` is what was accepted from there.
    pub fn put_right(&self, source: &str) {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.take_if(|fault| fault.source == source);
    }

    /// How many were put in force.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// How many were faulty.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// What is wrong with the last one, if anything is.
    pub fn fault(&self) -> Option<PolicyFault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> ConfigError {
        ConfigError::Fault { part: None, fault: policy::Document::parse(text).unwrap_err() }
    }

    #[test]
    fn a_fault_stays_until_it_is_put_right() {
        let changes = Changes::default();
        assert!(changes.fault().is_none());
        changes.refuse("a", "/one", &error("\nbogus: 1"));
        let first = changes.fault().unwrap();
        assert_eq!((first.line, first.column, first.source.as_str()), (Some(2), Some(1), "/one"));
        changes.refuse("a", "/one", &error("\nbogus: 1"));
        assert_eq!(changes.fault().unwrap().since, first.since, "it has been there since");
        changes.put_right("/other");
        assert!(changes.fault().is_some());
        changes.put_right("/one");
        assert!(changes.fault().is_none());
        changes.refuse("a", "/one", &error("bogus: 1"));
        changes.accept();
        assert!(changes.fault().is_none());
        assert_eq!((changes.accepted(), changes.refused()), (1, 3));
    }
}
