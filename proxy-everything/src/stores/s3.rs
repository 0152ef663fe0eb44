//! A bucket of an S3 server.
//!
//! Nothing but what the policy says is used: no environment, no files, no metadata service of a cloud. Objects stream; a large one
//! is stored in parts, and holds one part in memory.

mod client;
mod failed;

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use handlers::{Blobs, Body, Object, ObjectPage, Secret, Span, StoreError, Storing};
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload,
    aws::{AmazonS3, AmazonS3Builder},
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
};
use rustls::RootCertStore;

use self::{
    client::Connector,
    failed::{failed, found},
};
use super::{
    objects::{self, Incoming, outgoing},
    refused,
};

/// The size of a part; servers take no smaller ones than 5 MiB, and at most 10,000 of them.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// Where the bucket is, and how it is spoken to.
#[derive(Debug)]
pub struct S3Bucket {
    /// Its name.
    pub bucket: String,
    /// The server's URL, `https://` or `http://`; the bucket is the first part of paths there. None is Amazon's.
    pub endpoint: Option<String>,
    /// The region to sign for.
    pub region: String,
    /// Half of the credentials; by itself no secret, but treated as one.
    pub access_key_id: Arc<Secret>,
    /// The other half.
    pub secret_access_key: Arc<Secret>,
    /// What all keys begin with there. Handlers do not see it.
    pub prefix: String,
    /// Who may vouch for the server.
    pub roots: Arc<RootCertStore>,
}

/// The bucket.
#[derive(Clone)]
pub struct S3(Arc<Inner>);

struct Inner {
    server: AmazonS3,
    prefix: String,
}

impl S3 {
    /// Looks at the settings, and connects to nothing yet.
    pub fn new(bucket: S3Bucket) -> Result<Self, StoreError> {
        let name = &bucket.bucket;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        {
            return Err(refused("the bucket's name has characters that no bucket has"));
        }
        objects::check_key(&format!("{}a", bucket.prefix))?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_region(bucket.region)
            .with_access_key_id(bucket.access_key_id.expose())
            .with_secret_access_key(bucket.secret_access_key.expose())
            .with_allow_http(true)
            .with_retry(client::retries())
            .with_http_connector(Connector::new(bucket.roots));
        if let Some(endpoint) = bucket.endpoint {
            client::check_endpoint(&endpoint)?;
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        let server =
            builder.build().map_err(|_| refused("the settings of the bucket cannot be understood"))?;
        Ok(Self(Arc::new(Inner { server, prefix: bucket.prefix })))
    }
}

impl Blobs for S3 {
    fn get(&self, key: String, span: Option<Span>) -> Storing<Option<(Object, Body)>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            // What a span means depends on the size.
            let range = match span {
                None => None,
                Some(_) => {
                    let Some(object) = inner.head(&key).await? else { return Ok(None) };
                    let range = objects::range(span, object.size)?;
                    if range.is_empty() {
                        return Ok(Some((object, outgoing(stream::empty(), 0))));
                    }
                    Some(GetRange::Bounded(range))
                }
            };
            let options = GetOptions { range, ..GetOptions::default() };
            let Some(result) = found(inner.server.get_opts(&inner.path(&key)?, options).await)? else {
                return Ok(None);
            };
            let object = object(key, &result.meta, &result.attributes);
            let length = result.range.end - result.range.start;
            Ok(Some((object, outgoing(result.into_stream().map_err(failed), length))))
        })
    }

    fn head(&self, key: String) -> Storing<Option<Object>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.head(&key).await })
    }

    fn put(&self, key: String, value: Body, content_type: Option<String>) -> Storing<Object> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            objects::check_type(content_type.as_deref())?;
            let path = inner.path(&key)?;
            let attributes: Attributes =
                content_type.iter().map(|text| (Attribute::ContentType, text.clone())).collect();
            let mut incoming = Incoming::new(value);
            let first = part(&mut incoming).await?;
            if first.content_length() < PART_BYTES {
                let options = PutOptions { attributes, ..PutOptions::default() };
                inner.server.put_opts(&path, first, options).await.map_err(failed)?;
            } else {
                let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
                let upload = inner.server.put_multipart_opts(&path, options).await.map_err(failed)?;
                Upload(Some(upload)).all(first, &mut incoming).await?;
            }
            // The server's own words about it: its tag and its time.
            let stored = inner.head(&key).await?;
            stored.ok_or_else(|| refused("the object was deleted at once"))
        })
    }

    fn delete(&self, keys: Vec<String>) -> Storing<()> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            objects::check_keys(&keys)?;
            let paths: Vec<_> = keys.iter().map(|key| inner.path(key).map(Ok)).collect::<Result<_, _>>()?;
            let mut deleted = inner.server.delete_stream(stream::iter(paths).boxed());
            while let Some(one) = deleted.next().await {
                found(one)?;
            }
            Ok(())
        })
    }

    fn list(&self, prefix: String, limit: usize, after: Option<String>) -> Storing<ObjectPage> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            objects::check_prefix(&prefix)?;
            let limit = limit.min(objects::MAX_PAGE);
            if limit == 0 {
                return Ok(ObjectPage::default());
            }
            let options = PaginatedListOptions {
                offset: after.map(|after| format!("{}{after}", inner.prefix)),
                max_keys: Some(limit),
                ..PaginatedListOptions::default()
            };
            let prefix = format!("{}{prefix}", inner.prefix);
            let page = inner.server.list_paginated(Some(&prefix), options).await.map_err(failed)?;
            let objects: Vec<Object> = page
                .result
                .objects
                .iter()
                .filter_map(|meta| {
                    let key = meta.location.as_ref().strip_prefix(&inner.prefix)?;
                    Some(object(key.to_owned(), meta, &Attributes::new()))
                })
                .collect();
            let more = page.page_token.and_then(|_| objects.last());
            Ok(ObjectPage { cursor: more.map(|last| last.key.clone()), objects })
        })
    }
}

