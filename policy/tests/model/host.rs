//! Hosts and patterns, the naive way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

/// The host and port of an authority, or nothing if parsers could disagree about it.
pub(crate) fn authority(text: &str, scheme: &str) -> Option<(Host, u16)> {
    if text.contains('@') {
        return None;
    }
    let after_host = text.rfind(']').unwrap_or(0);
    let (host, port) = match text[after_host..].find(':') {
        Some(colon) => (&text[..after_host + colon], Some(&text[after_host + colon + 1..])),
        None => (text, None),
    };
    let port = match port {
        Some(port) => {
            let number: u16 = port.parse().ok()?;
            if number == 0 || number.to_string() != port {
                return None;
            }
            number
        }
        None if scheme == "http" => 80,
        None => 443,
    };
    Some((canonical(host)?, port))
}

fn canonical(text: &str) -> Option<Host> {
    if text.starts_with('[') {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        let address: Ipv6Addr = inner.parse().ok()?;
        return Some(Host::Address(IpAddr::V6(address).to_canonical()));
    }
    let name = idna::domain_to_ascii(text).ok()?;
    let name = name.strip_suffix('.').unwrap_or(&name);
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.len() > 253
        || name.split('.').any(|label| label.is_empty() || label.len() > 63 || !label.chars().all(good))
    {
        return None;
    }
    let last = name.rsplit('.').next()?;
    let hexadecimal = last.strip_prefix("0x").is_some_and(|rest| rest.chars().all(|c| c.is_ascii_hexdigit()));
    if hexadecimal || last.chars().all(|c| c.is_ascii_digit()) {
        return name.parse::<Ipv4Addr>().ok().map(|address| Host::Address(address.into()));
    }
    Some(Host::Name(name.to_owned()))
}

#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) scheme: Option<String>,
    pub(crate) port: Option<u16>,
    host: Target,
}

#[derive(Clone, Debug)]
enum Target {
    Name(String),
    Network(IpAddr, u8),
    Star(String),
}

impl Pattern {
    /// Only patterns that a policy accepted come here.
    pub(crate) fn parse(text: &str) -> Self {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        let (rest, port) = match rest.rsplit_once(':') {
            Some((before, port)) if !before.contains(':') || before.ends_with(']') => {
                (before, Some(port.parse().expect(text)))
            }
            _ => (rest, None),
        };
        let bare = rest.trim_start_matches('[').trim_end_matches(']');
        let (address, length) = match bare.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().expect(text))),
            None => (bare, None),
        };
        let host = if let Ok(address) = address.parse::<IpAddr>() {
            let whole = if address.is_ipv4() { 32 } else { 128 };
            let length = length.unwrap_or(whole);
            match address.to_canonical() {
                v4 if address.is_ipv6() && v4.is_ipv4() && length >= 96 => Target::Network(v4, length - 96),
                _ => Target::Network(address, length),
            }
        } else if bare.contains('*') {
            let labels = bare.split('.').map(|label| match label {
                star if star.contains('*') => star.to_ascii_lowercase(),
                label => idna::domain_to_ascii(label).expect(text),
            });
            let labels: Vec<_> = labels.collect();
            Target::Star(labels.join(".").trim_end_matches('.').to_owned())
        } else {
            match canonical(bare).expect(text) {
                Host::Name(name) => Target::Name(name),
                Host::Address(address) => Target::Network(address, if address.is_ipv4() { 32 } else { 128 }),
            }
        };
        Self { scheme, port, host }
    }

    pub(crate) fn matches(&self, host: &Host, loose: bool) -> bool {
        match (&self.host, host) {
            (Target::Name(name), Host::Name(other)) => name == other,
            (Target::Network(network, length), Host::Address(address)) => {
                in_network(*network, *length, *address)
            }
            (Target::Star(star), _) if star == "*" => true,
            (Target::Star(star), Host::Name(name)) if !loose => {
                labels(&star.split('.').collect::<Vec<_>>(), &name.split('.').collect::<Vec<_>>())
            }
            (Target::Star(star), host) if loose => {
                let text = match host {
                    Host::Name(name) => name.clone(),
                    Host::Address(IpAddr::V4(address)) => address.to_string(),
                    Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
                };
                characters(star.as_bytes(), text.as_bytes())
            }
            _ => false,
        }
    }

    /// The larger the more specific; equal ones are told apart by their order.
    pub(crate) fn rank(&self, loose: bool, conditional: bool) -> (u8, usize, usize, bool, bool, bool) {
        let scope = (self.port.is_some(), self.scheme.is_some(), conditional);
        let (kind, length, end) = match &self.host {
            Target::Name(_) => (3, 0, 0),
            // They take turns in the order of the document, whatever else they say.
            Target::Star(_) if loose => return (0, 0, 0, false, false, false),
            Target::Star(star) if star == "*" => (0, 0, 0),
            Target::Star(star) => (2, star.len(), star.rsplit('*').next().unwrap_or_default().len()),
            Target::Network(_, length) => (1, usize::from(*length), 0),
        };
        (kind, length, end, scope.0, scope.1, scope.2)
    }
}

fn in_network(network: IpAddr, length: u8, address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => format!("{:032b}", v4.to_bits()),
        IpAddr::V6(v6) => format!("{:0128b}", v6.to_bits()),
    };
    network.is_ipv4() == address.is_ipv4()
        && bits(network)[..usize::from(length)] == bits(address)[..usize::from(length)]
}

/// A star is one or more labels.
fn labels(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        (["*", rest @ ..], [_, others @ ..]) => labels(rest, others) || labels(pattern, others),
        ([label, rest @ ..], [other, others @ ..]) => label == other && labels(rest, others),
        _ => false,
    }
}

/// A star is any characters, also none.
pub(crate) fn characters(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) if characters(rest, text) => true,
        ([b'*', ..], [_, others @ ..]) => characters(pattern, others),
        ([byte, rest @ ..], [other, others @ ..]) => byte == other && characters(rest, others),
        _ => false,
    }
}
