//! What handlers fetch from other hosts than their exchange's. Receives the request of a handler; the grants of that handler decide, the
//! upstream answers, and it leaves a record of its own. No handler sees it again, so that none can call itself.

use std::sync::Arc;

use handlers::{Body, BodyError, Fetching};
use http::{Request, Response};
use policy::{Authority, Decision, RequestFacts, Scheme};

use crate::{
    audit::{ExchangeTrail, Record, Sent},
    body,
    config::{Elsewhere, Generation},
    error::ExchangeError,
    http::{clean_request, clean_response},
    instance::Instance,
    upstream::Prior,
};

/// Sends the `request` of `handler`, in the exchange that `parent` is the record of.
pub fn elsewhere(
    instance: &Arc<Instance>,
    generation: &Arc<Generation>,
    parent: &Record,
    handler: &str,
    request: Request<Body>,
) -> Fetching {
    let trail = ExchangeTrail::fetch(Arc::clone(instance), parent, &handler.into());
    let (generation, handler) = (Arc::clone(generation), handler.to_owned());
    Box::pin(async move { fetched(&generation, &handler, request, trail).await.map_err(BodyError::from) })
}

async fn fetched(
    generation: &Generation,
    handler: &str,
    request: Request<Body>,
    mut trail: ExchangeTrail,
) -> Result<Response<Body>, String> {
    let way = generation.elsewhere(handler);
    // Where programs put secrets, they put them into paths, too.
    let shows_path = way.is_some_and(|way| !way.holds_secrets);
    trail.asked(request.method(), shows_path.then(|| request.uri().path()));
    match send(way, request, &mut trail).await {
        Ok(response) => {
            trail.answered(response.status());
            let idle = generation.limits().body_idle();
            Ok(response.map(|body| body::response(body, trail, idle, None, None)))
        }
        Err(error) => {
            trail.failed(&error);
            trail.answered(error.status());
            Err(error.to_string())
        }
    }
}

async fn send(
    way: Option<&Elsewhere>,
    request: Request<Body>,
    trail: &mut ExchangeTrail,
) -> Result<Response<Body>, ExchangeError> {
    let (mut head, body) = request.into_parts();
    let scheme = if head.uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
    let authority = head.uri.authority().map_or("", http::uri::Authority::as_str);
    let authority = Authority::parse(authority, scheme)?;
    trail.target(scheme, &authority);
    let facts = RequestFacts {
        scheme,
        host: &authority.host,
        port: authority.port,
        method: head.method.as_str(),
        path: head.uri.path(),
    };
    let way = way.ok_or(ExchangeError::NotGranted)?;
    match way.policy.decide(&facts) {
        Decision::Deny(denial) => return Err(ExchangeError::Denied(denial)),
        // Secrets of this handler may be anywhere in its request.
        Decision::Forward { rule, .. } if scheme == Scheme::Http && way.holds_secrets => {
            return Err(ExchangeError::SecretOnPlaintext { rule: rule.to_string() });
        }
        Decision::Forward { rule, .. } => trail.allowed(&rule, trail.record().handlers.clone()),
    }
    clean_request(&mut head, scheme, &authority)?;
    let notes = Arc::clone(trail.notes());
    // What a handler sends counts as sent at once: the time for the response runs from here.
    let _ = notes.sent.set(Sent::Over);
    let (mut head, body) =
        way.upstream.send(Request::from_parts(head, body), &notes, None, Prior::Nothing).await?.into_parts();
    clean_response(&mut head);
    Ok(Response::from_parts(head, body))
}
