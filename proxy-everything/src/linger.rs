//! An answer that comes before the request has been sent whole: a refusal, a 401, a 413. Receives the body of a request, hands
//! it on unchanged; when whoever used it loses interest, the rest is read and thrown away for a while. Closing at once would
//! make the client fail in the middle of its upload, and it would never see the answer (RFC 9112, 9.6).

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{runtime::Handle, time::timeout};

/// How long the rest is read for; a client that has not seen its answer by then will not.
const LINGER: Duration = Duration::from_secs(30);

/// A request's body that is read to its end, if need be by itself.
pub struct Lingering {
    /// None once it has ended.
    body: Option<Incoming>,
    upload: Upload,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Upload {
    /// The client waits for `100 Continue` (RFC 9110, 10.1.1): refused, it sends nothing, and reading would make it.
    Held,
    Underway,
}

/// Wraps the body of `request`.
pub fn lingering(request: Request<Incoming>) -> Request<Lingering> {
    let held = request.headers().contains_key(header::EXPECT);
    let upload = if held { Upload::Held } else { Upload::Underway };
    request.map(|body| Lingering { body: Some(body), upload })
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Being asked for the body is what makes the HTTP library send `100 Continue`.
        self.upload = Upload::Underway;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if self.upload == Upload::Underway
            && !self.is_end_stream()
            && let Some(mut rest) = self.body.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(timeout(LINGER, async move { while let Some(Ok(_)) = rest.frame().await {} }));
        }
    }
}
