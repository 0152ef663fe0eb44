//! Content codings undone, as the bytes come.
//!
//! Receives the `Content-Encoding` of a response and the chunks of its body; hands on the content in pieces of bounded size, or why it
//! cannot be read. What cannot be read cannot be searched either, so there is no way past an error.

mod brotli;
mod zlib;
mod zstd;

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_ENCODING};

/// Codings on top of each other.
const MAX_CODINGS: usize = 3;

/// Bytes handed on at once.
const PIECE: usize = 32 * 1024;

/// Content of up to this many bytes may have been made of anything.
const FREE: u64 = 64 * 1024 * 1024;

/// Above that, this many bytes at most for each one that came: deflate reaches 1,030 with zeros only, and logs and tables 20 to 100.
const MAX_RATIO: u64 = 500;

/// Why a body cannot be read. The upstream's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// A content coding that is not known here.
    #[error("the response has a content coding that cannot be read")]
    Unknown,
    /// A piece of a coded body: it cannot be read without the rest.
    #[error("the response is a part of a coded body")]
    Part,
    /// It is not what its content coding says.
    #[error("the response's content coding is damaged")]
    Damaged,
    /// It ended too early.
    #[error("the response's content coding is cut off")]
    CutOff,
    /// It becomes far too large.
    #[error("the response's content is over 64 MiB and 500 times its size on the wire")]
    Bomb,
}

/// Undoes the codings of one body.
pub(super) struct Decoder {
    /// The one that was put on last comes first.
    stages: Vec<Stage>,
    /// Bytes that came.
    taken: u64,
    room: Box<[u8]>,
}

struct Stage {
    engine: Engine,
    input: Bytes,
    begun: bool,
    /// Bytes handed on.
    made: u64,
}

enum Engine {
    Zlib(zlib::Zlib),
    Brotli(brotli::Brotli),
    Zstd(zstd::Zstd),
}

impl Decoder {
    /// For a body with these headers; none if there is nothing to undo.
    pub(super) fn new(headers: &HeaderMap) -> Result<Option<Self>, CodingError> {
        let mut stages = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            for name in value.to_str().map_err(|_| CodingError::Unknown)?.split(',') {
                stages.extend(Engine::named(name.trim())?.map(Stage::new));
            }
        }
        stages.reverse();
        match stages.len() {
            0 => Ok(None),
            1..=MAX_CODINGS => Ok(Some(Self { stages, taken: 0, room: vec![0; PIECE].into() })),
            _ => Err(CodingError::Unknown),
        }
    }

    /// Takes more, after [`Self::pull`] had nothing more to give.
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.taken += chunk.len() as u64;
        if let Some(first) = self.stages.first_mut() {
            first.take(chunk);
        }
    }

    /// Content, or nothing when more must come first.
    pub(super) fn pull(&mut self) -> Result<Option<Bytes>, CodingError> {
        pull(&mut self.stages, self.taken, &mut self.room)
    }

    /// Whether this may be the end. A body of no bytes is always whole.
    pub(super) fn finish(&self) -> Result<(), CodingError> {
        let whole = self.stages.iter().all(|stage| !stage.begun || stage.engine.has_ended());
        if whole { Ok(()) } else { Err(CodingError::CutOff) }
    }
}

fn pull(stages: &mut [Stage], taken: u64, room: &mut [u8]) -> Result<Option<Bytes>, CodingError> {
    let Some((last, before)) = stages.split_last_mut() else { return Ok(None) };
    loop {
        let made = last.engine.step(&mut last.input, room)?;
        if made > 0 {
            last.made += made as u64;
            if last.made > FREE && last.made / MAX_RATIO > taken {
                return Err(CodingError::Bomb);
            }
            return Ok(room.get(..made).map(Bytes::copy_from_slice));
        }
        match pull(before, taken, room)? {
            Some(bytes) => last.take(bytes),
            None => return Ok(None),
        }
    }
}

impl Stage {
    fn new(engine: Engine) -> Self {
        Self { engine, input: Bytes::new(), begun: false, made: 0 }
    }

    fn take(&mut self, bytes: Bytes) {
        self.begun |= !bytes.is_empty();
        self.input = bytes;
    }
}

impl Engine {
    fn named(name: &str) -> Result<Option<Self>, CodingError> {
        Ok(Some(match name.to_ascii_lowercase().as_str() {
            "" | "identity" => return Ok(None),
            "gzip" | "x-gzip" => Self::Zlib(zlib::Zlib::gzip()),
            "deflate" => Self::Zlib(zlib::Zlib::deflate()),
            "br" => Self::Brotli(brotli::Brotli::new()),
            "zstd" => Self::Zstd(zstd::Zstd::new()),
            _ => return Err(CodingError::Unknown),
        }))
    }

    /// Bytes written to `room`. None were when all of `input` is taken and more must come.
    fn step(&mut self, input: &mut Bytes, room: &mut [u8]) -> Result<usize, CodingError> {
        match self {
            Self::Zlib(zlib) => zlib.step(input, room),
            Self::Brotli(brotli) => brotli.step(input, room),
            Self::Zstd(zstd) => zstd.step(input, room),
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Zlib(zlib) => zlib.has_ended(),
            Self::Brotli(brotli) => brotli.has_ended(),
            Self::Zstd(zstd) => zstd.has_ended(),
        }
    }
}

#[cfg(test)]
mod tests;
