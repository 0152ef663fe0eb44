//! `br` (RFC 7932).
//!
//! Receives coded bytes; hands on the content. Windows are of 16 MiB at most, as that RFC says; what stands behind the end is dropped.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::{Buf, Bytes};

use super::CodingError;

pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    ended: bool,
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self { state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())), ended: false }
    }

    pub(super) fn step(&mut self, input: &mut Bytes, room: &mut [u8]) -> Result<usize, CodingError> {
        if self.ended {
            input.clear();
            return Ok(0);
        }
        let (mut left, mut taken, mut free, mut made) = (input.len(), 0, room.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            input,
            &mut free,
            &mut made,
            room,
            &mut 0,
            &mut self.state,
        );
        input.advance(taken.min(input.len()));
        match result {
            BrotliResult::ResultFailure => return Err(CodingError::Damaged),
            BrotliResult::ResultSuccess => {
                self.ended = true;
                input.clear();
            }
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(made)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}
