//! What can go wrong on the way to an upstream, sorted by what an operator would do about it. Receives the errors of sockets, TLS
//! and HTTP, hands on a status and a reason word. Cheap to clone, because the record and the answer both need it.

use std::{io, sync::Arc};

use handlers::{credentials::CodingError, sign::SignError};
use http::StatusCode;
use rustls::{AlertDescription, CertificateError};

use crate::{dns::NameRefusal, upstream::LookupError};

/// Why there is no answer from the upstream.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name has no address.
    #[error("the host's name could not be resolved: {0}")]
    Resolve(LookupError),
    /// The name must not be looked up.
    #[error("the host's name must not be looked up: {0}")]
    NameRefused(NameRefusal),
    /// The name leads only to addresses that may not be dialled.
    #[error("{}", explain(.0))]
    AddressRefused(policy::AddressRefusal),
    /// It leads to none of the networks that its secrets may travel to in the clear.
    #[error(
        "this request carries secrets over plain HTTP, and its host leads to none of the networks that they may be sent to so: use https"
    )]
    SecretOnPlaintext,
    /// A placeholder stands where its secret must not go.
    #[error("the request holds the placeholder of a secret that must not go there")]
    PlaceholderElsewhere,
    /// There are more placeholders in it than are swapped.
    #[error("the request holds too many placeholders")]
    TooManyPlaceholders,
    /// The workload's body ended too early, or stood still.
    #[error("the request's body broke off")]
    RequestBroke,
    /// A secret's value cannot stand where its placeholder does.
    #[error("a credential of this request cannot be used where its placeholder stands")]
    SecretUnfit,
    /// It cannot be signed.
    #[error("the request was not signed: {0}")]
    Sign(Arc<SignError>),
    /// The response cannot be searched for secrets.
    #[error("the response cannot be read, and so not be searched for secrets: {0}")]
    Unreadable(Arc<CodingError>),
    /// A new policy denies where it leads, or what it is for.
    #[error("a new policy denies it")]
    Revoked,
    /// Every address refused the connection, or could not be routed to.
    #[error("the upstream refused the connection: {0}")]
    Connect(Arc<io::Error>),
    /// No address answered in time.
    #[error("connecting to the upstream timed out")]
    ConnectTimeout,
    /// Its certificate is not acceptable, or the handshake failed.
    #[error("TLS to the upstream: {0}")]
    Tls(TlsFault),
    /// The handshake took too long.
    #[error("the TLS handshake with the upstream timed out")]
    TlsTimeout,
    /// The response did not begin in time.
    #[error("the upstream did not answer in time")]
    HeadTimeout,
    /// It switched to a protocol that it was not asked for, or did not where there is no other answer.
    #[error("the upstream did not switch to the protocol that it was asked for")]
    Upgrade,
    /// Two readers would find different ends of its response, or it does not come to one.
    #[error("the upstream's response cannot be told from what follows it: {0}")]
    Framing(&'static str),
    /// The connection broke, or what came was not HTTP.
    #[error("the upstream broke off or did not speak HTTP")]
    Broke(Arc<hyper_util::client::legacy::Error>),
}

impl UpstreamError {
    /// 502 or 504 (RFC 9110, 15.6).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::AddressRefused(_)
            | Self::NameRefused(NameRefusal::Tunnel)
            | Self::SecretOnPlaintext
            | Self::PlaceholderElsewhere
            | Self::Revoked => StatusCode::FORBIDDEN,
            Self::TooManyPlaceholders | Self::RequestBroke => StatusCode::BAD_REQUEST,
            Self::Sign(error) => error.status(),
            Self::SecretUnfit => StatusCode::SERVICE_UNAVAILABLE,
            Self::NameRefused(NameRefusal::Rate) => StatusCode::TOO_MANY_REQUESTS,
            Self::ConnectTimeout | Self::TlsTimeout | Self::HeadTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Upgrade
            | Self::Framing(_)
            | Self::Unreadable(_)
            | Self::Broke(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The reason word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Resolve(_) => "dns_failed",
            Self::NameRefused(refusal) => refusal.kind(),
            Self::AddressRefused(_) => "address_refused",
            Self::SecretOnPlaintext => "secret_on_plaintext",
            Self::PlaceholderElsewhere => "placeholder_elsewhere",
            Self::RequestBroke => "request_broke",
            Self::TooManyPlaceholders => "too_many_placeholders",
            Self::Sign(error) => error.kind(),
            Self::SecretUnfit => "secret_unavailable",
            Self::Unreadable(_) => "upstream_unreadable",
            Self::Revoked => "revoked",
            Self::Connect(_) => "upstream_refused",
            Self::ConnectTimeout => "upstream_connect_timeout",
            Self::Tls(fault) => fault.kind(),
            Self::TlsTimeout => "upstream_tls_timeout",
            Self::HeadTimeout => "upstream_timeout",
            Self::Upgrade => "upstream_upgrade",
            Self::Framing(_) => "upstream_framing",
            Self::Broke(_) => "upstream_broke",
        }
    }
}

