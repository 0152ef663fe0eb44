//! What can go wrong, and whose fault it is.
//!
//! [`LoadError`] is for the operator who loads a component. [`HandlerError`] ends an exchange: it knows the status
//! for the workload and a fixed word for the audit record. The texts of guests are in `Display` for our own log only;
//! neither `status` nor `kind` ever contains them.

use std::sync::Arc;

use http::StatusCode;

use crate::BodyError;

/// Why a chain gave no outcome. Always answered with an error, never with a pass-through.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The fetch behind the chain failed: the proxy's own error, to be downcast by it.
    #[error("fetch failed: {0}")]
    Fetch(#[source] BodyError),
    /// A secret that a handler needs is not there.
    #[error("secret {0} is missing")]
    NoSecret(Arc<str>),
    /// A secret's value cannot stand where a handler puts it.
    #[error("a secret cannot stand in {0}")]
    BadSecret(&'static str),
    /// A script failed.
    #[error("handler {handler}: {fault}")]
    Script {
        /// The handler's name.
        handler: Arc<str>,
        /// What it did.
        fault: Fault,
    },
}

/// What a script did wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It computed for longer than its CPU budget.
    #[error("CPU budget spent")]
    CpuBudget,
    /// It asked for more memory, tables or host resources than it may have, and could not go on without.
    #[error("memory budget spent")]
    MemoryBudget,
    /// It gave no response before its deadline.
    #[error("deadline passed")]
    Deadline,
    /// It trapped; the text names the trap.
    #[error("trapped: {0}")]
    Trapped(String),
    /// It returned an error or threw an exception, or its response was not valid HTTP. For our own log only.
    #[error("failed: {0}")]
    Failed(String),
    /// All of its instances were busy for the whole deadline, or too many calls were already waiting.
    #[error("busy")]
    Busy,
}

impl HandlerError {
    /// The status for the workload.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Fetch(_) => StatusCode::BAD_GATEWAY,
            Self::NoSecret(_) | Self::BadSecret(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Script { fault, .. } => fault.status(),
        }
    }

    /// A fixed word for the audit record and the workload.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "upstream_failed",
            Self::NoSecret(_) | Self::BadSecret(_) => "secret_unavailable",
            Self::Script { fault, .. } => fault.kind(),
        }
    }

    /// The name of the script that failed; none when something else did.
    pub fn handler(&self) -> Option<&str> {
        match self {
            Self::Fetch(_) | Self::NoSecret(_) | Self::BadSecret(_) => None,
            Self::Script { handler, .. } => Some(handler),
        }
    }
}

impl Fault {
    /// The words of all of them.
    pub const KINDS: [&'static str; 6] = [
        "handler_cpu",
        "handler_memory",
        "handler_deadline",
        "handler_trapped",
        "handler_failed",
        "handler_busy",
    ];

    fn status(&self) -> StatusCode {
        match self {
            Self::CpuBudget | Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
            Self::MemoryBudget | Self::Trapped(_) | Self::Failed(_) => StatusCode::BAD_GATEWAY,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::CpuBudget => "handler_cpu",
            Self::MemoryBudget => "handler_memory",
            Self::Deadline => "handler_deadline",
            Self::Trapped(_) => "handler_trapped",
            Self::Failed(_) => "handler_failed",
            Self::Busy => "handler_busy",
        }
    }
}

/// Why a component was not loaded, or the engine not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// This machine could not start the WebAssembly engine.
    #[error("cannot start the WebAssembly engine: {0}")]
    Engine(String),
    /// The file is larger than a component may be.
    #[error("component of {bytes} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The component's size.
        bytes: usize,
        /// The largest size that is accepted.
        limit: usize,
    },
    /// It is named by its hash, and not among the components that are kept.
    #[error("no component with this hash is kept; load it from its file")]
    NotKept,
    /// The bytes are not a component that can be compiled.
    #[error("not a WebAssembly component: {0}")]
    Invalid(String),
    /// It wants something that no handler is given; the text names the import.
    #[error("imports what is not granted: {0}")]
    Import(String),
    /// It does not export `handle` as `egress:handler/handler` says; the text names what is missing.
    #[error("does not export `handle: async func(request) -> result<response, string>`: {0}")]
    Export(String),
}
