//! Everything that can go wrong between a workload and an upstream, and the one table that says what the workload is told:
//! status, reason word, sentence. The reason words are the audit line's `error` too; docs/errors.md lists them. Secrets and
//! handlers' own texts never get here.

mod grpc;
mod problem;
mod upstream;

use http::StatusCode;
use policy::{AddressRefusal, Answer, Denial, HostError, Policy, Reason};

use crate::http::strict::Fault;

pub use grpc::Tongue;
pub use problem::refusal;
pub use upstream::{TlsFault, UpstreamError};

/// Why a connection ended before it became exchanges or a tunnel.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The workload closed without a byte, or in the middle of its first ones.
    #[error("closed before it said what it speaks")]
    ClosedEarly,
    /// The TLS handshake with the workload failed; most often it does not trust the instance CA.
    #[error("TLS handshake with the workload: {0}")]
    Handshake(std::io::Error),
    /// The handshake, or the ClientHello, took too long.
    #[error("TLS handshake with the workload timed out")]
    HandshakeTimeout,
    /// No leaf can be made for what the ClientHello asks for.
    #[error("no certificate: {0}")]
    Certificate(String),
    /// HTTP that cannot be parsed, or a limit of the protocol that was crossed.
    #[error("HTTP from the workload: {0}")]
    Http(hyper::Error),
    /// More frames of HTTP/2 than could be of use.
    #[error("a flood of HTTP/2 frames from the workload")]
    Flood,
    /// The socket failed.
    #[error("workload socket: {0}")]
    Workload(std::io::Error),
    /// A tunnel's upstream could not be reached.
    #[error(transparent)]
    Upstream(UpstreamError),
    /// A tunnel carried nothing for too long.
    #[error("idle for too long")]
    Idle,
    /// The audit log cannot be written.
    #[error("the audit log cannot be written")]
    NoAudit,
}

impl ConnectionError {
    /// The word for the audit line.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ClosedEarly => "closed_early",
            Self::Handshake(_) => "workload_tls",
            Self::HandshakeTimeout => "workload_tls_timeout",
            Self::Certificate(_) => "workload_tls_name",
            Self::Http(_) => "workload_http",
            Self::Flood => "workload_flood",
            Self::Workload(_) => "workload_socket",
            Self::Upstream(error) => error.kind(),
            Self::Idle => "idle",
            Self::NoAudit => "audit_failed",
        }
    }

    /// Whether the answer is no, as against: something broke.
    pub fn is_denial(&self) -> bool {
        matches!(self, Self::Upstream(UpstreamError::AddressRefused(_)))
    }
}

/// Why an exchange did not get the answer it asked for.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The request does not say, or says twice, which host it is for.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is not HTTP/1.1 to the letter.
    #[error(transparent)]
    Unreadable(#[from] Fault),
    /// The host is not a name that can be compared.
    #[error("the host of the request is not usable: {0}")]
    Host(#[from] HostError),
    /// The request is for another host than the connection (RFC 9110, 15.5.20).
    #[error("the request is for {authority}, but its connection is for {connection}")]
    Misdirected {
        /// What the request says.
        authority: String,
        /// What the TLS server name or the destination address says.
        connection: String,
    },
    /// CONNECT and TRACE have no meaning here.
    #[error(
        "the method {0} is not proxied: take proxy settings (HTTPS_PROXY, for example) out of the client and let it connect directly"
    )]
    Method(String),
    /// The policy denies it.
    #[error("{}", .0.reason.explain())]
    Denied(Denial),
    /// A handler denies it.
    #[error("{}", reason.as_deref().unwrap_or("a handler refused the request"))]
    DeniedByHandler {
        /// The status the handler chose.
        status: StatusCode,
        /// The handler's sentence for the workload, from the policy document.
        reason: Option<String>,
        /// The rule by which the handler was bound.
        rule: String,
    },
    /// A secret would travel in the clear.
    #[error("the handlers of this host hold secrets, which are never sent over plain HTTP: use https")]
    SecretOnPlaintext {
        /// The rule by which the handler was bound.
        rule: String,
    },
    /// A secret would go where it is not bound to.
    #[error("a handler of this host would add a secret that is not for this request")]
    SecretNotBound {
        /// The rule by which the handler was bound.
        rule: String,
    },
    /// A secret has no value now.
    #[error("a credential that this request needs cannot be had now; try again later")]
    SecretUnavailable,
    /// The audit log cannot be written, and nothing passes without its record.
    #[error("the proxy cannot write its records, so nothing may pass; tell whoever runs this sandbox")]
    NoAudit,
    /// A tail fails, and nothing passes that it does not hear of.
    #[error(
        "a program that must hear of every request fails, so nothing may pass; tell whoever runs this sandbox"
    )]
    NoTail,
    /// A handler's request of another host is not granted.
    #[error("fetch to other hosts is not granted: name them under `fetch` of the handler")]
    NotGranted,
    /// The upstream failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// A handler failed; its own text stays in our log.
    #[error("a handler failed")]
    Handler {
        /// 502, 503 or 504.
        status: StatusCode,
        /// The word for the audit line.
        kind: &'static str,
    },
}