/// The address itself stays in our log: the workload shall not learn about private networks from refusals.
fn explain(refusal: &policy::AddressRefusal) -> &'static str {
    match refusal {
        policy::AddressRefusal::Denied { .. } => "the host leads to an address that deniedHosts refuses",
        policy::AddressRefusal::NotPublic { .. } => {
            "the host leads to an address that is not public; the policy must name it, by an address rule or `resolve`"
        }
    }
}

/// What is wrong with the upstream's certificate, sorted by what an operator would do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// It is over.
    #[error("its certificate has expired")]
    Expired,
    /// It has not begun.
    #[error("its certificate is not valid yet")]
    NotYetValid,
    /// No root of ours vouches for it: self-signed, private CA, missing intermediate.
    #[error("its certificate is not signed by a trusted root; add the root to upstreamRoots if it should be")]
    Untrusted,
    /// It is for another name.
    #[error("its certificate is for another name")]
    WrongName,
    /// It was revoked.
    #[error("its certificate was revoked")]
    Revoked,
    /// Whether it was revoked is not known, and must be.
    #[error(
        "whether its certificate was revoked cannot be told: there is no current list or stapled response"
    )]
    StatusUnknown,
    /// The server wants to know who we are, and does not take what it was told.
    #[error("it wants a client certificate, or another one ({0}); see upstreamTls")]
    ClientCertificate(String),
    /// Anything else about the certificate.
    #[error("its certificate is not acceptable: {0}")]
    Certificate(String),
    /// The handshake itself.
    #[error("the handshake failed: {0}")]
    Handshake(String),
}

impl TlsFault {
    fn kind(&self) -> &'static str {
        match self {
            Self::Expired => "upstream_tls_expired",
            Self::NotYetValid => "upstream_tls_not_yet_valid",
            Self::Untrusted => "upstream_tls_untrusted",
            Self::WrongName => "upstream_tls_wrong_name",
            Self::Revoked => "upstream_tls_revoked",
            Self::StatusUnknown => "upstream_tls_status_unknown",
            Self::ClientCertificate(_) => "upstream_tls_client_certificate",
            Self::Certificate(_) => "upstream_tls_certificate",
            Self::Handshake(_) => "upstream_tls_handshake",
        }
    }
}

impl TlsFault {
    /// From an alert that servers send about clients' certificates and nothing else.
    pub fn of_our_certificate(error: &io::Error) -> Option<Self> {
        use AlertDescription::*;
        let Some(rustls::Error::AlertReceived(alert)) = in_tls(error) else { return None };
        let is_about_it = matches!(
            alert,
            BadCertificate
                | UnsupportedCertificate
                | CertificateRevoked
                | CertificateExpired
                | CertificateUnknown
                | UnknownCA
                | CertificateRequired
        );
        is_about_it.then(|| Self::ClientCertificate(format!("{alert:?}")))
    }
}

fn in_tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

impl From<io::Error> for TlsFault {
    fn from(error: io::Error) -> Self {
        if let Some(fault) = Self::of_our_certificate(&error) {
            return fault;
        }
        let Some(rustls::Error::InvalidCertificate(fault)) = in_tls(&error) else {
            return Self::Handshake(error.to_string());
        };
        match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::UnknownIssuer => Self::Untrusted,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownRevocationStatus
            | CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => Self::StatusUnknown,
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                Self::Certificate("it is a CA's own certificate, not a server's".into())
            }
            other => Self::Certificate(other.to_string()),
        }
    }
}
