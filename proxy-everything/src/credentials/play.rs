//! The secrets of one exchange. Receives what it may use, hands it to the handlers, and takes the steps that neither they nor the workload
//! see: the last one before the upstream, and the first one of what comes back.

use std::{io, sync::Arc, time::SystemTime};

use handlers::{
    Body, BodyError, Secrets, Style, Upgrade,
    credentials::{Bound, Found, FrameError, Frames, Scrubber, SwapError, without_extensions},
    sign::SignError,
    signed,
};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::ext::ReasonPhrase;

use super::Networks;
use crate::{
    audit::{Notes, SecretUse, Stray},
    error::UpstreamError,
    upgrade,
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

    /// The request as the handlers get it: it asks for what can be read.
    pub fn narrow(&self, request: &mut Request<Body>) {
        if let Some(scrubber) = &self.scrubber {
            scrubber.request(request.headers_mut());
        }
        let protocol = request.extensions().get::<Upgrade>();
        let is_websocket = protocol.map(upgrade::is_websocket);
        match is_websocket {
            Some(true) if self.scrubber.is_some() || self.placeholders.is_some() => {
                without_extensions(request.headers_mut());
            }
            Some(false) if self.scrubber.is_some() => {
                request.extensions_mut().remove::<Upgrade>();
            }
            _ => {}
        }
    }

    /// What reads the two directions of a WebSocket.
    pub fn readers(&self, notes: &Notes) -> Readers {
        let scrub = |scrubber: &Arc<Scrubber>| {
            let (frames, found) = Frames::scrub(scrubber);
            notes.finds(found);
            frames
        };
        Readers {
            to_upstream: self.placeholders.clone().map(Frames::swap),
            to_workload: self.scrubber.as_ref().map(scrub),
        }
    }

    /// The request as the upstream gets it. Waits for a body that says that it is short, or that is to be signed.
    pub async fn complete(
        &self,
        request: Request<Body>,
        notes: &Arc<Notes>,
    ) -> Result<Request<Body>, UpstreamError> {
        let request = match &self.placeholders {
            None => request,
            Some(placeholders) => {
                let (mut head, body) = request.into_parts();
                placeholders.head(&mut head).map_err(|error| refused(error, "head", notes))?;
                let body = placeholders.body(&mut head, body).await;
                let body = body.map_err(|error| refused(error, "body", notes))?;
                Request::from_parts(head, watched(body, notes))
            }
        };
        let signed = signed(request, &self.secrets, SystemTime::now()).await;
        signed.map_err(|error| match error {
            SignError::Body(error) => broken(error),
            error => UpstreamError::Sign(Arc::new(error)),
        })
    }

    /// The response as the workload gets it.
    pub fn scrubbed(
        &self,
        mut response: Response<Body>,
        notes: &Notes,
    ) -> Result<Response<Body>, UpstreamError> {
        let Some(scrubber) = &self.scrubber else { return Ok(response) };
        // HTTP/1.1 has a place for text beside the status, which no client needs.
        response.extensions_mut().remove::<ReasonPhrase>();
        let response =
            scrubber.response(response).map_err(|error| UpstreamError::Unreadable(Arc::new(error)))?;
        if let Some(found) = response.extensions().get::<Found>() {
            notes.finds(found.clone());
        }
        Ok(response)
    }
}

/// What reads the two directions of a WebSocket; none where nothing is looked for.
#[derive(Default)]
pub struct Readers {
    /// Swaps placeholders.
    pub to_upstream: Option<Frames>,
    /// Takes values out.
    pub to_workload: Option<Frames>,
}

/// Why a WebSocket cannot go on, where that is not the network's fault.
pub struct Unread<'a>(&'a FrameError);

impl<'a> Unread<'a> {
    /// If this is such an error.
    pub fn of(error: &'a io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().map(Self)
    }

    /// The reason word; a stray is noted.
    pub fn kind(&self, notes: &Notes) -> &'static str {
        match self.0 {
            FrameError::Malformed(_) | FrameError::Extension => "websocket_unreadable",
            FrameError::Swap(SwapError::Stray(name)) => {
                stray(name, "websocket", notes);
                UpstreamError::PlaceholderElsewhere.kind()
            }
            FrameError::Swap(SwapError::TooMany) => UpstreamError::TooManyPlaceholders.kind(),
            FrameError::Swap(SwapError::Unfit(_) | SwapError::Body(_)) => UpstreamError::SecretUnfit.kind(),
        }
    }
}

/// Notes a placeholder that is found while the body is under way.
fn watched(body: Body, notes: &Arc<Notes>) -> Body {
    if http_body::Body::is_end_stream(&body) {
        return body;
    }
    let notes = Arc::clone(notes);
    let note = move |error: BodyError| {
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
        SwapError::Body(error) => broken(error),
    }
}

/// Why the workload's body did not come.
fn broken(error: BodyError) -> UpstreamError {
    match error.downcast::<UpstreamError>() {
        Ok(ours) => *ours,
        Err(error) if error.is::<SwapError>() => UpstreamError::PlaceholderElsewhere,
        Err(_) => UpstreamError::RequestBroke,
    }
}

fn stray(name: &Arc<str>, place: &str, notes: &Notes) {
    tracing::warn!(secret = &**name, place, "a placeholder stands where its secret must not go");
    notes.stray(Stray { name: Arc::clone(name), place: place.to_owned() });
}
