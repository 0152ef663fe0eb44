//! The head of a request (RFC 9112, 3 and 5): receives its bytes, whole or in pieces, hands on where it ends and how the body behind it is
//! framed (RFC 9112, 6). Each line is judged once, when its end has come. Nothing is copied.

use http::Uri;
use memchr::memchr;

use super::{Fault, is_text, is_token};

/// The whole head, in bytes.
pub(super) const MAX_HEAD: usize = 128 * 1024;
/// The request line, in bytes: its target is as long as the HTTP library can hold.
const MAX_REQUEST_LINE: usize = 65_534;
/// Header lines: as many as the HTTP library takes without allocating for each message, which costs it 1 µs. It takes as many of an
/// upstream.
const MAX_LINES: usize = 100;
/// The name of a header, in bytes.
const MAX_NAME: usize = 1024;
/// Digits of a length that fits 64 bits whatever they are.
const MAX_DIGITS: usize = 19;

/// What is known of a head so far.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the line begins that is read next.
    at: usize,
    /// Up to where it has no end.
    scanned: usize,
    /// None before the request line.
    request: Option<Request>,
    empty_lines: usize,
    lines: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    version: Version,
    connect: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// How the body of a request is framed.
#[derive(Debug)]
pub(super) enum Body {
    None,
    Length(u64),
    Chunked,
}

/// How far reading came.
pub(super) enum Line {
    /// More must come.
    Unfinished,
    /// The empty line has come. The head has so many bytes, and may switch its connection to another protocol.
    Last { length: usize, body: Body, may_switch: bool },
}

impl Head {
    /// Reads on; `bytes` are the head from its first byte.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Line, Fault> {
        loop {
            let rest = bytes.get(self.scanned..).unwrap_or_default();
            let Some(end) = memchr(b'\n', rest).map(|found| self.scanned + found) else {
                self.scanned = bytes.len();
                self.fits(bytes.len())?;
                return Ok(Line::Unfinished);
            };
            self.fits(end)?;
            let line = bytes.get(self.at..end).and_then(|line| line.strip_suffix(b"\r"));
            let line = line.ok_or(Fault::LineEnd)?;
            self.at = end + 1;
            self.scanned = end + 1;
            match (self.request, line) {
                (None, []) => self.empty()?,
                (None, line) => self.request = Some(request_line(line)?),
                (Some(request), []) => return self.last(request),
                (Some(request), line) => self.field(request, line)?,
            }
        }
    }

    /// The line that is being read has come to `end` at least.
    fn fits(&self, end: usize) -> Result<(), Fault> {
        if self.request.is_none() && end - self.at > MAX_REQUEST_LINE {
            return Err(Fault::TargetTooLong);
        }
        if end < MAX_HEAD { Ok(()) } else { Err(Fault::TooLarge) }
    }

    /// One is let pass before a request (RFC 9112, 2.2).
    fn empty(&mut self) -> Result<(), Fault> {
        self.empty_lines += 1;
        if self.empty_lines > 1 { Err(Fault::EmptyLines) } else { Ok(()) }
    }

    fn field(&mut self, request: Request, line: &[u8]) -> Result<(), Fault> {
        self.lines += 1;
        if self.lines > MAX_LINES {
            return Err(Fault::TooManyLines);
        }
        if matches!(line, [b' ' | b'\t', ..]) {
            return Err(Fault::Folded);
        }
        let length = line.iter().take_while(|byte| is_token(**byte)).count();
        let (name, rest) = line.split_at(length);
        if name.len() > MAX_NAME {
            return Err(Fault::TooLarge);
        }
        let (false, [b':', value @ ..]) = (name.is_empty(), rest) else { return Err(Fault::Name) };
        // Without an early end, so that many bytes are compared at once.
        if !value.iter().fold(true, |all, byte| all & is_text(*byte)) {
            return Err(Fault::Value);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                if self.hosts > 1 {
                    return Err(Fault::Host);
                }
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            14 if is_alike(name, b"content-length") => self.content_length(name, value.trim_ascii())?,
            17 if is_alike(name, b"transfer-encoding") => {
                self.transfer_encoding(request, name, value.trim_ascii())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn content_length(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if name.contains(&b'_') {
            return Err(Fault::Alias);
        }
        if self.length.is_some() {
            return Err(Fault::ContentLength);
        }
        let is_number = (1..=MAX_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().filter(|_| is_number);
        self.length = Some(number.and_then(|text| text.parse().ok()).ok_or(Fault::ContentLength)?);
        if self.chunked { Err(Fault::TwoLengths) } else { Ok(()) }
    }

    fn transfer_encoding(&mut self, request: Request, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if name.contains(&b'_') {
            return Err(Fault::Alias);
        }
        let is_known = request.version == Version::Http11 && value.eq_ignore_ascii_case(b"chunked");
        if self.chunked || !is_known {
            return Err(Fault::TransferEncoding);
        }
        self.chunked = true;
        if self.length.is_some() { Err(Fault::TwoLengths) } else { Ok(()) }
    }

    fn last(&self, request: Request) -> Result<Line, Fault> {
        let Request { version, connect } = request;
        if version == Version::Http11 && self.hosts == 0 {
            return Err(Fault::Host);
        }
        let body = match self.length {
            _ if self.chunked => Body::Chunked,
            None | Some(0) => Body::None,
            Some(length) => Body::Length(length),
        };
        let asks = connect || (self.upgrade && version == Version::Http11);
        let may_switch = asks && matches!(body, Body::None);
        Ok(Line::Last { length: self.at, body, may_switch })
    }
}

/// Whether `name` is `other`, for those too who read `_` as `-`.
fn is_alike(name: &[u8], other: &[u8]) -> bool {
    let same = |(one, other): (&u8, &u8)| one.eq_ignore_ascii_case(other) || (*one == b'_' && *other == b'-');
    name.iter().zip(other).all(same)
}

/// RFC 9112, 3.
fn request_line(line: &[u8]) -> Result<Request, Fault> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Fault::RequestLine);
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) || target.is_empty() {
        return Err(Fault::RequestLine);
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Fault::Version);
        }
        _ => return Err(Fault::RequestLine),
    };
    let connect = method == b"CONNECT";
    let fits = match target {
        _ if connect => is_authority(target),
        b"*" => method == b"OPTIONS",
        [b'/', ..] => is_path(target),
        _ => is_absolute(target),
    };
    if fits { Ok(Request { version, connect }) } else { Err(Fault::Target) }
}

/// What most paths are made of; what else the HTTP library takes is asked of itself, so that it takes all that passes here.
fn is_path(target: &[u8]) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%?".contains(&byte);
    target.iter().all(|byte| plain(*byte)) || uri(target).is_some()
}

fn is_absolute(target: &[u8]) -> bool {
    let scheme = target.split(|byte| *byte == b':').next().unwrap_or_default();
    let is_http = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    is_http && uri(target).is_some_and(|uri| uri.authority().is_some())
}

fn is_authority(target: &[u8]) -> bool {
    let is_one = |uri: Uri| uri.scheme().is_none() && uri.path().is_empty() && uri.port().is_some();
    uri(target).is_some_and(is_one)
}

/// A target has no fragment.
fn uri(target: &[u8]) -> Option<Uri> {
    if target.contains(&b'#') { None } else { Uri::try_from(target).ok() }
}
