//! Why a request was not signed, and whose fault that is.
//!
//! Shown once, where the exchange ends: `status` and `kind` are for the workload and the record, the text for our log.
//! None of them holds a secret's value or what the workload sent.

use std::sync::Arc;

use http::StatusCode;

use crate::BodyError;

/// Why a request was not signed. It is not sent then.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The operator's: a secret that signing needs is not among those of the exchange.
    #[error("the secret {0} is not among those of the exchange")]
    Missing(Arc<str>),
    /// The operator's: a secret's value has characters that cannot stand where it belongs.
    #[error("the secret {0} has characters that cannot stand in a signed request")]
    Unfit(Arc<str>),
    /// The operator's: neither the handler nor the request says for which region or service to sign.
    #[error("neither the handler nor the request says for which {0} to sign")]
    Unknown(&'static str),
    /// The operator's: the machine's clock is outside of what dates can say.
    #[error("the clock shows no time that can be written as a date")]
    Clock,
    /// The workload's: the request is not what can be signed.
    #[error("the request cannot be signed: {0}")]
    Malformed(&'static str),
    /// The workload's: it asks for a way of signing that is not spoken here.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// The workload's: its presigned URL is past the moment it gave itself.
    #[error("the presigned URL has expired")]
    Expired,
    /// The workload's: the body has to be held as a whole, and is larger than that may be.
    #[error("the body, or a chunk of it, is larger than the {0} bytes that signing may hold")]
    TooLarge(usize),
    /// Nobody's here: reading the body failed, with the error of whoever reads it.
    #[error("reading the body failed: {0}")]
    Body(#[source] BodyError),
}

impl SignError {
    /// The status for the workload: 4xx if the fault is its own, 5xx if it is the operator's.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing(_) | Self::Unfit(_) | Self::Unknown(_) | Self::Clock => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Malformed(_) | Self::Unsupported(_) | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Expired => StatusCode::FORBIDDEN,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// A fixed word for the record and the workload.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::Unfit(_) | Self::Unknown(_) | Self::Clock => "sign_settings",
            Self::Malformed(_) | Self::Unsupported(_) | Self::Expired => "sign_request",
            Self::TooLarge(_) => "sign_too_large",
            Self::Body(_) => "sign_body",
        }
    }
}
