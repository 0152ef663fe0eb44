//! The head of a frame (RFC 6455, 5.2), read and written. Receives bytes as far as they have come; hands on what they say of the
//! frame, or what is wrong with it.

use bytes::{BufMut, BytesMut};

use super::FrameError;

/// Bytes in the payload of a control frame at most (5.5).
const MAX_CONTROL: u64 = 125;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    /// Close, ping or pong, with its number.
    Control(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) length: u64,
}

impl Head {
    /// The head that these bytes are; none if more must come.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(FrameError::Extension);
        }
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            control @ 8..=10 => Opcode::Control(control),
            _ => return Err(FrameError::Malformed("an unknown opcode")),
        };
        let Some((length, rest)) = length(second & 0x7f, rest)? else { return Ok(None) };
        let is_final = first & 0x80 != 0;
        if matches!(opcode, Opcode::Control(_)) && (length > MAX_CONTROL || !is_final) {
            return Err(FrameError::Malformed("a control frame that is too long or not whole"));
        }
        let mask = if second & 0x80 == 0 { None } else { rest.first_chunk().copied() };
        let is_whole = mask.is_some() || second & 0x80 == 0;
        Ok(is_whole.then_some(Self { opcode, is_final, mask, length }))
    }
}

/// A payload's length, and what follows it; none if more must come. It has to be written in the fewest bytes.
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, FrameError> {
    let (found, least) = match short {
        126 => {
            (rest.split_first_chunk().map(|(long, rest)| (u64::from(u16::from_be_bytes(*long)), rest)), 126)
        }
        127 => (rest.split_first_chunk().map(|(long, rest)| (u64::from_be_bytes(*long), rest)), 1 << 16),
        short => (Some((short.into(), rest)), 0),
    };
    match found {
        Some((length, _)) if length < least || length > i64::MAX as u64 => {
            Err(FrameError::Malformed("a length that cannot be"))
        }
        found => Ok(found),
    }
}

/// A whole frame.
pub(super) fn write(
    opcode: Opcode,
    is_final: bool,
    mask: Option<[u8; 4]>,
    payload: &[u8],
    out: &mut BytesMut,
) {
    let number = match opcode {
        Opcode::Continuation => 0,
        Opcode::Text => 1,
        Opcode::Binary => 2,
        Opcode::Control(number) => number,
    };
    out.put_u8(number | if is_final { 0x80 } else { 0 });
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ ..126 => out.put_u8(masked | u8::try_from(short).unwrap_or_default()),
        long => match u16::try_from(long) {
            Ok(long) => {
                out.put_u8(masked | 126);
                out.put_u16(long);
            }
            Err(_) => {
                out.put_u8(masked | 127);
                out.put_u64(long as u64);
            }
        },
    }
    out.extend_from_slice(mask.as_ref().map_or(&[], |mask| mask));
    let start = out.len();
    out.extend_from_slice(payload);
    apply(mask, 0, out.get_mut(start..).unwrap_or_default());
}

/// Puts a mask on, or takes it off. `come` bytes of the payload were before.
pub(super) fn apply(mask: Option<[u8; 4]>, come: u64, payload: &mut [u8]) {
    let Some(mut mask) = mask else { return };
    mask.rotate_left((come % 4) as usize);
    let (fours, rest) = payload.as_chunks_mut();
    for four in fours {
        *four = (u32::from_ne_bytes(*four) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    rest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}
