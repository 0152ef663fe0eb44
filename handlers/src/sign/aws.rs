//! Signing for AWS, and for what speaks as AWS does: Signature Version 4.
//!
//! Receives a request that the workload signed with false keys, presigned, or did not sign; hands on the same request, signed
//! with the secrets of its exchange. The host that is signed is the one that the request goes to, and every header is signed that
//! nothing may change on the way. What the payload is signed as is left as the workload has it: a hash that it made itself, none,
//! or signed chunks.

mod canonical;
mod chunks;
mod key;
mod place;
mod request;
mod resigned;
mod target;

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts, uri::Scheme};
use http_body_util::BodyExt;

use self::{
    canonical::hash,
    chunks::{Chunks, Trailers},
    key::{Place, Signer, Stamp},
    request::{Kind, Request},
    resigned::Resigned,
    target::Query,
};
use super::{SignError, body, host};
use crate::{Body, Secret, Secrets, full};

const PAYLOAD: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const CHUNKS_AND_TRAILERS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

/// The longest that a presigned URL may be good for, in seconds: a week.
const MAX_EXPIRES: u32 = 604_800;

/// Services that sign paths as they are, and not escaped once more.
const OBJECTS: [&str; 4] = ["s3", "s3-object-lambda", "s3-outposts", "s3express"];

/// Signs requests for AWS. Holds the names of secrets, and none of their values.
#[derive(Debug, Clone)]
pub struct Aws {
    /// The name of the secret that holds the access key's id.
    pub access_key_id: Arc<str>,
    /// The name of the secret that holds the access key itself.
    pub secret_access_key: Arc<str>,
    /// The name of the secret that holds the session's token, for keys that are good for a session only.
    pub session_token: Option<Arc<str>>,
    /// The region to sign for. Without it: the one of the workload's own signature, or of the host's name.
    pub region: Option<String>,
    /// The service to sign for. Without it: the one of the workload's own signature, or of the host's name.
    pub service: Option<String>,
}

/// The secrets' values.
struct Keys {
    id: Arc<Secret>,
    secret: Arc<Secret>,
    token: Option<(Arc<Secret>, HeaderValue)>,
}

/// How the body takes part in the signature.
enum Payload {
    /// As this text: a hash, or a word that stands for none.
    Text(String),
    Chunks(Trailers),
}

impl Payload {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Chunks(Trailers::None) => CHUNKS,
            Self::Chunks(Trailers::Signed) => CHUNKS_AND_TRAILERS,
        }
    }
}

impl Aws {
    /// Takes the workload's signature off and puts the one on that is made with the secrets; the body is the one to send. Waits
    /// for the body only if its hash has to be made: for services other than S3, and over plain HTTP.
    pub async fn apply(
        &self,
        head: &mut Parts,
        body: Body,
        secrets: &Secrets,
        now: SystemTime,
    ) -> Result<Body, SignError> {
        let keys = self.keys(secrets)?;
        let host = host(&head.uri)?;
        let query = Query::parse(head.uri.query().unwrap_or_default());
        if head.headers.contains_key("x-amz-s3session-token") || query.get("X-Amz-S3session-Token").is_some()
        {
            return Err(SignError::Unsupported("a session of S3 Express"));
        }
        // Beside a signature of ours it would be a second one, and the server refuses both with words that explain nothing.
        if query.get("AWSAccessKeyId").is_some() && query.get("Signature").is_some() {
            return Err(SignError::Unsupported("a URL that is presigned by Signature Version 2"));
        }
        let place = self.place(&head.headers, &query, &host)?;
        let signer = Signer::new(keys.secret.expose(), Stamp::at(now)?, &place);
        let expires = expires(&query, now)?;
        let kind = if OBJECTS.contains(&place.service.as_str()) { Kind::Objects } else { Kind::Calls };
        let (payload, body) = payload(head, &query, kind, expires.is_some(), body).await?;

        let mut request = Request::new(head, query, host, kind)?;
        let seed = match expires {
            Some(expires) => request.presign(&keys, &signer, payload.text(), expires),
            None => request.sign(&keys, &signer, payload.text())?,
        };
        request.finish()?;
        Ok(match payload {
            Payload::Text(_) => body,
            Payload::Chunks(trailers) => {
                Resigned::new(body, Chunks::new(signer, seed, trailers)).boxed_unsync()
            }
        })
    }

