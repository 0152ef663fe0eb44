//! Everything that can go wrong with certificates, grouped by whose fault it is, so that the caller can
//! map each variant to an answer: the workload asked for an impossible name, the operator configured
//! something unusable, or we ourselves failed. No variant ever carries key material.

/// Why a certificate or a trust store could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertError {
    /// The workload's fault: no certificate may exist for this name.
    #[error("no certificate can be minted for this name: {reason}")]
    Name {
        /// What is wrong with the name. The name itself is left out: it is untrusted and may be long.
        reason: &'static str,
    },
    /// The operator's fault: the instance's name cannot stand in a certificate.
    #[error("instance name {name:?} cannot be used in a certificate: {reason}")]
    Instance {
        /// The name as configured.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The operator's fault: one of the configured extra roots is unusable.
    #[error("extra root {index} (counted from 0): {reason}")]
    ExtraRoot {
        /// Position in the list that was passed in, counted from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The operator's fault: system roots were asked for and none could be loaded.
    #[error("the system trust store holds no usable certificate ({reason}); install one or ignore it")]
    SystemRoots {
        /// What the loader said.
        reason: String,
    },
    /// The machine's fault: the clock shows a time at which the CA is not valid, so no leaf would be.
    #[error("the instance CA is not valid at the present time; it may have expired")]
    OutsideCaValidity,
    /// The machine's fault: the clock shows a time that no certificate can express.
    #[error("the clock shows a time that no certificate can express")]
    Clock,
    /// Our fault: the cryptographic library refused to make a key or a random number.
    #[error("the cryptographic library failed to {0}")]
    Crypto(&'static str),
    /// Our fault: a certificate could not be encoded or signed.
    #[error("certificate could not be made")]
    Mint(#[from] rcgen::Error),
}
