//! The HTTP client that speaks to S3 servers. Receives a request of the store, hands on the answer of the server: by the client that verifies
//! TLS as everywhere else, and no wait is without a deadline.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::stream;
use handlers::StoreError;
use http::{Response, Uri};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use rustls::RootCertStore;
use tokio::time::timeout;

use crate::{
    stores::refused,
    verified::{self, Verified},
};

/// From the request's first byte to the response's head; a part of a large object is on its way meanwhile.
const RESPONSE_DEADLINE: Duration = Duration::from_secs(60);
/// How long a response may stand still.
const IDLE: Duration = Duration::from_secs(30);

/// How often a request is tried that failed, and for how long.
pub(super) fn retries() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 3, retry_timeout: Duration::from_secs(10) }
}

/// A URL without anything but scheme, host and path.
pub(super) fn check_endpoint(endpoint: &str) -> Result<(), StoreError> {
    let uri: Option<Uri> = endpoint.parse().ok();
    let right = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.query().is_none()
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    });
    if right { Ok(()) } else { Err(refused("the endpoint is no http:// or https:// URL of a server alone")) }
}

/// Makes clients that trust these roots.
#[derive(Debug)]
pub(super) struct Connector(Arc<RootCertStore>);

impl Connector {
    pub(super) fn new(roots: Arc<RootCertStore>) -> Self {
        Self(roots)
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(verified::client(&self.0))))
    }
}

#[derive(Debug)]
struct Service(Verified<HttpRequestBody>);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = timeout(RESPONSE_DEADLINE, self.0.request(request)).await.map_err(late)?;
        let response = response.map_err(|error| {
            let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Interrupted };
            HttpError::new(kind, error)
        })?;
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, HttpResponseBody::new(StreamBody::new(frames(body)))))
    }
}

fn frames(
    body: Incoming,
) -> impl stream::Stream<Item = Result<http_body::Frame<bytes::Bytes>, HttpError>> + Send + Sync {
    stream::try_unfold(body, |mut body| async {
        match timeout(IDLE, body.frame()).await.map_err(late)? {
            None => Ok(None),
            Some(Ok(frame)) => Ok(Some((frame, body))),
            Some(Err(error)) => Err(HttpError::new(HttpErrorKind::Interrupted, error)),
        }
    })
}

fn late(elapsed: tokio::time::error::Elapsed) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, elapsed)
}
