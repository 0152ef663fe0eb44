//! The built-in handler that refuses.
//!
//! Receives nothing of the request; hands on a status and a reason that the proxy phrases for the workload. It exists
//! so that a refusal can be put in a chain without a program.

use http::StatusCode;

/// Refuses every request.
#[derive(Debug, Clone)]
pub struct Deny {
    /// The status for the workload, usually 403.
    pub status: StatusCode,
    /// The operator's words, shown to the workload.
    pub reason: Option<String>,
}
