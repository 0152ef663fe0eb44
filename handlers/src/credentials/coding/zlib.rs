//! `gzip` (RFC 1952) and `deflate` (RFC 1950; RFC 1951 alone, as some servers send it).
//!
//! Receives coded bytes; hands on the content. Members of gzip that follow each other are one content. What stands behind the end and is no
//! member is dropped, as browsers and `gzip` do.

use bytes::{Buf, Bytes, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};

use super::CodingError;

pub(super) struct Zlib {
    inner: Decompress,
    at: At,
}

enum At {
    /// Before the two bytes that tell the kinds of `deflate` apart; those that came.
    Kind(BytesMut),
    /// In a member of gzip.
    Member,
    /// In the only stream of `deflate`.
    Stream,
    /// Behind a member: another may come.
    Between,
    /// Behind all that counts.
    End,
}

impl Zlib {
    pub(super) fn gzip() -> Self {
        Self { inner: gzip(), at: At::Member }
    }

    pub(super) fn deflate() -> Self {
        Self { inner: Decompress::new(true), at: At::Kind(BytesMut::new()) }
    }

    pub(super) fn step(&mut self, input: &mut Bytes, room: &mut [u8]) -> Result<usize, CodingError> {
        loop {
            match &mut self.at {
                At::Kind(begun) => {
                    begun.extend_from_slice(&std::mem::take(input));
                    let Some(head) = begun.first_chunk() else { return Ok(0) };
                    self.inner = Decompress::new(is_zlib(*head));
                    *input = std::mem::take(begun).freeze();
                    self.at = At::Stream;
                }
                At::Between if input.is_empty() => return Ok(0),
                At::Between if input.first() == Some(&0x1f) => *self = Self::gzip(),
                At::Between | At::End => {
                    input.clear();
                    self.at = At::End;
                    return Ok(0);
                }
                At::Member | At::Stream => {
                    let made = self.inflate(input, room)?;
                    if made > 0 || matches!(self.at, At::Member | At::Stream) {
                        return Ok(made);
                    }
                }
            }
        }
    }

    fn inflate(&mut self, input: &mut Bytes, room: &mut [u8]) -> Result<usize, CodingError> {
        let (taken, made) = (self.inner.total_in(), self.inner.total_out());
        let status =
            self.inner.decompress(input, room, FlushDecompress::None).map_err(|_| CodingError::Damaged)?;
        let taken = usize::try_from(self.inner.total_in() - taken).unwrap_or(usize::MAX);
        let made = usize::try_from(self.inner.total_out() - made).unwrap_or(usize::MAX);
        input.advance(taken.min(input.len()));
        if status == Status::StreamEnd {
            self.at = if matches!(self.at, At::Member) { At::Between } else { At::End };
        } else if made == 0 && !input.is_empty() {
            // It takes all that it can while there is room.
            return Err(CodingError::Damaged);
        }
        Ok(made)
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.at, At::Between | At::End)
    }
}

fn gzip() -> Decompress {
    Decompress::new_gzip(15)
}

/// RFC 1950, 2.2: method 8, and a check of the two bytes.
fn is_zlib(head: [u8; 2]) -> bool {
    let [method, _] = head;
    method & 0x0f == 8 && u16::from_be_bytes(head).is_multiple_of(31)
}
