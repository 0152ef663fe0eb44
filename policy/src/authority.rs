//! Where a request goes: host and port.
//!
//! Receives the text of a `Host` header or an `:authority` with the scheme of the connection it came on, and hands on
//! the [`Authority`] that the SNI, the policy and the upstream connection are all compared with. The port is part of
//! the identity; one that is not written is the scheme's own.

use std::fmt;

use crate::{CanonicalHost, HostError};

/// The two schemes that the proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Both, the stricter first.
    pub const ALL: [Self; 2] = [Self::Https, Self::Http];

    /// The port that a URL of this scheme means when it names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// As it is written in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A host with its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    /// Name or address.
    pub host: CanonicalHost,
    /// Never 0.
    pub port: u16,
}

impl Authority {
    /// Reads `host` or `host:port`. User information, an empty or odd port and lists are refused.
    pub fn parse(text: &str, scheme: Scheme) -> Result<Self, HostError> {
        let (host, port) = split_port(text)?;
        Ok(Self { host: CanonicalHost::parse(host)?, port: port.unwrap_or_else(|| scheme.default_port()) })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Cuts `:port` off. What is left is not checked, but an IPv6 address without brackets is never cut.
pub(crate) fn split_port(text: &str) -> Result<(&str, Option<u16>), HostError> {
    if text.contains('@') {
        return Err(HostError::UserInfo);
    }
    let end_of_host = text.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = text.get(end_of_host..).and_then(|tail| tail.find(':')) else {
        return Ok((text, None));
    };
    let (host, port) = text.split_at(end_of_host + colon);
    let port = port.strip_prefix(':').unwrap_or(port);
    if port.contains(':') {
        return Err(HostError::Ipv6);
    }
    Ok((host, Some(parse_port(port)?)))
}

/// A port in its only spelling: RFC 3986 would also allow leading zeros, which readers disagree about.
pub(crate) fn parse_port(text: &str) -> Result<u16, HostError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain).ok_or(HostError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_host_and_port() {
        for (text, scheme, wanted) in [
            ("example.com", Scheme::Https, "example.com:443"),
            ("example.com", Scheme::Http, "example.com:80"),
            ("Example.COM.:8443", Scheme::Https, "example.com:8443"),
            ("192.0.2.1:65535", Scheme::Http, "192.0.2.1:65535"),
            ("[2001:DB8::1]", Scheme::Https, "[2001:db8::1]:443"),
            ("[2001:db8::1]:1", Scheme::Https, "[2001:db8::1]:1"),
            ("[::ffff:192.0.2.1]:80", Scheme::Http, "192.0.2.1:80"),
        ] {
            let authority = Authority::parse(text, scheme).map(|a| a.to_string());
            assert_eq!(authority.as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_parsers_could_disagree_about_is_refused() {
        use HostError::{Character, Empty, Idna, Ipv6, Port, UserInfo};
        for (text, wanted) in [
            ("", Empty),
            (":443", Empty),
            ("good.test:", Port),
            ("good.test:0", Port),
            ("good.test:65536", Port),
            ("good.test:+80", Port),
            ("good.test:-80", Port),
            ("good.test:080", Port),
            ("good.test: 80", Port),
            ("good.test:80 ", Port),
            ("good.test:8o", Port),
            ("good.test:\u{ff18}0", Port),
            ("good.test:80:80", Ipv6),
            ("::1", Ipv6),
            ("2001:db8::1", Ipv6),
            ("[::1", Ipv6),
            ("[::1]x", Ipv6),
            ("[::1]:", Port),
            ("[::1%25lo]", Ipv6),
            ("[127.0.0.1]", Ipv6),
            ("user@good.test", UserInfo),
            ("user:password@good.test:80", UserInfo),
            ("good.test@evil.test", UserInfo),
            ("good.test:443@evil.test", UserInfo),
            ("good.test, evil.test", Character),
            ("good.test evil.test", Character),
            (" good.test", Character),
            ("good.test#evil", Character),
            ("good.test?evil", Character),
            ("good.test/evil", Character),
            ("good.test\\evil", Character),
            ("good%2etest", Character),
            ("good.test\tx", Character),
            ("good.test\r\nx", Character),
            ("good\0.test", Character),
            ("good\u{ff1a}80", Ipv6),
            ("good\u{fffd}.test", Idna),
        ] {
            assert_eq!(Authority::parse(text, Scheme::Https), Err(wanted), "{text:?}");
        }
    }
}
