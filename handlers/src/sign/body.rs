//! Bodies that have to be known before the head can be signed.
//!
//! Receives a streamed body and hands on its bytes, or an error beyond [`LIMIT`].

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;

use super::SignError;
use crate::Body;

/// The most that is held of one body, in bytes: 10 MiB.
pub(super) const LIMIT: usize = 10 * 1024 * 1024;

/// All of a body. Its trailers are left out: no signature covers them.
pub(super) async fn held(mut body: Body) -> Result<Bytes, SignError> {
    let limit = u64::try_from(LIMIT).unwrap_or(u64::MAX);
    if body.size_hint().lower() > limit {
        return Err(SignError::TooLarge(LIMIT));
    }
    let mut all = BytesMut::new();
    // Not by `Limited`, whose future the compiler takes for none that other threads could go on with.
    while let Some(frame) = body.frame().await.transpose().map_err(SignError::Body)? {
        all.extend_from_slice(&frame.into_data().unwrap_or_default());
        if all.len() > LIMIT {
            return Err(SignError::TooLarge(LIMIT));
        }
    }
    Ok(all.freeze())
}
