//! A bucket in a folder: each object is a file, and its key is the way to it.
//!
//! Nothing outside the folder can be reached, whatever the keys and whatever links are in it: the kernel resolves every path
//! beneath the folder and follows no link. Objects are written beside the others and then moved to their place, so that none
//! is ever seen in part.

mod beneath;
mod list;
mod upload;

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use handlers::{Blobs, Body, Object, ObjectPage, Span, StoreError, Storing};
use rustix::{fs::fgetxattr, io::Errno};

use self::{beneath::Beneath, upload::Upload};
use super::{
    blocking,
    objects::{self, Incoming, outgoing},
    refused, unavailable,
};

/// Where objects are while they are written; no key begins with it.
const UPLOADS: &str = ".uploads";
/// The attribute that file managers look at, too.
const TYPE_ATTRIBUTE: &str = "user.mime_type";
/// How much is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The bucket.
#[derive(Clone)]
pub struct Folder(Arc<Beneath>);

impl Folder {
    /// Opens the folder, which must be there. Waits for the disk.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let opened = Beneath::open(path).and_then(|root| upload::clean(&root).map(|()| root));
        let root = opened.map_err(|error| unavailable(format!("{}: {error}", path.display())))?;
        Ok(Self(Arc::new(root)))
    }

    /// Runs `work` where it may wait for the disk.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Beneath) -> Result<T, StoreError> + Send + 'static,
    ) -> Storing<T> {
        let root = Arc::clone(&self.0);
        Box::pin(blocking(move || work(&root)))
    }
}

impl Blobs for Folder {
    fn get(&self, key: String, span: Option<Span>) -> Storing<Option<(Object, Body)>> {
        self.run(move |root| {
            check_key(&key)?;
            let Some(mut file) = root.file(&key).map_err(failed)? else { return Ok(None) };
            let object = described(key, &file)?;
            let range = objects::range(span, object.size)?;
            file.seek(SeekFrom::Start(range.start)).map_err(unavailable)?;
            let length = range.end - range.start;
            let body = outgoing(Box::pin(pieces(file, length)), length);
            Ok(Some((object, body)))
        })
    }

    fn head(&self, key: String) -> Storing<Option<Object>> {
        self.run(move |root| {
            check_key(&key)?;
            root.file(&key).map_err(failed)?.map(|file| described(key, &file)).transpose()
        })
    }

    fn put(&self, key: String, value: Body, content_type: Option<String>) -> Storing<Object> {
        let root = Arc::clone(&self.0);
        Box::pin(async move {
            check_key(&key)?;
            objects::check_type(content_type.as_deref())?;
            let mut upload = blocking(move || Upload::new(root)).await?;
            let mut incoming = Incoming::new(value);
            while let Some(data) = incoming.next().await? {
                upload = upload.write(data).await?;
            }
            blocking(move || {
                let file = upload.finish(&key, content_type.as_deref())?;
                described(key, &file)
            })
            .await
        })
    }

    fn delete(&self, keys: Vec<String>) -> Storing<()> {
        self.run(move |root| {
            objects::check_keys(&keys)?;
            keys.iter().try_for_each(|key| {
                check_key(key)?;
                root.remove(key).map_err(failed)?;
                root.prune(key);
                Ok(())
            })
        })
    }

    fn list(&self, prefix: String, limit: usize, after: Option<String>) -> Storing<ObjectPage> {
        self.run(move |root| {
            objects::check_prefix(&prefix)?;
            let mut walk = list::Walk::new(&prefix, after.as_deref(), limit.min(objects::MAX_PAGE));
            walk.enter(root, "").map_err(failed)?;
            walk.page(|key| {
                root.file(key).map_err(failed)?.map(|file| described(key.to_owned(), &file)).transpose()
            })
        })
    }
}

fn check_key(key: &str) -> Result<(), StoreError> {
    objects::check_key(key)?;
    if key.split('/').next() == Some(UPLOADS) {
        return Err(refused(format!("keys must not begin with {UPLOADS}")));
    }
    Ok(())
}

fn described(key: String, file: &File) -> Result<Object, StoreError> {
    let metadata = file.metadata().map_err(unavailable)?;
    // Every object is a new file.
    let (inode, size) = (metadata.ino(), metadata.size());
    let etag = format!("\"{inode:x}-{:x}-{:x}-{size:x}\"", metadata.mtime(), metadata.mtime_nsec());
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(Object { key, size, etag: Some(etag), content_type: content_type(file), modified })
}

/// None where the file system has no attributes.
fn content_type(file: &File) -> Option<String> {
    let mut bytes = Vec::with_capacity(256);
    fgetxattr(file, TYPE_ATTRIBUTE, rustix::buffer::spare_capacity(&mut bytes)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    objects::check_type(Some(&text)).is_ok().then_some(text)
}

fn pieces(file: File, length: u64) -> impl Stream<Item = Result<Bytes, StoreError>> + Send {
    stream::try_unfold(file.take(length), |mut file| async {
        blocking(move || {
            let mut piece = BytesMut::zeroed(PIECE_BYTES);
            let read = file.read(&mut piece).map_err(unavailable)?;
            piece.truncate(read);
            Ok((read > 0).then(|| (piece.freeze(), file)))
        })
        .await
    })
}

/// What of the errors of the file system lies in the keys.
fn failed(error: Errno) -> StoreError {
    match error {
        Errno::NAMETOOLONG => refused("a part of the key is too long for a file's name"),
        Errno::ISDIR | Errno::NOTDIR | Errno::EXIST | Errno::NOTEMPTY => {
            refused("a key cannot be both an object and the beginning of others")
        }
        Errno::LOOP | Errno::XDEV => refused("the way to the key leads over a link"),
        error => unavailable(error),
    }
}