impl Inner {
    fn path(&self, key: &str) -> Result<Path, StoreError> {
        objects::check_key(key)?;
        Path::parse(format!("{}{key}", self.prefix))
            .map_err(|_| refused("the key is none that a bucket can have"))
    }

    async fn head(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let result = found(self.server.get_opts(&self.path(key)?, options).await)?;
        Ok(result.map(|result| object(key.to_owned(), &result.meta, &result.attributes)))
    }
}

fn object(key: String, meta: &ObjectMeta, attributes: &Attributes) -> Object {
    let content_type = attributes.get(&Attribute::ContentType).map(|text| text.as_ref().to_owned());
    Object {
        key,
        size: meta.size,
        etag: meta.e_tag.clone(),
        content_type,
        modified: meta.last_modified.into(),
    }
}

/// The next part of a body; a short one is the last.
async fn part(incoming: &mut Incoming) -> Result<PutPayload, StoreError> {
    let mut pieces = Vec::new();
    let mut bytes = 0;
    while bytes < PART_BYTES {
        let Some(piece) = incoming.next().await? else { break };
        bytes += piece.len();
        pieces.push(piece);
    }
    Ok(pieces.into_iter().collect())
}

/// An upload in parts, which is given up with this value unless it was completed.
struct Upload(Option<Box<dyn MultipartUpload>>);

impl Upload {
    async fn all(mut self, first: PutPayload, incoming: &mut Incoming) -> Result<(), StoreError> {
        let Some(upload) = &mut self.0 else { return Ok(()) };
        let mut next = first;
        loop {
            let last = next.content_length() < PART_BYTES;
            if next.content_length() > 0 {
                upload.put_part(next).await.map_err(failed)?;
            }
            if last {
                break;
            }
            next = part(incoming).await?;
        }
        upload.complete().await.map_err(failed)?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { upload.abort().await });
        }
    }
}
