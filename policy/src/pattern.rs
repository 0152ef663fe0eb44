//! The patterns that lists and bindings are made of: `[scheme://]host[:port]`.
//!
//! The host is an exact name, a glob, an IP address or a CIDR network. In a glob `*` stands for one or more whole
//! labels: `*.example.com` is every name below `example.com` but not `example.com` itself, `api.*.example.com` has the
//! star in the middle, and `*` alone is everything. No scheme means either, no port means any. Names are brought to
//! the spelling of [`CanonicalHost`], so that a pattern meets the host it was meant for however either is written.
//! A pattern that would match more than it seems to, or nothing at all, is an error that says what to write.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use globset::Glob;
use ipnet::{IpNet, Ipv4Net};

use crate::{
    CanonicalHost, HostError, Scheme,
    authority::{parse_port, split_port},
    fault::clip,
    host::{Kind, check_label, ends_in_number, fold},
};

/// Top-level names that nobody can register (RFC 6761, RFC 6762, ICANN's `internal`): a glob may cover one whole.
const PRIVATE_TOP_LEVEL: [&str; 6] = ["example", "internal", "invalid", "local", "localhost", "test"];

/// A parsed pattern. Two patterns that mean the same are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    pub(crate) scheme: Option<Scheme>,
    pub(crate) target: Target,
    pub(crate) port: Option<u16>,
}

/// What a pattern says of the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// `*` alone: every name and every address.
    Any,
    Name(Arc<str>),
    /// At least one `*`, and a literal end.
    Glob(Glob),
    /// A `*` anywhere, for any characters at all.
    Loose(Glob),
    /// A single address is a network of full length.
    Network(IpNet),
}

/// What a `*` in a host may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Globs {
    /// One or more whole labels, with a literal end behind.
    WholeLabels,
    /// Any characters, dots among them, also none; anywhere.
    Anywhere,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", suggestion.as_ref().map(|cure| format!("; {cure}")).unwrap_or_default())]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// How to write it.
    pub suggestion: Option<String>,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Self::parse_with(text, Globs::WholeLabels)
    }

    pub(crate) fn parse_with(text: &str, globs: Globs) -> Result<Self, PatternError> {
        let parse = || {
            let (scheme, rest) = split_scheme(text)?;
            let (target, port) = parse_target(rest, globs)?;
            Ok(Self { scheme, target, port })
        };
        parse().map_err(|cause: PatternError| PatternError {
            message: format!("pattern `{}`: {}", clip(text), cause.message),
            ..cause
        })
    }

    /// Whether deciding on it takes more than a look-up.
    pub(crate) fn has_inner_star(&self) -> bool {
        match &self.target {
            Target::Glob(glob) => glob.glob().rfind('*') != Some(0),
            Target::Loose(_) => true,
            Target::Any | Target::Name(_) | Target::Network(_) => false,
        }
    }
}

fn split_scheme(text: &str) -> Result<(Option<Scheme>, &str), PatternError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok((None, text));
    };
    match Scheme::ALL.into_iter().find(|known| scheme.eq_ignore_ascii_case(known.as_str())) {
        Some(scheme) => Ok((Some(scheme), rest)),
        None => Err(error(
            format!("unknown scheme `{}`", clip(scheme)),
            "write `http://`, `https://`, or no scheme for both",
        )),
    }
}

fn parse_target(rest: &str, globs: Globs) -> Result<(Target, Option<u16>), PatternError> {
    if let Some(bracketed) = rest.strip_prefix('[') {
        return parse_bracketed(bracketed);
    }
    if let Some((before, after)) = rest.split_once('/') {
        return parse_network(before, after);
    }
    if let Ok(v6) = rest.parse::<Ipv6Addr>() {
        return Ok((Target::Network(IpNet::from(IpAddr::V6(v6).to_canonical())), None));
    }
    let (host, port) = split_port(rest)?;
    let target = match globs {
        _ if !host.contains('*') => parse_exact(host)?,
        Globs::WholeLabels => parse_glob(host)?,
        Globs::Anywhere => parse_loose(host)?,
    };
    Ok((target, port))
}

fn parse_exact(host: &str) -> Result<Target, PatternError> {
    Ok(match CanonicalHost::parse(host)?.0 {
        Kind::Name(name) => Target::Name(name),
        Kind::Address(address) => Target::Network(address.into()),
    })
}

/// `[address]` or `[address/length]`, then perhaps a port; the opening bracket is gone already.
fn parse_bracketed(rest: &str) -> Result<(Target, Option<u16>), PatternError> {
    let (inner, tail) = rest.split_once(']').ok_or(HostError::Ipv6)?;
    if tail.starts_with('/') {
        return Err(path_error(&format!("[{inner}]")));
    }
    let port = match tail.strip_prefix(':') {
        Some(port) => Some(parse_port(port)?),
        None if tail.is_empty() => None,
        None => return Err(HostError::Ipv6.into()),
    };
    let (address, length) =
        inner.split_once('/').map_or((inner, "128"), |(address, length)| (address, length));
    let address = address.parse::<Ipv6Addr>().map_err(|_| HostError::Ipv6)?;
    Ok((Target::Network(network(address.into(), length)?), port))
}

