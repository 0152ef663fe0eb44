//! The built-in handler that signs requests.
//!
//! What is signed must not change any more, and after the handlers the proxy still puts values in the place of placeholders. So the
//! handler leaves a note with the request, and whoever sends the request signs it, as the very last step.

use std::{sync::Arc, time::SystemTime};

use http::{Request, header::AUTHORIZATION};

use crate::{
    Body, Secrets,
    sign::{Aws, Hmac, SignError},
    uses::{Place, Style, Use},
};

/// Signs requests. A clone is cheap.
#[derive(Clone, Debug)]
pub enum Sign {
    /// As Amazon's servers want it.
    Aws(Arc<Aws>),
    /// With a key that both ends know.
    Hmac(Arc<Hmac>),
}

impl Sign {
    /// The secrets that it signs with, and where the signature goes.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let (secrets, header) = match self {
            Self::Aws(aws) => {
                let keys =
                    [Some(&aws.access_key_id), Some(&aws.secret_access_key), aws.session_token.as_ref()];
                (keys, AUTHORIZATION)
            }
            Self::Hmac(hmac) => ([Some(&hmac.secret), None, None], hmac.header.clone()),
        };
        let of = |secret: &Arc<str>| Use::new(secret, Style::Sign, Place::Header(header.clone()));
        secrets.into_iter().flatten().map(of).collect()
    }

    /// Leaves the note.
    pub(crate) fn note(&self, request: &mut Request<Body>) {
        request.extensions_mut().insert(self.clone());
    }
}

/// Signs a request if a handler said so. May read its body.
pub async fn signed(
    request: Request<Body>,
    secrets: &Secrets,
    now: SystemTime,
) -> Result<Request<Body>, SignError> {
    let (mut head, body) = request.into_parts();
    let body = match head.extensions.remove::<Sign>() {
        None => body,
        Some(Sign::Aws(aws)) => aws.apply(&mut head, body, secrets, now).await?,
        Some(Sign::Hmac(hmac)) => hmac.apply(&mut head, body, secrets, now).await?,
    };
    Ok(Request::from_parts(head, body))
}
