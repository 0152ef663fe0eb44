//! The questions that the policy is asked and the answers it gives.
//!
//! Facts are borrowed from the connection or the request; an answer always names the [`Rule`] that gave it, for the
//! audit record and for the person who has to change the policy. Rule labels are made when the policy is compiled,
//! so an answer costs no allocation.

use std::{fmt, net::SocketAddr, sync::Arc};

use serde_json::Value;

use crate::{Answer, Authority, CanonicalHost, Scheme, Upgrade};

/// What is known of a request when it is decided.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The scheme that the workload used.
    pub scheme: Scheme,
    /// The host of the request's authority.
    pub host: &'a CanonicalHost,
    /// The port of the request's authority.
    pub port: u16,
    /// As it was sent; methods are compared exactly (RFC 9110, section 9.1).
    pub method: &'a str,
    /// As it was sent, without the query.
    pub path: &'a str,
}

impl RequestFacts<'_> {
    /// The same request over TLS, as a binding with [`Upgrade::Https`] has it, to be decided again; `None` where it has TLS. Another
    /// port than the default one stays what it is, as it does under HSTS (RFC 6797, section 8.3).
    pub fn upgraded(self) -> Option<Self> {
        let plain = Scheme::Http.default_port();
        let port = if self.port == plain { Scheme::Https.default_port() } else { self.port };
        (self.scheme == Scheme::Http).then_some(Self { scheme: Scheme::Https, port, ..self })
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes nowhere.
    Deny(Denial),
    /// It goes on, through the handlers of the binding if there is one.
    Forward {
        /// The rule that let it pass.
        rule: Rule,
        /// The handlers that serve it; `None` is straight to the upstream.
        binding: Option<BindingId>,
        /// The refusal that is only noted.
        monitored: Option<Denial>,
    },
}

/// A refusal: why, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// The rule that refused.
    pub rule: Rule,
    /// What the policy wants the request to be answered with.
    pub answer: Option<Arc<Answer>>,
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// An entry of `deniedHosts` matches.
    HostDenied,
    /// `allowedHosts` is set and nothing in it matches.
    HostNotAllowed,
    /// Nothing serves the host, and `enableInternet` is off.
    InternetDisabled,
    /// The path can be read in several ways, and a rule for this host asks for paths.
    PathAmbiguous,
    /// The bytes are neither TLS nor HTTP, and no entry of `raw` names the destination.
    NotHttp,
    /// The destination address is not one of the public Internet, and no rule names it.
    AddressRefused,
}

impl Reason {
    /// The word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HostDenied => "host_denied",
            Self::HostNotAllowed => "host_not_allowed",
            Self::InternetDisabled => "internet_disabled",
            Self::PathAmbiguous => "path_ambiguous",
            Self::NotHttp => "not_http",
            Self::AddressRefused => "address_refused",
        }
    }

    /// The sentence for people.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::HostDenied => "an entry of deniedHosts matches this host",
            Self::HostNotAllowed => "no entry of allowedHosts matches this host",
            Self::InternetDisabled => "no handler or rule serves this host, and enableInternet is off",
            Self::PathAmbiguous => {
                "servers could read this path in several ways, and a rule for this host asks for paths"
            }
            Self::NotHttp => {
                "this is neither TLS nor HTTP, and no entry of raw names the destination and its port"
            }
            Self::AddressRefused => "this address is not on the public Internet, and no rule names it",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of the rule that decided, as a person finds it in the document: `deniedHosts[1] evil.com (line 4)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule(Arc<str>);

impl Rule {
    pub(crate) fn new(label: impl Into<Arc<str>>) -> Self {
        Self(label.into())
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The label, kept together with everybody else who has it.
    pub fn label(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place of a [`Binding`] in [`Policy::bindings`](crate::Policy::bindings).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BindingId(pub(crate) usize);

impl BindingId {
    /// The index.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Which handlers serve a host pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The pattern as the document means it; `*` for the catch-all `outbound`.
    pub pattern: String,
    /// The names of the handlers, first to last.
    pub handlers: Vec<String>,
    /// What programs among them are handed as their parameters instead of their own.
    pub params: Option<Value>,
    /// What becomes of requests without TLS.
    pub upgrade: Upgrade,
}

/// What is known of a connection once its first bytes are seen.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionFacts<'a> {
    /// Where the workload wanted to go.
    pub destination: SocketAddr,
    /// The names that DNS gave the workload this address for.
    pub names: &'a [CanonicalHost],
    /// What it speaks.
    pub protocol: Protocol<'a>,
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug)]
pub enum Protocol<'a> {
    /// Not known: nothing has been read yet.
    Unread,
    /// A TLS ClientHello.
    Tls {
        /// Its server name, if it has a usable one.
        server_name: Option<&'a CanonicalHost>,
    },
    /// An HTTP request.
    Http,
    /// Anything else, or silence.
    Opaque,
}

/// What becomes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is read: what it speaks, then its requests, decided one by one.
    Inspect,
    /// Its bytes are passed on unseen.
    Splice(Tunnel),
    /// It is closed.
    Refuse(Denial),
}

/// Where the bytes of a connection are passed on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// The rule that let it pass.
    pub rule: Rule,
    /// What is dialled: the name or the address that the rule matched.
    pub to: Authority,
    /// What its addresses are checked for; `None` is raw bytes.
    pub scheme: Option<Scheme>,
}
