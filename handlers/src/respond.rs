//! The built-in handler that answers with a fixed response.
//!
//! Receives nothing of the request; hands on a copy of its response (the body is shared, not copied). It exists for
//! hosts that need not exist, and for canned answers.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use crate::{Body, full};

/// Answers every request with the same response.
#[derive(Debug, Clone)]
pub struct Respond {
    /// The response's status.
    pub status: StatusCode,
    /// The response's headers; framing headers are the proxy's business and need not be here.
    pub headers: HeaderMap,
    /// The response's body.
    pub body: Bytes,
}

impl Respond {
    pub(crate) fn response(&self) -> Response<Body> {
        let mut response = Response::new(full(self.body.clone()));
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        response
    }
}
