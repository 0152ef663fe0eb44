//! `egress:handler/blobstore` over the buckets that the policy granted.
//!
//! Receives a guest's questions about objects; hands them to the bucket on the proxy's own runtime. Bodies of objects
//! are held by the host like those of messages: passed on unread, none of their bytes enter the guest.

use std::{sync::Arc, time::SystemTime};

use wasmtime::component::Resource;

use super::{
    bindings::egress::handler::{
        blobstore::{self, Listing, Object, Span},
        types::Payload,
    },
    bodies::Held,
    message,
    state::State,
};
use crate::Blobs;

/// Bytes of one key.
const MAX_KEY: usize = 1024;

/// Keys of one deletion, and objects of one listing.
const MAX_OBJECTS: usize = 1000;

impl State {
    fn blobs(&mut self, name: &str) -> Result<Arc<dyn Blobs>, String> {
        if let Some(blobs) = self.settings.blobs.get(name) {
            return Ok(blobs.clone());
        }
        self.lacks("blobstore", name);
        Err(format!("no bucket `{name}` is granted"))
    }
}

fn checked(key: String) -> Result<String, String> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(format!("a key has 1 to {MAX_KEY} bytes"));
    }
    Ok(key)
}

fn shown(object: crate::Object) -> Object {
    let since = object.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Object {
        key: object.key,
        size: object.size,
        etag: object.etag,
        content_type: object.content_type,
        modified: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    }
}

impl blobstore::Host for State {
    async fn get(
        &mut self,
        bucket: String,
        key: String,
        span: Option<Span>,
    ) -> Result<Option<(Object, Resource<Held>)>, String> {
        let span = span.map(|span| crate::Span { offset: span.offset, length: span.length });
        let work = self.blobs(&bucket)?.get(checked(key)?, span);
        let Some((object, body)) = self.stored(work).await? else { return Ok(None) };
        let number = self.bodies.hold(body.into()).ok_or("too many bodies")?;
        Ok(Some((shown(object), Resource::new_own(number))))
    }

    async fn head(&mut self, bucket: String, key: String) -> Result<Option<Object>, String> {
        let work = self.blobs(&bucket)?.head(checked(key)?);
        Ok(self.stored(work).await?.map(shown))
    }

    async fn put(
        &mut self,
        bucket: String,
        key: String,
        value: Payload,
        content_type: Option<String>,
    ) -> Result<Object, String> {
        let blobs = self.blobs(&bucket)?;
        let taken = message::body(value, &mut self.bodies)?;
        let work = blobs.put(checked(key)?, taken.body, content_type);
        self.stored(work).await.map(shown)
    }

    async fn delete(&mut self, bucket: String, keys: Vec<String>) -> Result<(), String> {
        if keys.len() > MAX_OBJECTS {
            return Err(format!("more than {MAX_OBJECTS} keys at once"));
        }
        let keys: Result<_, _> = keys.into_iter().map(checked).collect();
        let work = self.blobs(&bucket)?.delete(keys?);
        self.stored(work).await
    }

    async fn list(
        &mut self,
        bucket: String,
        prefix: String,
        limit: u32,
        cursor: Option<String>,
    ) -> Result<Listing, String> {
        let limit = usize::try_from(limit).unwrap_or(MAX_OBJECTS).clamp(1, MAX_OBJECTS);
        let work = self.blobs(&bucket)?.list(prefix, limit, cursor);
        let page = self.stored(work).await?;
        Ok(Listing { objects: page.objects.into_iter().map(shown).collect(), cursor: page.cursor })
    }
}