    fn keys(&self, secrets: &Secrets) -> Result<Keys, SignError> {
        let find =
            |name: &Arc<str>| secrets.get(name).cloned().ok_or_else(|| SignError::Missing(name.clone()));
        let id = find(&self.access_key_id)?;
        let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',' | b'=');
        if id.expose().is_empty() || !id.expose().bytes().all(fits) {
            return Err(SignError::Unfit(self.access_key_id.clone()));
        }
        let token = match &self.session_token {
            None => None,
            Some(name) => {
                let token = find(name)?;
                let mut value =
                    HeaderValue::from_str(token.expose()).map_err(|_| SignError::Unfit(name.clone()))?;
                value.set_sensitive(true);
                Some((token, value))
            }
        };
        Ok(Keys { id, secret: find(&self.secret_access_key)?, token })
    }

    fn place(&self, headers: &HeaderMap, query: &Query, host: &str) -> Result<Place, SignError> {
        let claimed = place::claimed(headers, query)?;
        let of_host = place::of_host(host.split(':').next().unwrap_or_default());
        let region = self.region.clone().or(claimed.region).or(of_host.region);
        let service = self.service.clone().or(claimed.service).or(of_host.service);
        Ok(Place {
            region: region.ok_or(SignError::Unknown("region"))?,
            service: service.ok_or(SignError::Unknown("service"))?,
        })
    }
}

/// For how many seconds the workload's presigned URL is good, if the request has one.
fn expires(query: &Query, now: SystemTime) -> Result<Option<u32>, SignError> {
    if query.get("X-Amz-Signature").is_none() {
        return Ok(None);
    }
    let seconds = query.get("X-Amz-Expires").and_then(|text| text.parse().ok());
    let seconds = seconds
        .filter(|seconds| (1..=MAX_EXPIRES).contains(seconds))
        .ok_or(SignError::Malformed("its presigned URL says in no valid way when it expires"))?;
    let began = query.get("X-Amz-Date").unwrap_or_default();
    if Stamp::is_past(&began, seconds, now)? { Err(SignError::Expired) } else { Ok(Some(seconds)) }
}

/// How the payload is signed, with the body to send.
async fn payload(
    head: &mut Parts,
    query: &Query,
    kind: Kind,
    presigned: bool,
    body: Body,
) -> Result<(Payload, Body), SignError> {
    let mut own = head.headers.get_all(&PAYLOAD).iter();
    let in_query = || if presigned { query.get(PAYLOAD.as_str()) } else { None };
    let said = match (own.next(), own.next()) {
        (None, _) => in_query(),
        (Some(value), None) => Some(String::from_utf8_lossy(value.as_bytes()).into_owned()),
        (Some(_), Some(_)) => return Err(SignError::Malformed("it has several hashes of its payload")),
    };
    if let Some(said) = said {
        let payload = said_payload(said)?;
        if presigned && matches!(payload, Payload::Chunks(_)) {
            return Err(SignError::Unsupported("a presigned URL for signed chunks"));
        }
        return Ok((payload, body));
    }
    if kind == Kind::Objects && (presigned || head.uri.scheme() != Some(&Scheme::HTTP)) {
        return Ok((Payload::Text(UNSIGNED_PAYLOAD.to_owned()), body));
    }
    let bytes: Bytes = body::held(body).await?;
    Ok((Payload::Text(hash(&bytes)), full(bytes)))
}

/// What the workload says of its payload.
fn said_payload(said: String) -> Result<Payload, SignError> {
    let digits = said.len() == 64 && said.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match said.as_str() {
        CHUNKS => Ok(Payload::Chunks(Trailers::None)),
        CHUNKS_AND_TRAILERS => Ok(Payload::Chunks(Trailers::Signed)),
        UNSIGNED_PAYLOAD | "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Payload::Text(said)),
        _ if digits => Ok(Payload::Text(said)),
        _ if said.starts_with("STREAMING-") => Err(SignError::Unsupported("this way of signing a stream")),
        _ => Err(SignError::Malformed("the hash of its payload is none")),
    }
}

#[cfg(test)]
mod tests;
