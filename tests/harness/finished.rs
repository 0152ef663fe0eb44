//! What a run left behind, and the invariants that hold after every run.
//!
//! The proxy did not panic; the secret is in nothing that the command saw and in no log; every audit line is valid, and
//! each request that an origin saw has exactly one record.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;

use serde_json::Value;

use crate::{Audit, Canary};

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    pub(crate) status: ExitStatus,
    /// What the command wrote to its standard output.
    pub stdout: String,
    /// What the command and the proxy wrote to their standard error.
    pub stderr: String,
    /// The audit records.
    pub audit: Audit,
    pub(crate) audit_path: PathBuf,
}

impl Finished {
    /// The exit code, or 128 + the signal that ended the proxy.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Panics with all output unless the exit code is 0.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code(), 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Each line of the standard output as JSON.
    pub fn json_lines(&self) -> Vec<Value> {
        let parse =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        self.stdout.lines().map(parse).collect()
    }

    pub(crate) fn assert_invariants(&self, canary: &Canary, requests_at_origins: usize) {
        self.assert_quiet(canary);
        self.audit.assert_one_record_each();
        let recorded = self.audit.answered_by_upstream();
        assert_eq!(recorded, requests_at_origins, "records and requests at the origins differ: {self:#?}");
    }

    pub(crate) fn assert_quiet(&self, canary: &Canary) {
        assert!(!self.stderr.contains("panicked at"), "the proxy panicked:\n{}", self.stderr);
        canary.assert_absent("standard output", self.stdout.as_bytes());
        canary.assert_absent("standard error", self.stderr.as_bytes());
        canary.assert_absent("the audit file", &std::fs::read(&self.audit_path).unwrap_or_default());
    }
}
