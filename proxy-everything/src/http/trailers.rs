//! Trailers: what may come behind a body (RFC 9110, 6.5). Receives a body and the head that it belongs to, hands on the body without
//! the trailers that should have been in a head, or that would say a second time what this one says: a server that merges the two must
//! not get another answer to who asks and for what.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use handlers::{Body, BodyError};
use http::{HeaderMap, HeaderName};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;

/// Fields about framing, routing, credentials, cookies and content, and those that steer who handles the message.
const NEVER: [&str; 31] = [
    "accept-encoding",
    "age",
    "authentication-info",
    "authorization",
    "cache-control",
    "connection",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "warning",
    "www-authenticate",
];
const NEVER_BEGIN: [&str; 5] = ["access-control-", "content-", "if-", "proxy-", "x-forwarded-"];

/// The body behind a head that `headers` are of. To HTTP/1.1 the HTTP library sends those alone that `Trailer` announces.
pub fn sieve(body: Body, headers: &HeaderMap) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let taken = headers.keys().cloned().collect();
    Sieve { body, taken }.boxed_unsync()
}

struct Sieve {
    body: Body,
    /// The names in the head.
    taken: Box<[HeaderName]>,
}

impl Sieve {
    fn passes(&self, name: &HeaderName) -> bool {
        // Some servers read the one as the other.
        let plain = name.as_str().replace('_', "-");
        !NEVER.contains(&&*plain)
            && !NEVER_BEGIN.iter().any(|begin| plain.starts_with(begin))
            && !self.taken.iter().any(|taken| taken.as_str().replace('_', "-") == plain)
    }

    fn passing(&self, trailers: HeaderMap) -> HeaderMap {
        let names: Vec<_> = trailers.keys().filter(|name| !self.passes(name)).cloned().collect();
        let mut trailers = trailers;
        for name in names {
            trailers.remove(name);
        }
        trailers
    }
}

impl http_body::Body for Sieve {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)?) else { return Poll::Ready(None) };
        match frame.into_trailers() {
            Err(frame) => Poll::Ready(Some(Ok(frame))),
            Ok(trailers) => {
                let trailers = self.passing(trailers);
                Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(head: &[(&'static str, &str)], trailers: &[&'static str]) -> Vec<String> {
        let headers =
            head.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let names = trailers.iter().map(|name| (HeaderName::from_static(name), "1".parse().unwrap()));
        let frames = [Ok(Frame::data(Bytes::from("a"))), Ok(Frame::trailers(names.collect()))];
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        let mut body = sieve(body, &headers.collect());
        let mut left = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut cx) {
            if let Ok(trailers) = frame.unwrap().into_trailers() {
                left.extend(trailers.keys().map(ToString::to_string));
            }
        }
        left
    }

    #[test]
    fn which_pass() {
        let all = ["x-a", "grpc-status", "server-timing", "digest"];
        assert_eq!(left(&[], &all), all);
        for never in [
            "host",
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
            "content-length",
            "content_length",
            "content-type",
            "transfer-encoding",
            "transfer_encoding",
            "te",
            "connection",
            "if-match",
            "x-forwarded-for",
        ] {
            assert_eq!(left(&[], &["x-a", never]), ["x-a"], "{never}");
        }
        let head = [("trailer", "x-token"), ("x-token", "a")];
        assert!(left(&head, &["x-token", "x_token"]).is_empty());
    }
}
