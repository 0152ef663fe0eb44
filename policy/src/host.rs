//! One spelling for each host.
//!
//! Receives a host as it was written in a `Host` header, an SNI, a DNS question or a pattern, and hands on the
//! [`CanonicalHost`] that every comparison is made on. Two texts that a browser takes for the same host become equal
//! values; a text that parsers could disagree about is refused, because a disagreement is how a filter is passed.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// Longest name in octets without its trailing dot (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;
/// Longest label in octets (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;
/// Longest text looked at, in octets: a name in a Unicode spelling is longer than its ASCII form.
const MAX_TEXT: usize = 4 * MAX_NAME;

/// A host name or an IP address, in the one form that is compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CanonicalHost(pub(crate) Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Name(Arc<str>),
    Address(IpAddr),
}

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing is left between the dots or at all.
    #[error("the host or one of its labels is empty")]
    Empty,
    /// More than 253 octets, or a label of more than 63.
    #[error("the host or one of its labels is too long")]
    TooLong,
    /// A character that no host name holds.
    #[error("a host may only hold letters, digits, `-`, `_` and `.`")]
    Character,
    /// UTS-46 refuses the name.
    #[error("the name is no valid international domain name")]
    Idna,
    /// The last label is a number, but the whole is no dotted quad.
    #[error("a host that ends in a number must be an IPv4 address of four decimal numbers")]
    Number,
    /// An IPv6 address without brackets, with a zone, or malformed.
    #[error("an IPv6 address must be valid, in brackets, and without a zone")]
    Ipv6,
    /// The port is empty, zero, too large or no plain number.
    #[error("the port must be a number from 1 to 65535 without sign or leading zero")]
    Port,
    /// `user@host`.
    #[error("a host must not carry user information")]
    UserInfo,
}

impl CanonicalHost {
    /// Reads a host: a name in any case and any IDNA spelling, an IPv4 address, or an IPv6 address in brackets.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest.strip_suffix(']').ok_or(HostError::Ipv6)?;
            return inner.parse::<Ipv6Addr>().map(|v6| IpAddr::V6(v6).into()).map_err(|_| HostError::Ipv6);
        }
        let name = fold(text)?;
        name.split('.').try_for_each(check_label)?;
        if ends_in_number(&name) {
            return name.parse::<Ipv4Addr>().map(|v4| IpAddr::V4(v4).into()).map_err(|_| HostError::Number);
        }
        Ok(Self(Kind::Name(name.into())))
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Name(name) => Some(name),
            Kind::Address(_) => None,
        }
    }

    /// The address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0 {
            Kind::Name(_) => None,
            Kind::Address(address) => Some(address),
        }
    }
}

impl From<IpAddr> for CanonicalHost {
    /// An IPv4 address mapped into IPv6 is the IPv4 address (RFC 4291, section 2.5.5.2).
    fn from(address: IpAddr) -> Self {
        Self(Kind::Address(address.to_canonical()))
    }
}

impl fmt::Display for CanonicalHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Name(name) => f.write_str(name),
            Kind::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Kind::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

/// Lower case, A-labels, no trailing dot, right length. The characters of the labels are still unchecked, so that a
/// pattern can keep its `*`.
pub(crate) fn fold(text: &str) -> Result<Cow<'_, str>, HostError> {
    if text.len() > MAX_TEXT {
        return Err(HostError::TooLong);
    }
    let folded = if is_folded(text) {
        Cow::Borrowed(text)
    } else {
        // The empty deny list is UseSTD3ASCIIRules=false of UTS-46: `_` must pass; `check_label` refuses the rest.
        idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::EMPTY).map_err(|_| HostError::Idna)?
    };
    let name = match folded {
        Cow::Borrowed(name) => Cow::Borrowed(name.strip_suffix('.').unwrap_or(name)),
        Cow::Owned(mut name) => {
            if name.ends_with('.') {
                name.pop();
            }
            Cow::Owned(name)
        }
    };
    match name.len() {
        0 => Err(HostError::Empty),
        1..=MAX_NAME => Ok(name),
        _ => Err(HostError::TooLong),
    }
}

/// Whether UTS-46 would change nothing: by far the most names, and they need no copy.
fn is_folded(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
        && !text.split('.').any(|label| label.starts_with("xn--"))
}

pub(crate) fn check_label(label: &str) -> Result<(), HostError> {
    match label.len() {
        0 => return Err(HostError::Empty),
        1..=MAX_LABEL => {}
        _ => return Err(HostError::TooLong),
    }
    if label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')) {
        return Ok(());
    }
    Err(if label.contains('@') {
        HostError::UserInfo
    } else if label.contains(':') {
        HostError::Ipv6
    } else {
        HostError::Character
    })
}

/// The "ends in a number" rule of the WHATWG URL standard, section 3.5: such a host is an IPv4 address or nothing.
pub(crate) fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
