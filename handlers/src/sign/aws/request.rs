//! The head of a request, from which the workload's signature is taken and on which ours is put.
//!
//! Receives the head and the keys; hands on the signature, from which those of chunks follow. The target is rewritten to the
//! spelling that was signed.

use http::{HeaderName, HeaderValue, Uri, header::AUTHORIZATION, request::Parts, uri::PathAndQuery};

use super::{
    super::{SignError, remove},
    Keys, PAYLOAD, canonical,
    key::{ALGORITHM, Signer},
    target::{Query, escaped, normalised, strict},
};

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The parameters of a presigned URL.
const PRESIGNED: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// A request without a signature, until it is signed.
pub(super) struct Request<'a> {
    head: &'a mut Parts,
    query: Query,
    host: String,
    sent_path: String,
    signed_path: String,
    kind: Kind,
}

/// What kind of service it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// S3: the path is a key, and signed as it is.
    Objects,
    /// All others: paths are normalised, and escaped once more for the signature.
    Calls,
}

impl<'a> Request<'a> {
    /// Takes the workload's signature off.
    pub(super) fn new(
        head: &'a mut Parts,
        mut query: Query,
        host: String,
        kind: Kind,
    ) -> Result<Self, SignError> {
        let path = match head.uri.path() {
            "" => "/",
            path if path.starts_with('/') => path,
            _ => return Err(SignError::Malformed("its target is no path")),
        };
        let (sent_path, signed_path) = match kind {
            Kind::Objects => (strict(path), strict(path)),
            Kind::Calls => (normalised(path), escaped(&normalised(path))),
        };
        for name in [AUTHORIZATION, DATE, TOKEN] {
            remove(&mut head.headers, name.as_str());
        }
        for name in PRESIGNED {
            query.remove(name);
        }
        Ok(Self { head, query, host, sent_path, signed_path, kind })
    }

    /// Puts the signature into the headers.
    pub(super) fn sign(&mut self, keys: &Keys, signer: &Signer, payload: &str) -> Result<String, SignError> {
        let headers = &mut self.head.headers;
        headers.insert(DATE, text(signer.stamp())?);
        if let Some((_, token)) = &keys.token {
            headers.insert(TOKEN, token.clone());
        }
        if self.kind == Kind::Objects {
            headers.insert(PAYLOAD, text(payload)?);
        }
        let (names, signature) = self.signature(signer, payload);
        let mut value = text(format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={names}, Signature={signature}",
            keys.id.expose(),
            signer.scope(),
        ))?;
        value.set_sensitive(true);
        self.head.headers.insert(AUTHORIZATION, value);
        Ok(signature)
    }

    /// Puts the signature into the query, good for so many seconds from now.
    pub(super) fn presign(&mut self, keys: &Keys, signer: &Signer, payload: &str, seconds: u32) -> String {
        let names = canonical::names(&canonical::headers(&self.head.headers, &self.host));
        let query = &mut self.query;
        query.push("X-Amz-Algorithm", ALGORITHM);
        query.push("X-Amz-Credential", &format!("{}/{}", keys.id.expose(), signer.scope()));
        query.push("X-Amz-Date", &signer.stamp().to_string());
        query.push("X-Amz-Expires", &seconds.to_string());
        query.push("X-Amz-SignedHeaders", &names);
        if let Some((token, _)) = &keys.token {
            query.push("X-Amz-Security-Token", token.expose());
        }
        let (_, signature) = self.signature(signer, payload);
        self.query.push("X-Amz-Signature", &signature);
        signature
    }

    /// Rewrites the target to what was signed.
    pub(super) fn finish(self) -> Result<(), SignError> {
        let query = self.query.sent();
        let target = if query.is_empty() { self.sent_path } else { format!("{}?{query}", self.sent_path) };
        let long = |_| SignError::Malformed("its target is too long once it is signed");
        let mut parts = self.head.uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(long)?);
        self.head.uri = Uri::from_parts(parts).map_err(|_| SignError::Malformed("its target is no URL"))?;
        Ok(())
    }

    /// The names of the signed headers, and the signature.
    fn signature(&self, signer: &Signer, payload: &str) -> (String, String) {
        let headers = canonical::headers(&self.head.headers, &self.host);
        let (path, query) = (&self.signed_path, self.query.signed());
        let request = canonical::text(self.head.method.as_str(), path, &query, &headers, payload);
        (canonical::names(&headers), signer.sign(ALGORITHM, &[&canonical::hash(&request)]))
    }
}

/// A value that is made of plain characters.
fn text(value: impl ToString) -> Result<HeaderValue, SignError> {
    HeaderValue::try_from(value.to_string()).map_err(|_| SignError::Malformed("its signature is no header"))
}
