//! How a refusal or failure is put to a client of gRPC, which reads no problem details: as a response of trailers only, whose status is
//! one of gRPC's own and whose message a person gets to see. Receives what goes into a problem, hands on such a response.

use std::fmt::Write;

use handlers::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::{ExchangeError, UpstreamError};

const GRPC: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What the workload understands.
pub enum Tongue {
    /// Status and problem details.
    Http,
    /// gRPC, in the content type of the request: `application/grpc`, `application/grpc+proto`, `application/grpc-web`.
    Grpc(HeaderValue),
}

impl Tongue {
    /// The one of a request with these headers.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(header::CONTENT_TYPE) {
            Some(kind) if kind.as_bytes().starts_with(GRPC.as_bytes()) => Self::Grpc(kind.clone()),
            _ => Self::Http,
        }
    }
}

/// Statuses of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Internal = 13,
    Unavailable = 14,
}

impl Status {
    fn of(error: &ExchangeError) -> Self {
        match error {
            ExchangeError::DeniedByHandler { .. } => return Self::PermissionDenied,
            // Nothing was sent, so that the client may try again.
            ExchangeError::Upstream(UpstreamError::ConnectTimeout | UpstreamError::TlsTimeout) => {
                return Self::Unavailable;
            }
            _ => {}
        }
        match error.status() {
            StatusCode::FORBIDDEN => Self::PermissionDenied,
            StatusCode::TOO_MANY_REQUESTS => Self::ResourceExhausted,
            StatusCode::GATEWAY_TIMEOUT => Self::DeadlineExceeded,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::InvalidArgument,
            _ => Self::Internal,
        }
    }
}

/// What the request `request_id`, whose content type is `kind`, is told of `error`.
pub(super) fn refusal(error: &ExchangeError, request_id: &str, kind: HeaderValue) -> Response<Body> {
    let rule = error.rule().map(|rule| format!(", rule {rule}")).unwrap_or_default();
    let message = format!("{}: {error} (request {request_id}{rule})", error.kind());
    let mut response = Response::new(handlers::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(STATUS, HeaderValue::from(Status::of(error) as u16));
    // Only what may stand there is left.
    if let Ok(message) = HeaderValue::try_from(encoded(&message)) {
        headers.insert(MESSAGE, message);
    }
    response
}

/// Percent-encoded, as gRPC wants it: everything but printable ASCII.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => {
                // Writing to a string never fails.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: &ExchangeError) -> (StatusCode, HeaderMap) {
        let response = refusal(error, "a-7", HeaderValue::from_static("application/grpc+proto"));
        (response.status(), response.headers().clone())
    }

    #[test]
    fn who_speaks_it() {
        for (kind, speaks) in [
            (Some("application/grpc"), true),
            (Some("application/grpc+proto"), true),
            (Some("application/grpc-web-text"), true),
            (Some("application/json"), false),
            (None, false),
        ] {
            let value = kind.map(|kind| (header::CONTENT_TYPE, HeaderValue::from_static(kind)));
            let tongue = Tongue::of(&HeaderMap::from_iter(value));
            assert_eq!(matches!(tongue, Tongue::Grpc(_)), speaks, "{kind:?}");
        }
    }

    #[test]
    fn a_denial_is_one() {
        let reason = Some("größer als 100%\r\n".into());
        let rule = "outboundByHost".into();
        let (status, headers) =
            told(&ExchangeError::DeniedByHandler { status: StatusCode::NOT_FOUND, reason, rule });
        assert_eq!((status, &headers[STATUS]), (StatusCode::OK, &HeaderValue::from_static("7")));
        assert_eq!(headers[header::CONTENT_TYPE], "application/grpc+proto");
        assert_eq!(
            headers[MESSAGE],
            "denied_by_handler: gr%C3%B6%C3%9Fer als 100%25%0D%0A (request a-7, rule outboundByHost)"
        );
    }

    #[test]
    fn statuses() {
        let handler = |status| ExchangeError::Handler { status, kind: "handler_failed" };
        for (error, expected) in [
            (ExchangeError::Malformed("no host"), Status::InvalidArgument),
            (ExchangeError::Method("TRACE".into()), Status::InvalidArgument),
            (UpstreamError::HeadTimeout.into(), Status::DeadlineExceeded),
            (UpstreamError::ConnectTimeout.into(), Status::Unavailable),
            (UpstreamError::TlsTimeout.into(), Status::Unavailable),
            (UpstreamError::Upgrade.into(), Status::Unavailable),
            (UpstreamError::Revoked.into(), Status::PermissionDenied),
            (ExchangeError::NoAudit, Status::Unavailable),
            (handler(StatusCode::GATEWAY_TIMEOUT), Status::DeadlineExceeded),
            (handler(StatusCode::INTERNAL_SERVER_ERROR), Status::Internal),
            (
                ExchangeError::DeniedByHandler {
                    status: StatusCode::NOT_FOUND,
                    reason: None,
                    rule: "*".into(),
                },
                Status::PermissionDenied,
            ),
            (UpstreamError::NameRefused(crate::dns::NameRefusal::Rate).into(), Status::ResourceExhausted),
        ] {
            assert_eq!(Status::of(&error), expected, "{error}");
        }
    }
}
