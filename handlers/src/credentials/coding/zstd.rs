//! `zstd` (RFC 8878, with the window of RFC 9659).
//!
//! Receives coded bytes; hands on the content. The decoder gets whole blocks, one at a time, so that no more than a window and a block are in memory
//! whatever comes. It gives away only what has left the window, so content comes late: nobody should ask a server for it (see `scrub`).

use std::io::Read;

use bytes::{Buf, Bytes, BytesMut};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::CodingError;

/// In bytes (RFC 9659, 3).
const MAX_WINDOW: u64 = 8 * 1024 * 1024;

/// In bytes (RFC 8878, 3.1.1.2.4).
const MAX_BLOCK: usize = 128 * 1024;

const FRAME: u32 = 0xFD2F_B528;

pub(super) struct Zstd {
    decoder: Box<FrameDecoder>,
    /// Not yet decoded: less than a block, and a chunk.
    buffer: BytesMut,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Frame,
    /// In a frame that is none of ours: bytes that are left of it.
    Skipped(usize),
    Block {
        has_checksum: bool,
    },
    /// Behind the last block, when all of the content was given away.
    Drained {
        has_checksum: bool,
    },
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Self { decoder: Box::new(decoder), buffer: BytesMut::new(), at: At::Frame }
    }

    pub(super) fn step(&mut self, input: &mut Bytes, room: &mut [u8]) -> Result<usize, CodingError> {
        self.buffer.extend_from_slice(&std::mem::take(input));
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(room).map_err(|_| CodingError::Damaged);
            }
            let went_on = match self.at {
                At::Frame => self.frame()?,
                At::Skipped(left) => self.skip(left),
                At::Block { has_checksum } => self.block(has_checksum)?,
                At::Drained { has_checksum } => self.check(has_checksum)?,
            };
            if !went_on {
                return Ok(0);
            }
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.at == At::Frame && self.buffer.is_empty()
    }

    /// The head of a frame; false if more of it must come.
    fn frame(&mut self) -> Result<bool, CodingError> {
        let Some(magic) = self.buffer.first_chunk() else { return Ok(false) };
        match u32::from_le_bytes(*magic) {
            FRAME => {
                let Some(descriptor) = self.buffer.get(4).copied() else { return Ok(false) };
                let Some(head) = self.buffer.get(..head_size(descriptor)) else { return Ok(false) };
                self.decoder.reset(head).map_err(|_| CodingError::Damaged)?;
                self.buffer.advance(head_size(descriptor));
                self.at = At::Block { has_checksum: descriptor & 0b100 != 0 };
            }
            0x184D_2A50..=0x184D_2A5F => {
                let Some(size) = self.buffer.get(4..8).and_then(|size| size.first_chunk()) else {
                    return Ok(false);
                };
                self.at = At::Skipped(
                    usize::try_from(u32::from_le_bytes(*size)).map_err(|_| CodingError::Damaged)?,
                );
                self.buffer.advance(8);
            }
            _ => return Err(CodingError::Damaged),
        }
        Ok(true)
    }

    /// The decoder sums up what it gives away.
    fn check(&mut self, has_checksum: bool) -> Result<bool, CodingError> {
        let sent = self.decoder.get_checksum_from_data();
        if has_checksum && sent != self.decoder.get_calculated_checksum() {
            return Err(CodingError::Damaged);
        }
        self.at = At::Frame;
        Ok(true)
    }

    fn skip(&mut self, left: usize) -> bool {
        let here = left.min(self.buffer.len());
        self.buffer.advance(here);
        self.at = if here == left { At::Frame } else { At::Skipped(left - here) };
        here == left
    }

    fn block(&mut self, has_checksum: bool) -> Result<bool, CodingError> {
        let Some([a, b, c]) = self.buffer.first_chunk().copied() else { return Ok(false) };
        let head = u32::from_le_bytes([a, b, c, 0]);
        let (is_last, kind) = (head & 1 != 0, head >> 1 & 3);
        let size = usize::try_from(head >> 3).map_err(|_| CodingError::Damaged)?;
        if size > MAX_BLOCK {
            return Err(CodingError::Damaged);
        }
        // Kind 1 is one byte, repeated.
        let whole = 3 + if kind == 1 { 1 } else { size } + if is_last && has_checksum { 4 } else { 0 };
        let Some(mut block) = self.buffer.get(..whole) else { return Ok(false) };
        let one = BlockDecodingStrategy::UptoBlocks(1);
        self.decoder.decode_blocks(&mut block, one).map_err(|_| CodingError::Damaged)?;
        self.buffer.advance(whole);
        if is_last {
            self.at = At::Drained { has_checksum };
        }
        Ok(true)
    }
}

/// RFC 8878, 3.1.1.1: with the magic number, the descriptor, and what it says comes then.
fn head_size(descriptor: u8) -> usize {
    let is_single = descriptor & 0b10_0000 != 0;
    let window = usize::from(!is_single);
    let dictionary = match descriptor & 3 {
        3 => 4,
        size => usize::from(size),
    };
    let content = match descriptor >> 6 {
        0 => usize::from(is_single),
        flag => 1 << flag,
    };
    4 + 1 + window + dictionary + content
}
