//! Asking once more. Receives a request before it is sent and the failure after it, hands on whether the same may be sent again: a
//! server closes idle connections whenever it likes, and a request that meets the closing is lost by nobody's fault. Only safe
//! methods (RFC 9110, 9.2.1) without a body: of an idempotent PUT or DELETE the second answer may differ from the one that was lost.

use handlers::{Body, full};
use http::Request;
use http_body::Body as _;
use hyper_util::client::legacy;

use super::stream::Known;

/// The same request, if it may be sent twice.
pub(super) fn same(request: &Request<Body>) -> Option<Request<Body>> {
    if !request.method().is_safe() || !request.body().is_end_stream() {
        return None;
    }
    let mut again = Request::new(full(""));
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    *again.extensions_mut() = request.extensions().clone();
    Some(again)
}

/// Whether it failed on a connection that had answered before, without a byte of an answer. With HTTP/2 a failed connection is
/// more than one request's, so nothing can be told of that.
pub(super) fn is_unheard(error: &legacy::Error) -> bool {
    let is_http2 = error.connect_info().is_some_and(|connected| connected.is_negotiated_h2());
    Known::of(error).is_some_and(|known| !is_http2 && known.is_unheard())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_sent_twice() {
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
            let request = Request::builder().method(method).uri("https://a.test/b?c").header("x-a", "1");
            let request = request.body(full(body)).unwrap();
            let again = same(&request);
            assert_eq!(again.is_some(), expected, "{method} {body:?}");
            let Some(again) = again else { continue };
            assert_eq!(
                (again.method(), again.uri(), again.headers()),
                (request.method(), request.uri(), request.headers())
            );
        }
    }
}
