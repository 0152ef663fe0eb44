//! What is done with a match, and bodies of which every byte was looked at.
//!
//! Receives a body's frames; hands on data in which matches were masked or swapped, and trailers. Bytes wait only while they may be the
//! beginning of a match. If the sender breaks off, so does this one.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::{
    coding::Decoder,
    placeholder::{Swap, SwapError},
    replace::{Stream, sure},
    scrub::Found,
};
use crate::{Body, BodyError};

/// What becomes of matches.
pub(super) enum Work {
    /// Values are masked.
    Scrub(Found),
    /// Placeholders are swapped for values.
    Swap(Swap),
}

impl Work {
    pub(super) fn stream(&self) -> Stream {
        Stream::new(match self {
            Self::Scrub(found) => found.patterns(),
            Self::Swap(swap) => swap.patterns(),
        })
    }

    /// Writes what goes in the place of a match.
    pub(super) fn put(&mut self, number: usize, text: &[u8], out: &mut BytesMut) -> Result<(), SwapError> {
        match self {
            Self::Scrub(found) => {
                sure(found.mask(number, text, out));
                Ok(())
            }
            Self::Swap(swap) => swap.put(number, text, out),
        }
    }

    fn trailers(&self, trailers: &mut HeaderMap) {
        match self {
            Self::Scrub(found) => found.headers(trailers),
            // Nothing that reads credentials reads trailers.
            Self::Swap(_) => {}
        }
    }

    fn keeps_length(&self) -> bool {
        match self {
            Self::Scrub(_) => true,
            Self::Swap(swap) => swap.keeps_length(),
        }
    }
}

pub(super) struct Rewritten {
    inner: Body,
    decoder: Option<Decoder>,
    stream: Stream,
    work: Work,
    at: At,
}

enum At {
    Content,
    /// Behind all content.
    Trailers(HeaderMap),
    End,
}

impl Rewritten {
    pub(super) fn new(inner: Body, decoder: Option<Decoder>, work: Work) -> Self {
        Self { inner, decoder, stream: work.stream(), work, at: At::Content }
    }

    /// Data that came before, as far as it is decoded and decided; none when more must come.
    fn decoded(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        while let Some(piece) = decoder.pull()? {
            let out = self.stream.push(piece, |number, text, out| self.work.put(number, text, out))?;
            if !out.is_empty() {
                return Ok(Some(out));
            }
        }
        Ok(None)
    }

    /// What a frame leads to at once.
    fn take(&mut self, frame: Option<Frame<Bytes>>) -> Result<Option<Bytes>, BodyError> {
        let out = match frame.map(Frame::into_data) {
            Some(Ok(chunk)) => match &mut self.decoder {
                Some(decoder) => {
                    decoder.push(chunk);
                    return self.decoded();
                }
                None => self.stream.push(chunk, |number, text, out| self.work.put(number, text, out))?,
            },
            Some(Err(frame)) => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                self.work.trailers(&mut trailers);
                self.end(At::Trailers(trailers))?
            }
            None => self.end(At::End)?,
        };
        Ok(Some(out).filter(|out| !out.is_empty()))
    }

    fn end(&mut self, next: At) -> Result<Bytes, BodyError> {
        self.decoder.as_ref().map_or(Ok(()), Decoder::finish)?;
        self.at = next;
        Ok(self.stream.finish(|number, text, out| self.work.put(number, text, out))?)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        loop {
            match std::mem::replace(&mut self.at, At::End) {
                At::Content => self.at = At::Content,
                At::Trailers(trailers) => return Poll::Ready(Ok(Some(Frame::trailers(trailers)))),
                At::End => return Poll::Ready(Ok(None)),
            }
            if let Some(data) = self.decoded()? {
                return Poll::Ready(Ok(Some(Frame::data(data))));
            }
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(context)).transpose()?;
            if let Some(data) = self.take(frame)? {
                return Poll::Ready(Ok(Some(Frame::data(data))));
            }
        }
    }
}

impl http_body::Body for Rewritten {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = ready!(self.poll(context));
        if polled.is_err() {
            self.at = At::End;
        }
        Poll::Ready(polled.transpose())
    }

    fn is_end_stream(&self) -> bool {
        match self.at {
            At::Content => self.decoder.is_none() && self.stream.held() == 0 && self.inner.is_end_stream(),
            At::Trailers(_) => false,
            At::End => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.at {
            At::Content if self.decoder.is_none() && self.work.keeps_length() => {
                longer(self.inner.size_hint(), self.stream.held() as u64)
            }
            At::Content => SizeHint::new(),
            At::Trailers(_) | At::End => SizeHint::with_exact(0),
        }
    }
}

fn longer(hint: SizeHint, by: u64) -> SizeHint {
    let mut longer = SizeHint::new();
    longer.set_lower(hint.lower().saturating_add(by));
    hint.upper().into_iter().for_each(|upper| longer.set_upper(upper.saturating_add(by)));
    longer
}
