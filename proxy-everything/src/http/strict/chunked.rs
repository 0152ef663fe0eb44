//! A body in chunks (RFC 9112, 7.1): receives its bytes as they come, hands on where it ends, trailers included. It remembers no more
//! than where it is, so bytes pass as soon as they are judged.

use super::{Fault, is_text, is_token};

/// Digits of a size.
const MAX_DIGITS: u8 = 16;
/// Bytes of one extension, which nobody here reads.
const MAX_EXTENSION: u16 = 256;
/// Lines and bytes of the trailers.
const MAX_LINES: u8 = 64;
const MAX_TRAILERS: u16 = 16 * 1024;

/// A place in a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunked {
    Size { digits: u8, size: u64 },
    Extension { length: u16, size: u64 },
    SizeEnd { size: u64 },
    Data { left: u64 },
    DataEnd,
    DataEndLf,
    Trailer(Trailers, At),
}

/// How much of them has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trailers {
    bytes: u16,
    lines: u8,
}

/// A place in the trailers.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    LineStart,
    Name,
    Value,
    LineEnd,
    LastEnd,
}

impl Default for Chunked {
    fn default() -> Self {
        Self::Size { digits: 0, size: 0 }
    }
}

impl Chunked {
    /// Reads on; says how many of `bytes` are of the body and sound, and whether it ends with them.
    pub(super) fn read(&mut self, bytes: &[u8]) -> (usize, Result<bool, Fault>) {
        let mut done = 0;
        while let Some(rest @ [byte, ..]) = bytes.get(done..) {
            if let Self::Data { left } = self {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                done += here;
                *left -= here as u64;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                continue;
            }
            match self.next(*byte) {
                Ok(Some(next)) => *self = next,
                Ok(None) => return (done + 1, Ok(true)),
                Err(fault) => return (done, Err(fault)),
            }
            done += 1;
        }
        (done, Ok(false))
    }

    /// What comes after `byte`, which is no data; nothing after the last.
    fn next(self, byte: u8) -> Result<Option<Self>, Fault> {
        let next = match (self, byte) {
            (Self::Size { digits: 1.., size }, b'\r') => Self::SizeEnd { size },
            (Self::Size { digits: 1.., size }, b';') => Self::Extension { length: 0, size },
            (Self::Size { digits, size }, byte) => {
                let digit = char::from(byte).to_digit(16).filter(|_| digits < MAX_DIGITS);
                let digit = u64::from(digit.ok_or(Fault::ChunkSize)?);
                Self::Size { digits: digits + 1, size: size << 4 | digit }
            }
            (Self::Extension { size, .. }, b'\r') => Self::SizeEnd { size },
            (Self::Extension { length, size }, byte) if is_text(byte) && length < MAX_EXTENSION => {
                Self::Extension { length: length + 1, size }
            }
            (Self::Extension { .. }, _) => return Err(Fault::ChunkExtension),
            (Self::SizeEnd { size: 0 }, b'\n') => Self::Trailer(Trailers::default(), At::LineStart),
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::DataEnd, b'\r') => Self::DataEndLf,
            (Self::DataEndLf, b'\n') => Self::default(),
            (Self::SizeEnd { .. } | Self::DataEnd | Self::DataEndLf | Self::Data { .. }, _) => {
                return Err(Fault::ChunkEnd);
            }
            (Self::Trailer(_, At::LastEnd), b'\n') => return Ok(None),
            (Self::Trailer(trailers, at), byte) => {
                let trailers = trailers.one_more()?;
                return trailers.next(at, byte).map(Some).ok_or(Fault::Trailers);
            }
        };
        Ok(Some(next))
    }
}

impl Trailers {
    fn one_more(mut self) -> Result<Self, Fault> {
        self.bytes += 1;
        if self.bytes > MAX_TRAILERS { Err(Fault::Trailers) } else { Ok(self) }
    }

    fn next(mut self, at: At, byte: u8) -> Option<Chunked> {
        let at = match (at, byte) {
            (At::LineStart, b'\r') => At::LastEnd,
            (At::LineStart, byte) if is_token(byte) && self.lines < MAX_LINES => {
                self.lines += 1;
                At::Name
            }
            (At::Name, b':') => At::Value,
            (At::Name, byte) if is_token(byte) => At::Name,
            (At::Value, b'\r') => At::LineEnd,
            (At::Value, byte) if is_text(byte) => At::Value,
            (At::LineEnd, b'\n') => At::LineStart,
            _ => return None,
        };
        Some(Chunked::Trailer(self, at))
    }
}
