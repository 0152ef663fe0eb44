//! Bodies for tests: made of given frames, and read to their end. Receives what a peer would send, and hands on what arrived; the tests of
//! several engines here need it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::BodyExt;

use crate::{Body, BodyError};

/// These frames, one after another.
pub(super) struct Frames<I>(pub(super) I);

impl<I: Iterator<Item = Result<Frame<Bytes>, BodyError>> + Unpin> http_body::Body for Frames<I> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.next())
    }
}

/// A body in chunks of `size` bytes, of unknown length.
pub(super) fn chunks(body: &[u8], size: usize, trailers: Option<HeaderMap>) -> Body {
    let data: Vec<_> = body.chunks(size).map(|chunk| Frame::data(Bytes::copy_from_slice(chunk))).collect();
    Frames(data.into_iter().chain(trailers.map(Frame::trailers)).map(Ok)).boxed_unsync()
}

/// Its data and trailers.
pub(super) async fn collect(mut body: Body) -> Result<(Vec<Bytes>, Option<HeaderMap>), BodyError> {
    let (mut data, mut trailers) = (Vec::new(), None);
    while let Some(frame) = body.frame().await.transpose()? {
        match frame.into_data() {
            Ok(chunk) => data.push(chunk),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((data, trailers))
}

/// A body that has not come, and does not.
pub(super) struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Pending
    }
}
