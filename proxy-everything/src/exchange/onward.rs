//! What lies behind the handlers of an exchange. Receives the request as the last of them left it, takes the last step with secrets
//! there is, and hands on what the upstream answers.

use std::sync::Arc;

use handlers::{Body, BodyError, Fetch};
use http::{Request, Response};

use crate::{
    audit::{Notes, Record, Sent},
    config::Generation,
    credentials::InPlay,
    error::UpstreamError,
    fetch,
    in_force::Permit,
    instance::Instance,
    upstream::Prior,
};

/// The end of every handler chain: the upstream, as this exchange's generation configures it.
#[derive(Clone)]
pub(super) struct Onward {
    pub(super) generation: Arc<Generation>,
    pub(super) notes: Arc<Notes>,
    pub(super) permit: Permit,
    pub(super) play: Arc<InPlay>,
    pub(super) prior: Prior,
}

impl Onward {
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        // A handler may have thought for long.
        let result =
            if self.permit.holds() { self.reach(request).await } else { Err(UpstreamError::Revoked) };
        if let Err(error) = &result {
            self.notes.not_reached(error.clone());
        }
        result
    }

    async fn reach(&self, request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        let request = self.play.complete(request, &self.notes).await?;
        let upstream = self.generation.upstream();
        let sent = upstream.send(request, &self.notes, self.play.within(), self.prior).await;
        // Either may be found in the body, and what the connection says of that depends on its version.
        if self.notes.has_stray() {
            return Err(UpstreamError::PlaceholderElsewhere);
        }
        match sent {
            Err(UpstreamError::Broke(_)) if self.notes.sent.get() == Some(&Sent::Broken) => {
                Err(UpstreamError::RequestBroke)
            }
            sent => sent,
        }
    }
}

/// What lies behind the handlers of an exchange.
pub(super) struct Behind {
    pub(super) onward: Onward,
    pub(super) instance: Arc<Instance>,
    /// What the records of all exchanges on its connection begin with.
    pub(super) connection: Arc<Record>,
    /// The exchange's id.
    pub(super) request: Arc<str>,
}

impl Fetch for Behind {
    fn fetch(&self, request: Request<Body>) -> handlers::Fetching {
        let onward = self.onward.clone();
        Box::pin(async move { onward.send(request).await.map_err(BodyError::from) })
    }

    fn elsewhere(&self, handler: &str, request: Request<Body>) -> handlers::Fetching {
        let (request_id, connection) = (Arc::clone(&self.request), Record::clone(&self.connection));
        let generation = self.onward.generation.number();
        let parent = Record { request: Some(request_id), generation, ..connection };
        fetch::elsewhere(&self.instance, &self.onward.generation, &parent, handler, request)
    }
}
