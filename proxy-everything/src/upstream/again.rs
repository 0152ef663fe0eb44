//! A second try. Receives a request and hands it on, and with it a way to have it back, if sending it again is as good as not having
//! sent it: the server itself says that it has not begun with it, because it refused the stream, went away before it, or wants HTTP/1.1
//! (RFC 9113, 8.7 and 7); or it closed an idle connection, as servers do, while a harmless request was on its way. No other request
//! is sent twice, because nobody knows what became of it.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use handlers::{Body, BodyError};
use http::{HeaderMap, Request, request};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper_util::client::legacy;
use tokio::{sync::oneshot, time::timeout};

use super::stream::Known;

/// What of a body that was sent is kept, in bytes; after more of it, there is no second try.
const KEPT: usize = 64 * 1024;
/// How long the HTTP library may take to let go of a body that nobody wants.
const RETURNS: Duration = Duration::from_secs(1);

/// Over which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Any other: the one that went away is no longer used.
    Pooled,
    /// A new one: that of the first try is full, or closed.
    Apart,
    /// A new one of HTTP/1.1.
    Http1,
}

impl Again {
    /// What the server said, if that is why it failed, or how it met a request that is `harmless` to repeat.
    pub(super) fn after(error: &legacy::Error, harmless: bool) -> Option<Self> {
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(error) = inner.downcast_ref::<h2::Error>() {
                return Self::said(error);
            }
            cause = inner.source();
        }
        (harmless && is_unheard(error)).then_some(Self::Apart)
    }

    /// GOAWAY is only told of requests behind the last one that the server has begun with.
    fn said(error: &h2::Error) -> Option<Self> {
        match error.reason() {
            _ if !error.is_remote() => None,
            Some(h2::Reason::HTTP_1_1_REQUIRED) => Some(Self::Http1),
            _ if error.is_go_away() => Some(Self::Pooled),
            Some(h2::Reason::REFUSED_STREAM) => Some(Self::Apart),
            _ => None,
        }
    }
}

/// Whether it failed on a connection that had answered before, without a byte of an answer. With HTTP/2 a failed connection is
/// more than one request's, so nothing can be told of that.
fn is_unheard(error: &legacy::Error) -> bool {
    let is_http2 = error.connect_info().is_some_and(|connected| connected.is_negotiated_h2());
    Known::of(error).is_some_and(|known| !is_http2 && known.is_unheard())
}

/// A request that is on its way.
pub(super) struct Lent {
    head: request::Parts,
    /// None if there is no body.
    body: Option<oneshot::Receiver<Sent>>,
}

/// The request to send, and how to have it back.
pub(super) fn lend(request: Request<Body>) -> (Request<Body>, Lent) {
    let (head, body) = request.into_parts();
    if body.is_end_stream() {
        return (Request::from_parts(head.clone(), body), Lent { head, body: None });
    }
    let (give_back, back) = oneshot::channel();
    let sent = Sent { kept: Vec::new(), trailers: None, rest: Some(body) };
    let body = Lending { sent, left: KEPT, give_back: Some(give_back) }.boxed_unsync();
    (Request::from_parts(head.clone(), body), Lent { head, body: Some(back) })
}

impl Lent {
    /// Whether it only asks (RFC 9110, 9.2.1), and says nothing: of an idempotent PUT or DELETE the second answer may differ from the
    /// one that was lost.
    pub(super) fn is_harmless(&self) -> bool {
        self.head.method.is_safe() && self.body.is_none()
    }

    /// The same request, unless too much of it is gone.
    pub(super) async fn back(self) -> Option<Request<Body>> {
        let body = match self.body {
            None => handlers::empty(),
            Some(body) => timeout(RETURNS, body).await.ok()?.ok()?.boxed_unsync(),
        };
        Some(Request::from_parts(self.head, body))
    }
}

/// A body that is remembered while it is sent.
struct Lending {
    sent: Sent,
    /// So much more can be.
    left: usize,
    give_back: Option<oneshot::Sender<Sent>>,
}

