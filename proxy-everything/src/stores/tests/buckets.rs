//! What is true of all buckets, and of folders.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::stream;
use handlers::{Blobs, Body, BodyError, Span, StoreError};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::{body, read, servers::S3Process};
use crate::stores::folder::Folder;

fn both(directory: &Path, server: &S3Process) -> [(&'static str, Arc<dyn Blobs>); 2] {
    [("folder", Arc::new(Folder::open(directory).unwrap())), ("s3", Arc::new(server.store()))]
}

async fn text(store: &dyn Blobs, key: &str, span: Option<Span>) -> Option<Bytes> {
    let found = store.get(key.into(), span).await.unwrap();
    match found {
        Some((_, body)) => Some(read(body).await),
        None => None,
    }
}

/// A body that breaks off.
fn broken(bytes: &'static [u8]) -> Body {
    let frames = [Ok(Frame::data(Bytes::from_static(bytes))), Err(BodyError::from("it broke"))];
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

#[tokio::test]
async fn objects_are_kept_replaced_and_deleted() {
    let (directory, server) = (tempfile::tempdir().unwrap(), S3Process::start());
    for (name, store) in both(directory.path(), &server) {
        for key in ["a", "b c/ä%2f+/d?e#f", "b c/ä%2f+/g", "...", "~"] {
            assert_eq!(store.head(key.into()).await.unwrap(), None, "{name} {key}");
            assert!(store.get(key.into(), None).await.unwrap().is_none(), "{name} {key}");
            let span = Some(Span { offset: 1, length: None });
            assert!(store.get(key.into(), span).await.unwrap().is_none(), "{name} {key}");
            let put = store.put(key.into(), body("first"), Some("text/plain".into())).await.unwrap();
            assert_eq!((put.key.as_str(), put.size), (key, 5), "{name}");
            let head = store.head(key.into()).await.unwrap().unwrap();
            assert_eq!(head, put, "{name} {key}");
            assert_eq!(head.content_type.as_deref(), Some("text/plain"), "{name}");
            let age = SystemTime::now().duration_since(head.modified).unwrap_or_default();
            assert!(age < Duration::from_secs(120), "{name}");
            let again = store.put(key.into(), body("second one"), None).await.unwrap();
            assert!(again.etag.is_some() && again.etag != put.etag, "{name}");
            assert_eq!(text(&*store, key, None).await.unwrap(), "second one", "{name} {key}");
            store.delete(vec![key.into(), "none".into()]).await.unwrap();
            store.delete(vec![key.into()]).await.unwrap();
            assert_eq!(text(&*store, key, None).await, None, "{name} {key}");
        }
        store.put("empty".into(), body(""), None).await.unwrap();
        assert_eq!(text(&*store, "empty", None).await.unwrap(), "", "{name}");
    }
}

#[tokio::test]
async fn spans() {
    let (directory, server) = (tempfile::tempdir().unwrap(), S3Process::start());
    for (name, store) in both(directory.path(), &server) {
        store.put("a".into(), body("0123456789"), None).await.unwrap();
        for (offset, length, expected) in [
            (0, None, "0123456789"),
            (3, None, "3456789"),
            (3, Some(4), "3456"),
            (3, Some(0), ""),
            (8, Some(100), "89"),
            (10, None, ""),
        ] {
            let span = Some(Span { offset, length });
            assert_eq!(text(&*store, "a", span).await.unwrap(), expected, "{name} {span:?}");
            let (object, _) = store.get("a".into(), span).await.unwrap().unwrap();
            assert_eq!(object.size, 10, "{name}: the whole object's size");
        }
        let behind = store.get("a".into(), Some(Span { offset: 11, length: None })).await;
        assert!(matches!(behind, Err(StoreError::Refused(_))), "{name}");
    }
}

#[tokio::test]
async fn pages_come_in_the_order_of_the_keys() {
    let (directory, server) = (tempfile::tempdir().unwrap(), S3Process::start());
    let mut keys =
        ["a/b", "a/b-c", "a/b/c", "a-b", "a.b", "ab/c", "ab/cd", "b", "ä", "z/z/z/z"].map(str::to_owned);
    keys.sort_unstable();
    let keys: Vec<_> = keys.into_iter().filter(|key| key != "a/b").collect();
    for (name, store) in both(directory.path(), &server) {
        for key in &keys {
            store.put(key.clone(), body(key.clone()), None).await.unwrap();
        }
        for prefix in ["", "a", "a/", "a/b", "a/b/", "ab/c", "z/z", "none", "a/b/c/"] {
            for limit in [1, 2, 1000] {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let page = store.list(prefix.into(), limit, after).await.unwrap();
                    assert!(page.objects.len() <= limit, "{name}");
                    found.extend(page.objects.into_iter().map(|object| (object.key, object.size)));
                    after = page.cursor;
                    if after.is_none() {
                        break;
                    }
                }
                let expected = keys.iter().filter(|key| key.starts_with(prefix));
                let expected: Vec<_> = expected.map(|key| (key.clone(), key.len() as u64)).collect();
                assert_eq!(found, expected, "{name} {prefix} {limit}");
            }
        }
        store.delete(keys.clone()).await.unwrap();
        assert!(store.list(String::new(), 10, None).await.unwrap().objects.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_stored() {
    let (directory, server) = (tempfile::tempdir().unwrap(), S3Process::start());
    for (name, store) in both(directory.path(), &server) {
        store.put("a".into(), body("old"), None).await.unwrap();
        let error = store.put("a".into(), broken(b"new"), None).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{name}: {error}");
        assert_eq!(text(&*store, "a", None).await.unwrap(), "old", "{name}");
        for (key, content_type) in [("../a", None), ("/a", None), ("a", Some("a\r\nb: c".to_owned()))] {
            let refused = store.put(key.into(), body("x"), content_type).await;
            assert!(matches!(refused, Err(StoreError::Refused(_))), "{name} {key}");
        }
    }
    assert_eq!(fs::read_dir(directory.path().join(".uploads")).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn no_key_leads_out_of_a_folder() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "canary").unwrap();
    let directory = tempfile::tempdir().unwrap();
    symlink(outside.path(), directory.path().join("link")).unwrap();
    symlink(outside.path().join("secret"), directory.path().join("file")).unwrap();
    let store = Folder::open(directory.path()).unwrap();
    for key in ["link/secret", "file"] {
        assert!(!matches!(store.get(key.into(), None).await, Ok(Some(_))), "{key}");
        assert!(!matches!(store.head(key.into()).await, Ok(Some(_))), "{key}");
    }
    assert!(store.put("link/new".into(), body("x"), None).await.is_err());
    let _ = store.delete(vec!["link/secret".into()]).await;
    assert!(store.list(String::new(), 10, None).await.unwrap().objects.is_empty());
    // A link is replaced, and not what it leads to.
    store.put("file".into(), body("new"), None).await.unwrap();
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "canary");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    for key in [".uploads", ".uploads/a"] {
        assert!(matches!(store.get(key.into(), None).await, Err(StoreError::Refused(_))), "{key}");
    }
}

#[tokio::test]
async fn a_key_is_an_object_or_a_folder() {
    let directory = tempfile::tempdir().unwrap();
    let store = Folder::open(directory.path()).unwrap();
    store.put("a/b/c".into(), body("x"), None).await.unwrap();
    for key in ["a", "a/b", "a/b/c/d"] {
        let refused = store.put(key.into(), body("y"), None).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{key}: {refused:?}");
        assert_eq!(store.head(key.into()).await, Ok(None), "{key}");
        store.delete(vec![key.into()]).await.unwrap();
    }
    let long = "n".repeat(256);
    assert!(matches!(store.put(long, body("y"), None).await, Err(StoreError::Refused(_))));
    store.delete(vec!["a/b/c".into()]).await.unwrap();
    store.put("a".into(), body("the folders are gone"), None).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let uploads = directory.path().join(".uploads");
    fs::create_dir(&uploads).unwrap();
    for (name, age) in [("old", 25), ("new", 1)] {
        let file = fs::File::create(uploads.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age * 3600)).unwrap();
    }
    Folder::open(directory.path()).unwrap();
    let left: Vec<_> = fs::read_dir(uploads).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["new"]);
    assert!(Folder::open(&directory.path().join("missing")).is_err());
}

#[tokio::test]
async fn a_large_object_passes_through_a_folder() {
    let directory = tempfile::tempdir().unwrap();
    let store = Folder::open(directory.path()).unwrap();
    super::s3::both_ways(&store).await;
}
