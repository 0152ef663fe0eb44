//! Why a file of a container was left as it is. Each is the doing of the container or of whoever set it up; none is a reason
//! to stop, because variables can name the CA all the same.

use std::io;

/// A file was refused.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The container has no root file system of its own; changing ours would make this machine trust the CA.
    #[error("the root folder is the proxy's own")]
    OwnRoot,
    /// A volume, perhaps the host's, or a file system that the container itself serves.
    #[error("it is on another file system than the root folder")]
    OtherMount,
    /// A folder, FIFO, socket or device.
    #[error("it is not a regular file")]
    NotRegular,
    /// Symbolic links that lead in circles, or too far.
    #[error("too many symbolic links lead to it")]
    Links,
    /// Larger than any bundle.
    #[error("it is larger than 16 MiB")]
    TooLarge,
    /// A file without a certificate.
    #[error("it holds no certificate in PEM")]
    NoBundle,
    /// The kernel refused: read-only, full, not permitted.
    #[error("cannot {step}: {source}")]
    System {
        /// What was being done, in the infinitive.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl TrustError {
    pub(super) fn step(step: &'static str) -> impl FnOnce(nix::errno::Errno) -> Self {
        move |errno| match errno {
            nix::errno::Errno::EXDEV => Self::OtherMount,
            nix::errno::Errno::ELOOP => Self::Links,
            _ => Self::System { step, source: errno.into() },
        }
    }
}
