//! Many patterns found and replaced in text that comes in chunks, wherever it is cut.
//!
//! Receives chunks; hands on the same text with every match replaced by what the caller puts there: the leftmost match first, of several
//! that begin there the longest, and never one inside what was put. Held back is only what could be the beginning of a match. A chunk
//! without a match is handed on as it is.
//!
//! Most text has no match, so it is skipped over: each pattern is at least some bytes long, so looking at four bytes at a time at every so
//! many places is enough to see that none is there. That needs no vector instructions and hardly depends on the number of patterns.

use std::{convert::Infallible, sync::Arc};

use bytes::{Bytes, BytesMut};
use zeroize::Zeroizing;

/// Bytes that are looked at together.
const BLOCK: usize = 4;

/// The bits that say which blocks are in a pattern.
const BITS: usize = 1 << 16;

/// Distance at most between the places that are looked at, in bytes: a further one would need more bits.
const MAX_STRIDE: usize = 13;

/// What is looked for.
pub struct Patterns {
    /// In order, each with its number.
    sorted: Vec<(Zeroizing<Vec<u8>>, usize)>,
    /// The first block of each of them.
    begins: Vec<[u8; BLOCK]>,
    /// Whether some pattern begins with this byte.
    first: [bool; 256],
    /// Whether a block with this hash is at one of the first `stride` places of a pattern.
    blocks: Box<[u64; BITS / 64]>,
    stride: usize,
    longest: usize,
}

struct Match {
    start: usize,
    end: usize,
    number: usize,
}

impl Patterns {
    /// The shortest pattern, in bytes. There is nothing to find for what is shorter.
    pub const MIN: usize = 6;

