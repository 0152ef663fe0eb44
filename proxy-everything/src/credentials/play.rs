//! The secrets of one exchange. Receives what it may use, hands it to the handlers, and takes the steps that neither they nor the workload
//! see: the last one before the upstream, and the first one of what comes back.

use std::sync::Arc;

use handlers::{
    Body, Secrets, Style,
    credentials::{Bound, Found, Scrubber, SwapError},
};
use http::{Request, Response};
use http_body_util::BodyExt;

use super::Networks;
use crate::{
    audit::{Notes, SecretUse, Stray},
    error::UpstreamError,
};

/// What one exchange may use.
#[derive(Default)]
pub struct InPlay {
    pub(super) secrets: Secrets,
    /// By handlers.
    pub(super) used: Vec<SecretUse>,
    pub(super) within: Option<Networks>,
    pub(super) scrubber: Option<Arc<Scrubber>>,
    /// None if the instance has none at all.
    pub(super) placeholders: Option<Arc<Bound>>,
}

impl InPlay {
    /// For handlers.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// What the record says of them.
    pub fn uses(&self) -> Vec<SecretUse> {
        let swapped = self.placeholders.iter().flat_map(|bound| bound.uses());
        let swapped = swapped.filter_map(|one| {
            Some(SecretUse {
                fingerprint: self.secrets.get(&one.secret)?.fingerprint(),
                style: Style::Placeholder.as_str(),
                place: one.to_string(),
                name: one.secret,
            })
        });
        self.used.iter().cloned().chain(swapped).collect()
    }

    /// Where alone the request may go, if it has no TLS.
    pub fn within(&self) -> Option<&Networks> {
        self.within.as_ref()
    }

    /// The request as the upstream gets it. Waits for a body that says that it is short.
    pub async fn complete(
        &self,
        request: Request<Body>,
        notes: &Arc<Notes>,
    ) -> Result<Request<Body>, UpstreamError> {
        let (mut head, mut body) = request.into_parts();
        if let Some(scrubber) = &self.scrubber {
            scrubber.request(&mut head.headers);
        }
        if let Some(placeholders) = &self.placeholders {
            placeholders.head(&mut head).map_err(|error| refused(error, "head", notes))?;
            body = placeholders.body(&mut head, body).await.map_err(|error| refused(error, "body", notes))?;
            body = watched(body, notes);
        }
        Ok(Request::from_parts(head, body))
    }

    /// The response as the workload gets it.
    pub fn scrubbed(&self, response: Response<Body>, notes: &Notes) -> Result<Response<Body>, UpstreamError> {
        let Some(scrubber) = &self.scrubber else { return Ok(response) };
        let response =
            scrubber.response(response).map_err(|error| UpstreamError::Unreadable(Arc::new(error)))?;
        if let Some(found) = response.extensions().get::<Found>() {
            notes.finds(found.clone());
        }
        Ok(response)
    }
}

/// Notes a placeholder that is found while the body is under way.
fn watched(body: Body, notes: &Arc<Notes>) -> Body {
    if http_body::Body::is_end_stream(&body) {
        return body;
    }
    let notes = Arc::clone(notes);
    let note = move |error: handlers::BodyError| {
        if let Some(SwapError::Stray(name)) = error.downcast_ref() {
            stray(name, "body", &notes);
        }
        error
    };
    body.map_err(note).boxed_unsync()
}

fn refused(error: SwapError, place: &str, notes: &Notes) -> UpstreamError {
    match error {
        SwapError::Stray(name) => {
            stray(&name, place, notes);
            UpstreamError::PlaceholderElsewhere
        }
        SwapError::TooMany => UpstreamError::TooManyPlaceholders,
        SwapError::Unfit(name) => {
            tracing::warn!(secret = &*name, "its value cannot stand where its placeholder does");
            UpstreamError::SecretUnfit
        }
        SwapError::Body(error) => match error.downcast::<UpstreamError>() {
            Ok(ours) => *ours,
            Err(_) => UpstreamError::RequestBroke,
        },
    }
}

fn stray(name: &Arc<str>, place: &str, notes: &Notes) {
    tracing::warn!(secret = &**name, place, "a placeholder stands where its secret must not go");
    notes.stray(Stray { name: Arc::clone(name), place: place.to_owned() });
}
