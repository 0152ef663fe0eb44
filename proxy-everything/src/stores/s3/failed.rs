//! What an S3 server's errors mean. Their texts are not handed on, because servers repeat access keys and signatures in them; of
//! the server's answer only its code is.

use handlers::StoreError;
use object_store::{
    Error,
    client::{HttpError, HttpErrorKind},
};

use crate::stores::{refused, unavailable};

/// Longest code that is believed to be one.
const MAX_CODE_BYTES: usize = 64;
/// What servers say of credentials, whatever the status of the answer.
const REFUSALS: [&str; 3] = ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"];

/// What was found, if anything was.
pub(super) fn found<T>(result: Result<T, Error>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        // The bucket, and not the object.
        Err(error @ Error::NotFound { .. }) if error.to_string().contains("NoSuchBucket") => {
            Err(failed(error))
        }
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

pub(super) fn failed(error: Error) -> StoreError {
    let text = error.to_string();
    match (&error, code(&text)) {
        (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, code) => no_access(code),
        (_, Some(code)) if REFUSALS.contains(&code) => no_access(Some(code)),
        (Error::NotFound { .. }, code) => {
            unavailable(format!("the server does not know the bucket{}", said(code)))
        }
        (Error::InvalidPath { .. }, _) => refused("the key is none that a bucket can have"),
        (error, code) => match http(error) {
            Some(HttpErrorKind::Connect) => unavailable("no connection to the server"),
            Some(HttpErrorKind::Timeout) => unavailable("no answer from the server in time"),
            Some(_) => unavailable("the connection to the server broke"),
            None => unavailable(format!("the server's answer was an error{}", said(code))),
        },
    }
}

fn no_access(code: Option<&str>) -> StoreError {
    unavailable(format!("the server refused the credentials, or what they may do{}", said(code)))
}

fn said(code: Option<&str>) -> String {
    code.map(|code| format!(": {code}")).unwrap_or_default()
}

fn code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    (code.len() <= MAX_CODE_BYTES && code.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some(code)
}

fn http(error: &Error) -> Option<HttpErrorKind> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        next = error.source();
    }
    None
}
