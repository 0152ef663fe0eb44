//! Where a response of HTTP/1 ends must be beyond doubt (RFC 9112, 6.3 and 11.1), or what follows it is taken for the answer to another
//! request. Receives the head as the HTTP library, which forgives much, understood it; hands on what is wrong with it.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use http::{HeaderMap, Response, Version, header};
use tokio::sync::Notify;

/// Interim responses before a final one.
const MAX_INTERIM: u32 = 64;
pub(super) const TOO_MANY: &str = "too many interim responses come before it";

/// What is wrong with how `response` is framed.
pub(super) fn fault<B>(response: &Response<B>) -> Option<&'static str> {
    if response.version() > Version::HTTP_11 {
        return None;
    }
    let headers = response.headers();
    let codings = headers.get_all(header::TRANSFER_ENCODING).iter().count();
    let is_chunked = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (codings, lengths(headers)) {
        (0, Ok(_)) => None,
        (_, Err(())) => Some("its Content-Length is not one number"),
        (_, Ok(1)) => Some("it has Content-Length and Transfer-Encoding"),
        (1, Ok(_)) if headers.get(header::TRANSFER_ENCODING).is_some_and(is_chunked) => None,
        _ => Some("its Transfer-Encoding is not `chunked`"),
    }
}

/// How many there are: none or one.
fn lengths(headers: &HeaderMap) -> Result<usize, ()> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter().map(http::HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (None, _) => Ok(0),
        (Some(value), None) if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => Ok(1),
        _ => Err(()),
    }
}

/// Counts the interim responses to one request.
#[derive(Default)]
pub(super) struct Interim {
    seen: AtomicU32,
    too_many: Notify,
}

impl Interim {
    pub(super) fn one_more(&self) {
        if self.seen.fetch_add(1, Relaxed) == MAX_INTERIM {
            self.too_many.notify_one();
        }
    }

    /// Returns once there are more than anybody needs.
    pub(super) async fn too_many(&self) {
        self.too_many.notified().await;
    }

    /// What is wrong with them; the last one and the final response may come at once.
    pub(super) fn fault(&self) -> Option<&'static str> {
        (self.seen.load(Relaxed) > MAX_INTERIM).then_some(TOO_MANY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        for (version, fields, sound) in [
            (Version::HTTP_11, &[][..], true),
            (Version::HTTP_11, &[("content-length", "5")], true),
            (Version::HTTP_11, &[("transfer-encoding", "Chunked")], true),
            (Version::HTTP_11, &[("content-length", "5"), ("content-length", "5")], false),
            (Version::HTTP_11, &[("content-length", "5, 5")], false),
            (Version::HTTP_11, &[("content-length", "+5")], false),
            (Version::HTTP_11, &[("content-length", "")], false),
            (Version::HTTP_11, &[("content-length", "5"), ("transfer-encoding", "chunked")], false),
            (Version::HTTP_11, &[("transfer-encoding", "gzip, chunked")], false),
            (Version::HTTP_11, &[("transfer-encoding", "identity")], false),
            (Version::HTTP_11, &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
            (Version::HTTP_10, &[("content-length", "5"), ("content-length", "6")], false),
            (Version::HTTP_2, &[("content-length", "5")], true),
        ] {
            let mut response = Response::builder().version(version);
            for (name, value) in fields {
                response = response.header(*name, *value);
            }
            assert_eq!(fault(&response.body(()).unwrap()).is_none(), sound, "{version:?} {fields:?}");
        }
    }
}
