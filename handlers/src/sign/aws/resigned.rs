//! A body whose chunks are signed anew as it is read.
//!
//! Receives the workload's body and [`Chunks`]; hands on a body of the same length. Chunks that cannot be signed end it with an
//! error, so that the server never takes what came before for the whole.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::super::SignError;
use super::chunks::Chunks;
use crate::{Body, BodyError};

/// The body.
pub(super) struct Resigned {
    inner: Body,
    chunks: Chunks,
    ready: VecDeque<Bytes>,
    ended: bool,
}

impl Resigned {
    pub(super) fn new(inner: Body, chunks: Chunks) -> Self {
        Self { inner, chunks, ready: VecDeque::new(), ended: false }
    }

    fn take(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) -> Result<(), BodyError> {
        let Some(frame) = frame else {
            self.ended = true;
            return Ok(self.chunks.finish()?);
        };
        let Ok(data) = frame?.into_data() else {
            return Err(SignError::Malformed("its body has trailers outside of the signed chunks").into());
        };
        let mut out = Vec::new();
        self.chunks.push(&data, &mut out)?;
        self.ready.extend(out);
        Ok(())
    }
}

impl http_body::Body for Resigned {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
            if let Err(error) = self.take(frame) {
                self.ended = true;
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.chunks.held() + self.ready.iter().map(Bytes::len).sum::<usize>();
        match (self.inner.size_hint().exact(), u64::try_from(held)) {
            (Some(rest), Ok(held)) => SizeHint::with_exact(rest.saturating_add(held)),
            _ => SizeHint::default(),
        }
    }
}