/// `address/length`, and for IPv4 perhaps a port. Anything else before the slash means that the slash starts a path.
fn parse_network(before: &str, after: &str) -> Result<(Target, Option<u16>), PatternError> {
    let address = before.parse::<IpAddr>().map_err(|_| path_error(before))?;
    let (length, port) = match after.split_once(':') {
        Some((length, port)) => (length, Some(parse_port(port)?)),
        None => (after, None),
    };
    if port.is_some() && address.is_ipv6() {
        return Err(HostError::Ipv6.into());
    }
    Ok((Target::Network(network(address, length)?), port))
}

fn network(address: IpAddr, length: &str) -> Result<IpNet, PatternError> {
    let plain = !length.is_empty() && length.len() <= 3 && length.bytes().all(|b| b.is_ascii_digit());
    let net = length.parse().ok().filter(|_| plain).and_then(|length| IpNet::new(address, length).ok());
    let Some(net) = net else {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let message = format!("`/{}` is no prefix length", clip(length));
        return Err(error(message, format!("write a number from 0 to {longest}")));
    };
    if net.trunc() != net {
        return Err(error(
            "the address has bits set beyond the prefix length",
            format!("write `{}` for the network or `{address}` for the address", net.trunc()),
        ));
    }
    Ok(unmap(net))
}

/// A network of mapped addresses is a network of IPv4 addresses, as the hosts it is compared with are.
fn unmap(net: IpNet) -> IpNet {
    match (net.addr().to_canonical(), net.prefix_len().checked_sub(96)) {
        (IpAddr::V4(v4), Some(length)) if net.addr().is_ipv6() => {
            Ipv4Net::new(v4, length).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

fn parse_glob(host: &str) -> Result<Target, PatternError> {
    let name = fold(host)?;
    if name == "*" {
        return Ok(Target::Any);
    }
    let labels: Vec<&str> = name.split('.').collect();
    if let Some(place) = labels.iter().position(|label| label.len() > 1 && label.contains('*')) {
        return Err(partial_star(&labels, place));
    }
    labels.iter().filter(|label| **label != "*").try_for_each(|label| check_label(label))?;
    let tail = labels.rsplit(|label| *label == "*").next().unwrap_or_default();
    match tail {
        [] => Err(error(
            "it ends in `*`, so anyone could register a name that it matches",
            "write each domain in full",
        )),
        _ if ends_in_number(&name) => {
            Err(error("`*` is for names, not for addresses", "write a CIDR network such as `10.0.0.0/8`"))
        }
        [top] if !PRIVATE_TOP_LEVEL.contains(top) => Err(error(
            "it is too broad: anyone could register a name that it matches",
            format!("name the domain, as in `*.example.{top}`, or write `*` for everything"),
        )),
        _ => {
            Glob::new(&name).map(Target::Glob).map_err(|cause| error(cause.to_string(), "write a plain name"))
        }
    }
}

/// `*` alone is no exception: it takes its turn among the others.
fn parse_loose(host: &str) -> Result<Target, PatternError> {
    let name = fold(host)?;
    let plain = |label: &str| match label.replace('*', "").as_str() {
        "" if label.contains('*') => Ok(()),
        // The star would stand inside the ASCII form, where it means something else.
        rest if label.contains('*') && rest.starts_with("xn--") => Err(HostError::Idna),
        rest => check_label(rest),
    };
    name.split('.').try_for_each(plain)?;
    Glob::new(&name).map(Target::Loose).map_err(|cause| error(cause.to_string(), "write a plain name"))
}

/// A star inside a label. Suggests the nearest pattern with whole labels, if that is one.
fn partial_star(labels: &[&str], place: usize) -> PatternError {
    let label = labels.get(place).copied().unwrap_or_default();
    let rest = labels.get(place + 1..).unwrap_or_default().join(".");
    let suffix = label.strip_prefix('*').filter(|_| place == 0).map(|word| match rest.as_str() {
        "" => word.to_owned(),
        rest => format!("{word}.{rest}"),
    });
    let is_pattern = |text: &str| parse_target(text, Globs::WholeLabels).is_ok();
    let suggestion = match suffix {
        Some(name) if !name.contains('*') && is_pattern(&format!("*.{name}")) => {
            format!("write `*.{name}` and `{name}`")
        }
        _ if place == 0 && !rest.is_empty() && !rest.contains('*') && is_pattern(&format!("*.{rest}")) => {
            format!("write `*.{rest}`, or each name in full")
        }
        _ => "write each name in full".to_owned(),
    };
    error("a `*` must stand for whole labels", suggestion)
}

fn path_error(host: &str) -> PatternError {
    error("a pattern names a host and has no path", format!("write `{}`", clip(host)))
}

pub(crate) fn error(message: impl Into<String>, suggestion: impl Into<String>) -> PatternError {
    PatternError { message: message.into(), suggestion: Some(suggestion.into()) }
}

impl From<HostError> for PatternError {
    fn from(cause: HostError) -> Self {
        Self { message: cause.to_string(), suggestion: None }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{scheme}://")?;
        }
        match (&self.target, self.port) {
            (Target::Network(IpNet::V6(_)), Some(_)) => write!(f, "[{}]", self.target)?,
            _ => self.target.fmt(f)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Name(name) => f.write_str(name),
            Self::Glob(glob) | Self::Loose(glob) => f.write_str(glob.glob()),
            Self::Network(net) if net.prefix_len() == net.max_prefix_len() => net.addr().fmt(f),
            Self::Network(net) => net.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