    /// The patterns; a match is told by the place in this list.
    pub fn new(patterns: impl IntoIterator<Item = Zeroizing<Vec<u8>>>) -> Self {
        let numbered = patterns.into_iter().zip(0..);
        let mut sorted: Vec<_> = numbered.filter(|(pattern, _)| pattern.len() >= Self::MIN).collect();
        sorted.sort_by(|left, right| left.0.as_slice().cmp(&right.0));
        sorted.dedup_by(|later, earlier| later.0 == earlier.0);
        let shortest = sorted.iter().map(|(pattern, _)| pattern.len()).min().unwrap_or(Self::MIN);
        let mut made = Self {
            begins: sorted.iter().filter_map(|(pattern, _)| pattern.first_chunk().copied()).collect(),
            longest: sorted.iter().map(|(pattern, _)| pattern.len()).max().unwrap_or(0),
            first: [false; 256],
            blocks: Box::new([0; BITS / 64]),
            stride: (shortest + 1 - BLOCK).min(MAX_STRIDE),
            sorted,
        };
        for (pattern, _) in &made.sorted {
            for block in pattern.array_windows().take(made.stride) {
                let (word, bit) = place(*block);
                made.blocks.get_mut(word).into_iter().for_each(|word| *word |= bit);
            }
            let first = pattern.first().and_then(|byte| made.first.get_mut(usize::from(*byte)));
            first.into_iter().for_each(|first| *first = true);
        }
        made
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Whether this byte is in no pattern.
    pub(super) fn lacks(&self, byte: u8) -> bool {
        !self.sorted.iter().any(|(pattern, _)| pattern.contains(&byte))
    }

    /// The whole text with every match replaced; nothing if there is none.
    pub(super) fn replaced<E>(
        &self,
        text: &[u8],
        put: impl FnMut(usize, &[u8], &mut BytesMut) -> Result<(), E>,
    ) -> Result<Option<BytesMut>, E> {
        let mut out = None;
        let end = self.pass(text, |_, _| text.len(), &mut out, put)?;
        if let Some(out) = &mut out {
            out.extend_from_slice(text.get(end.passed..).unwrap_or_default());
        }
        Ok(out)
    }

    /// Every match as its place and number, in order.
    pub(super) fn matches(&self, text: &[u8]) -> impl Iterator<Item = (std::ops::Range<usize>, usize)> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let found = self.find(text, from)?;
            from = found.end;
            Some((found.start..found.end, found.number))
        })
    }

    /// Puts replacements for all matches that begin before what is held back. `out` is made when it is needed first.
    fn pass<E>(
        &self,
        text: &[u8],
        hold: impl Fn(&[u8], usize) -> usize,
        out: &mut Option<BytesMut>,
        mut put: impl FnMut(usize, &[u8], &mut BytesMut) -> Result<(), E>,
    ) -> Result<End, E> {
        let mut end = End { passed: 0, held: hold(text, 0) };
        while let Some(found) = self.find(text, end.passed).filter(|found| found.start < end.held) {
            let out = out.get_or_insert_with(|| BytesMut::with_capacity(text.len()));
            out.extend_from_slice(text.get(end.passed..found.start).unwrap_or_default());
            put(found.number, text.get(found.start..found.end).unwrap_or_default(), out)?;
            end.passed = found.end;
            if end.held < end.passed {
                end.held = hold(text, end.passed);
            }
        }
        Ok(end)
    }

    fn find(&self, text: &[u8], from: usize) -> Option<Match> {
        let mut places = (from..).step_by(self.stride);
        for block in text.get(from..)?.array_windows().step_by(self.stride) {
            let place = places.next()?;
            if self.may_have(*block) {
                // What covers this block and none before it begins here.
                let first = (place + 1).saturating_sub(self.stride).max(from);
                let found = (first..=place).find_map(|start| self.begins_at(text, start));
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    fn may_have(&self, block: [u8; BLOCK]) -> bool {
        let (word, bit) = place(block);
        self.blocks.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The longest pattern that begins there. Of those that do, a longer one comes later.
    fn begins_at(&self, text: &[u8], start: usize) -> Option<Match> {
        let text = text.get(start..)?;
        let block = text.first_chunk().filter(|block| self.may_have(**block))?;
        let end = self.begins.partition_point(|begin| begin <= block);
        let (pattern, number) = self
            .sorted
            .get(..end)?
            .iter()
            .zip(self.begins.get(..end)?)
            .rev()
            .take_while(|(_, begin)| *begin == block)
            .find_map(|(pattern, _)| text.starts_with(&pattern.0).then_some(pattern))?;
        Some(Match { start, end: start + pattern.len(), number: *number })
    }

    /// Where the end of `text` begins that may go on as a match, from `from` on; its length if there is none.
    fn undecided(&self, text: &[u8], from: usize) -> usize {
        let from = (text.len() + 1).saturating_sub(self.longest).max(from);
        let tail = text.get(from..).unwrap_or_default();
        let begun = tail.iter().zip(from..).find(|(byte, start)| {
            let tail = text.get(*start..).unwrap_or_default();
            let may_begin = tail.first_chunk().is_none_or(|block| self.may_have(*block));
            may_begin && self.first.get(usize::from(**byte)) == Some(&true) && self.goes_on(tail)
        });
        begun.map_or(text.len(), |(_, start)| start)
    }

    /// Whether `tail` is the beginning of a longer pattern.
    fn goes_on(&self, tail: &[u8]) -> bool {
        let next = self.sorted.partition_point(|(pattern, _)| pattern.as_slice() <= tail);
        self.sorted.get(next).is_some_and(|(pattern, _)| pattern.starts_with(tail))
    }
}

struct End {
    passed: usize,
    held: usize,
}

/// The word and the bit for a block.
fn place(block: [u8; BLOCK]) -> (usize, u64) {
    let hash = u32::from_le_bytes(block).wrapping_mul(0x9E37_79B1) >> 16;
    (hash as usize / 64, 1 << (hash % 64))
}

/// One text that comes in chunks.
pub struct Stream {
    patterns: Arc<Patterns>,
    /// Shorter than the longest pattern.
    held: Bytes,
}

impl Stream {
    /// A text of which nothing has come yet.
    pub fn new(patterns: Arc<Patterns>) -> Self {
        Self { patterns, held: Bytes::new() }
    }

    /// Bytes that wait for what comes next.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What is decided with this chunk. `put` gets a match's number and text, and writes what goes in its place. After its error the text is over:
    /// nothing of the match or behind it was handed on.
    pub fn push<E>(
        &mut self,
        chunk: Bytes,
        put: impl FnMut(usize, &[u8], &mut BytesMut) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        let held = std::mem::take(&mut self.held);
        let text = if held.is_empty() { chunk } else { [held, chunk].concat().into() };
        let patterns = &*self.patterns;
        let mut out = None;
        let end = patterns.pass(&text, |text, from| patterns.undecided(text, from), &mut out, put)?;
        self.held = Bytes::copy_from_slice(text.get(end.held..).unwrap_or_default());
        Ok(match out {
            Some(mut out) => {
                out.extend_from_slice(text.get(end.passed..end.held).unwrap_or_default());
                out.freeze()
            }
            None => text.slice(..end.held),
        })
    }

    /// The rest, when nothing more comes.
    pub fn finish<E>(
        &mut self,
        put: impl FnMut(usize, &[u8], &mut BytesMut) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        let held = std::mem::take(&mut self.held);
        Ok(self.patterns.replaced(&held, put)?.map_or(held, BytesMut::freeze))
    }
}

/// The result of what cannot fail.
pub(super) fn sure<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
    }
}

#[cfg(test)]
mod tests;
