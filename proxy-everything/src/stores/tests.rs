//! Stores, against models of them and real servers.

mod buckets;
mod file;
mod key_value;
mod redis;
mod s3;
pub(crate) mod servers;

use handlers::{Body, BodyError};
use http_body_util::{BodyExt, Full};

fn body(bytes: impl Into<bytes::Bytes>) -> Body {
    Full::new(bytes.into()).map_err(BodyError::from).boxed_unsync()
}

async fn read(body: Body) -> bytes::Bytes {
    body.collect().await.unwrap().to_bytes()
}