impl ExchangeError {
    /// The status that the workload sees.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Host(_) => StatusCode::BAD_REQUEST,
            Self::Unreadable(fault) => fault.status(),
            Self::Misdirected { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Denied(Denial { reason: Reason::PathAmbiguous, .. }) => StatusCode::BAD_REQUEST,
            Self::Denied(_)
            | Self::SecretOnPlaintext { .. }
            | Self::SecretNotBound { .. }
            | Self::NotGranted => StatusCode::FORBIDDEN,
            Self::DeniedByHandler { status, .. } | Self::Handler { status, .. } => *status,
            Self::NoAudit | Self::NoTail | Self::SecretUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream(error) => error.status(),
        }
    }

    /// The reason word: in the problem's `reason`, and in the audit line's `error`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Unreadable(_) => "malformed_request",
            Self::Host(_) => "malformed_host",
            Self::Misdirected { .. } => "misdirected",
            Self::Method(_) => "method_not_proxied",
            Self::Denied(denial) => denial.reason.as_str(),
            Self::DeniedByHandler { .. } => "denied_by_handler",
            Self::SecretOnPlaintext { .. } => "secret_on_plaintext",
            Self::SecretNotBound { .. } => "secret_not_bound",
            Self::SecretUnavailable => "secret_unavailable",
            Self::NoAudit => "audit_failed",
            Self::NoTail => "tail_failed",
            Self::NotGranted => "fetch_not_granted",
            Self::Upstream(error) => error.kind(),
            Self::Handler { kind, .. } => kind,
        }
    }

    /// The rule that decided, where one did.
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Denied(denial) => Some(denial.rule.as_str()),
            Self::DeniedByHandler { rule, .. }
            | Self::SecretOnPlaintext { rule }
            | Self::SecretNotBound { rule } => Some(rule),
            Self::Upstream(UpstreamError::AddressRefused(AddressRefusal::Denied { rule, .. })) => {
                Some(rule.as_str())
            }
            _ => None,
        }
    }

    /// What the policy wants to be answered instead of a problem, where the policy is what refuses.
    pub fn answer<'a>(&'a self, policy: &'a Policy) -> Option<&'a Answer> {
        match self {
            Self::Denied(denial) => denial.answer.as_deref(),
            Self::Upstream(UpstreamError::AddressRefused(_) | UpstreamError::Revoked) => {
                policy.answer().map(|answer| &**answer)
            }
            _ => None,
        }
    }

    /// Whether the answer is no, as against: something broke. What was let pass and taken back later was let pass.
    pub fn is_denial(&self) -> bool {
        match self {
            Self::DeniedByHandler { .. } | Self::Unreadable(_) => true,
            Self::Upstream(UpstreamError::Revoked) => false,
            _ => self.status().is_client_error(),
        }
    }
}
