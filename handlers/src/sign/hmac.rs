//! Signing with a shared key, as webhooks do.
//!
//! Receives a request; hands on the same request with a header that holds a keyed hash of the parts that the operator lists. The
//! workload's own headers of those names are taken off first.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderName, HeaderValue, request::Parts};

use super::{SignError, body, remove};
use crate::{Body, Secrets, full};

/// The hash under the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1: only for servers that know no other.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How the signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal digits.
    Hex,
    /// Base64, with padding.
    Base64,
}

/// A part of the request that is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The time, in whole seconds since 1970, as it is in the timestamp's header.
    Timestamp,
    /// The method, in the letters in which it is sent.
    Method,
    /// The path without the query, as it is sent.
    Path,
    /// The query without its `?`, as it is sent; nothing if there is none.
    Query,
    /// The host that the request goes to, with the port if that is not the scheme's own.
    Host,
    /// The body, byte for byte.
    Body,
}

/// Signs requests with a shared key. Holds the name of the secret, and not its value.
#[derive(Debug, Clone)]
pub struct Hmac {
    /// The name of the secret that holds the key.
    pub secret: Arc<str>,
    /// The header that takes the signature.
    pub header: HeaderName,
    /// The hash.
    pub algorithm: Digest,
    /// How the signature is written.
    pub encoding: Encoding,
    /// What stands before the signature in its header, `sha256=` for example.
    pub prefix: String,
    /// The header that takes the time, if any.
    pub timestamp_header: Option<HeaderName>,
    /// What is signed, in this order.
    pub over: Vec<Part>,
    /// What stands between the parts; a newline is usual.
    pub separator: String,
}

impl Hmac {
    /// Puts the signature, and the time if it has a header, on the request; the body is the one to send. Waits for the body if it
    /// is among what is signed.
    pub async fn apply(
        &self,
        head: &mut Parts,
        body: Body,
        secrets: &Secrets,
        now: SystemTime,
    ) -> Result<Body, SignError> {
        let key = secrets.get(&self.secret).ok_or_else(|| SignError::Missing(self.secret.clone()))?;
        let key = hmac::Key::new(self.algorithm.of_library(), key.expose().as_bytes());
        let timestamp = now.duration_since(UNIX_EPOCH).map_err(|_| SignError::Clock)?.as_secs().to_string();
        let (held, body) = if self.over.contains(&Part::Body) {
            let bytes = body::held(body).await?;
            (bytes.clone(), full(bytes))
        } else {
            (Bytes::new(), body)
        };
        let mut signing = hmac::Context::with_key(&key);
        for (place, part) in self.over.iter().enumerate() {
            if place > 0 {
                signing.update(self.separator.as_bytes());
            }
            match part {
                Part::Timestamp => signing.update(timestamp.as_bytes()),
                Part::Method => signing.update(head.method.as_str().as_bytes()),
                Part::Path => signing.update(head.uri.path().as_bytes()),
                Part::Query => signing.update(head.uri.query().unwrap_or_default().as_bytes()),
                Part::Host => signing.update(super::host(&head.uri)?.as_bytes()),
                Part::Body => signing.update(&held),
            }
        }
        let signature = self.encoding.write(signing.sign().as_ref());
        let value = format!("{}{}", self.prefix, signature);
        let mut value = HeaderValue::try_from(value).map_err(|_| SignError::Unfit(self.secret.clone()))?;
        value.set_sensitive(true);
        remove(&mut head.headers, self.header.as_str());
        head.headers.insert(self.header.clone(), value);
        if let Some(name) = &self.timestamp_header {
            remove(&mut head.headers, name.as_str());
            let value = HeaderValue::try_from(timestamp).map_err(|_| SignError::Clock)?;
            head.headers.insert(name.clone(), value);
        }
        Ok(body)
    }
}

impl Digest {
    fn of_library(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

impl Encoding {
    fn write(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => HEXLOWER.encode(bytes),
            Self::Base64 => BASE64.encode(bytes),
        }
    }
}