/// A body from its beginning: what was sent of it, the last piece first once it is sent again, and the rest.
#[derive(Default)]
struct Sent {
    kept: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    /// None once it has ended.
    rest: Option<Body>,
}

impl Lending {
    fn remember(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            match self.left.checked_sub(data.len()) {
                Some(left) => {
                    self.left = left;
                    self.sent.kept.push(data.clone());
                }
                None => self.forget(),
            }
        }
        if let Some(trailers) = frame.trailers_ref() {
            self.sent.trailers = Some(trailers.clone());
        }
    }

    fn forget(&mut self) {
        self.give_back = None;
        self.sent.kept.clear();
    }
}

impl http_body::Body for Lending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(rest) = &mut self.sent.rest else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *rest).poll_frame(cx));
        // Whoever waits for its end is told at once.
        if frame.is_none() || rest.is_end_stream() {
            self.sent.rest = None;
        }
        match &frame {
            Some(Ok(frame)) if self.give_back.is_some() => self.remember(frame),
            Some(Err(_)) => self.forget(),
            _ => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.sent.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.sent.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lending {
    fn drop(&mut self) {
        if let Some(give_back) = self.give_back.take() {
            let mut sent = std::mem::take(&mut self.sent);
            sent.kept.reverse();
            // Nobody waits for it if there is a response.
            let _ = give_back.send(sent);
        }
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(data) = self.kept.pop() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.kept.is_empty() && self.trailers.is_none() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let kept: usize = self.kept.iter().map(Bytes::len).sum();
        let rest = self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + kept as u64);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + kept as u64);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    fn body(pieces: &'static [&'static [u8]]) -> Body {
        let frames: Vec<Result<_, BodyError>> =
            pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))).collect();
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    async fn text(request: Request<Body>) -> Bytes {
        request.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn it_comes_back_whole() {
        for sent in 0..4 {
            let request =
                Request::post("https://good.test/a").body(body(&[b"one ", b"two ", b"three"])).unwrap();
            let (mut request, lent) = lend(request);
            for _ in 0..sent {
                let _ = request.body_mut().frame().await;
            }
            drop(request);
            let back = lent.back().await.unwrap();
            assert_eq!((back.method().as_str(), back.uri().path()), ("POST", "/a"));
            assert_eq!(text(back).await, "one two three", "after {sent}");
        }
    }

    #[tokio::test]
    async fn one_without_a_body_too() {
        let (request, lent) = lend(Request::new(handlers::empty()));
        assert!(request.body().is_end_stream());
        assert!(lent.back().await.unwrap().body().is_end_stream());
    }

    #[tokio::test]
    async fn what_is_too_much_to_keep_does_not() {
        static PIECES: [&[u8]; 2] = [&[0; KEPT], b"x"];
        let (request, lent) = lend(Request::new(body(&PIECES)));
        assert_eq!(text(request).await.len(), KEPT + 1);
        assert!(lent.back().await.is_none());
    }

    #[tokio::test]
    async fn what_broke_does_not() {
        let frames = [Ok(Frame::data(Bytes::from_static(b"x"))), Err(BodyError::from("broke"))];
        let (request, lent) = lend(Request::new(StreamBody::new(stream::iter(frames)).boxed_unsync()));
        request.into_body().collect().await.unwrap_err();
        assert!(lent.back().await.is_none());
    }

    #[test]
    fn what_is_harmless() {
        for (method, body, expected) in [
            ("GET", "", true),
            ("HEAD", "", true),
            ("OPTIONS", "", true),
            ("GET", "x", false),
            ("PUT", "", false),
            ("DELETE", "", false),
            ("POST", "", false),
            ("PATCH", "", false),
            ("PROPFIND", "", false),
        ] {
            let request = Request::builder()
                .method(method)
                .uri("https://a.test/b?c")
                .body(handlers::full(body))
                .unwrap();
            assert_eq!(lend(request).1.is_harmless(), expected, "{method} {body:?}");
        }
    }
}
