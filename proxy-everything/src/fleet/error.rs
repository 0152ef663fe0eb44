//! Why a workload could not be attached. Receives what the parts say, hands on one error, shown to whoever typed the command or
//! sent the request; no workload sees it.

use std::io;

use certs::CertError;

use crate::{capture::CaptureError, config::ConfigError, engine::EngineError};

/// Why a workload could not be attached.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The policy, or something that it names, is faulty.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The container engine did not tell.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its namespace could not be sealed.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// There is an instance of this id.
    #[error("there is an instance `{0}` already")]
    Taken(String),
    /// It was detached meanwhile.
    #[error("the instance `{0}` was detached meanwhile")]
    Gone(String),
    /// Its labels make no sense.
    #[error("container {container}: {reason}")]
    Label {
        /// The container.
        container: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no process in it.
    #[error("the workload does not run")]
    NotRunning,
    /// That would cut off the proxy itself.
    #[error("that is the proxy's own network namespace")]
    OwnNamespace,
    /// A published port would lead to itself.
    #[error(
        "cannot publish port {0} on itself: where the network is shared with the workload, the port outside must be another than the one inside"
    )]
    SamePort(u16),
    /// What the keeper held cannot be read.
    #[error("what an earlier proxy left behind cannot be used: {0}")]
    Kept(String),
    /// The instance's CA.
    #[error("cannot make the instance CA: {0}")]
    Ca(CertError),
    /// The instance's TLS.
    #[error("cannot set up TLS: {0}")]
    Tls(rustls::Error),
    /// A system call.
    #[error("cannot {step}: {error}")]
    Io {
        /// What was being done, in the infinitive.
        step: &'static str,
        /// The kernel's answer.
        error: io::Error,
    },
}

impl FleetError {
    pub(super) fn io(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { step, error }
    }

    pub(super) fn crashed(error: tokio::task::JoinError) -> Self {
        Self::Io { step: "finish a task", error: io::Error::other(error) }
    }
}
