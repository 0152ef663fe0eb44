//! What is true of S3 servers: large objects stream, and credentials stay inside.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use handlers::{Blobs, Secret, StoreError};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::{body, servers::S3Process};
use crate::stores::s3::S3;

const PIECE_BYTES: usize = 64 * 1024;
const PIECES: usize = 1600;
/// Two parts of a large object, with what is on its way beside them.
const MAX_HELD: usize = 20 * 1024 * 1024;

/// Bytes that are counted for as long as they are in memory.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0.len(), SeqCst);
    }
}

fn piece(number: usize) -> Vec<u8> {
    let seed = (number as u32).to_be_bytes();
    seed.iter().copied().cycle().take(PIECE_BYTES).collect()
}

/// Stores 100 MB and reads them again, piece by piece.
pub(super) async fn both_ways(store: &dyn Blobs) {
    let (held, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, max) = (Arc::clone(&held), Arc::clone(&most));
    let frames = stream::iter(0..PIECES).map(move |number| {
        max.fetch_max(now.fetch_add(PIECE_BYTES, SeqCst) + PIECE_BYTES, SeqCst);
        let data = Bytes::from_owner(Counted(piece(number), Arc::clone(&now)));
        Ok::<_, handlers::BodyError>(Frame::data(data))
    });
    let put =
        store.put("large".into(), StreamBody::new(frames).boxed_unsync(), Some("a/b".into())).await.unwrap();
    assert_eq!(put.size, (PIECES * PIECE_BYTES) as u64);
    assert_eq!(put.content_type.as_deref(), Some("a/b"));
    assert_eq!(held.load(SeqCst), 0);
    assert!(most.load(SeqCst) <= MAX_HELD, "{} bytes were in memory", most.load(SeqCst));
    let (_, mut body) = store.get("large".into(), None).await.unwrap().unwrap();
    let (mut number, mut left) = (0, Vec::new());
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.len() <= MAX_HELD, "a frame of {} bytes", data.len());
        left.extend_from_slice(&data);
        while left.len() >= PIECE_BYTES {
            let rest = left.split_off(PIECE_BYTES);
            assert!(left == piece(number), "piece {number}");
            (left, number) = (rest, number + 1);
        }
    }
    assert_eq!((number, left.len()), (PIECES, 0));
}

#[tokio::test]
async fn large_objects_stream() {
    let server = S3Process::start();
    let store = server.store();
    both_ways(&store).await;
    let frames = stream::iter(0..PIECES).map(|number| match number {
        1000 => Err(handlers::BodyError::from("it broke")),
        number => Ok(Frame::data(Bytes::from(piece(number)))),
    });
    let broken = StreamBody::new(frames).boxed_unsync();
    assert!(matches!(store.put("broken".into(), broken, None).await, Err(StoreError::Refused(_))));
    assert_eq!(store.head("broken".into()).await, Ok(None));
}

#[tokio::test]
async fn wrong_credentials_are_not_shown() {
    let server = S3Process::start();
    let canary = || Arc::new(Secret::new("AKIACANARY0000000000".to_owned()));
    let mut buckets = [server.bucket(), server.bucket()];
    buckets[0].access_key_id = canary();
    buckets[1].secret_access_key = canary();
    for bucket in buckets {
        assert!(!format!("{bucket:?}").contains(&server.key));
        let store = S3::new(bucket).unwrap();
        for error in [
            store.put("a".into(), body("x"), None).await.unwrap_err(),
            store.get("a".into(), None).await.err().unwrap(),
            store.head("a".into()).await.unwrap_err(),
            store.list(String::new(), 10, None).await.unwrap_err(),
            store.delete(vec!["a".into()]).await.unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(matches!(error, StoreError::Unavailable(_)) && text.contains("refused"), "{text}");
            assert!(!text.contains("CANARY") && !text.contains(&server.id), "{text}");
        }
    }
}

#[tokio::test]
async fn a_bucket_or_server_that_is_not_there() {
    let server = S3Process::start();
    let mut bucket = server.bucket();
    bucket.bucket = "another".into();
    let store = S3::new(bucket).unwrap();
    let error = store.get("a".into(), None).await.err().unwrap();
    assert!(error.to_string().contains("bucket"), "{error}");
    assert!(matches!(store.list(String::new(), 10, None).await, Err(StoreError::Unavailable(_))));
    let mut bucket = server.bucket();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bucket.endpoint = Some(format!("http://{free}"));
    let error = S3::new(bucket).unwrap().head("a".into()).await.unwrap_err();
    assert_eq!(error, StoreError::Unavailable("no connection to the server".into()));
}

#[tokio::test]
async fn the_prefix_is_only_there() {
    let server = S3Process::start();
    let (mut one, mut all) = (server.bucket(), server.bucket());
    one.prefix = "one/".into();
    all.prefix = String::new();
    let (one, all) = (S3::new(one).unwrap(), S3::new(all).unwrap());
    one.put("a".into(), body("x"), None).await.unwrap();
    all.put("b".into(), body("y"), None).await.unwrap();
    let keys = async |store: &S3| {
        let page = store.list(String::new(), 10, None).await.unwrap();
        page.objects.into_iter().map(|object| object.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&one).await, ["a"]);
    assert_eq!(keys(&all).await, ["b", "one/a"]);
}

#[test]
fn settings_that_are_refused() {
    let server = || crate::stores::s3::S3Bucket {
        bucket: "bucket".into(),
        endpoint: Some("http://127.0.0.1:1".into()),
        region: "us-east-1".into(),
        access_key_id: Arc::new(Secret::new("id".to_owned())),
        secret_access_key: Arc::new(Secret::new("key".to_owned())),
        prefix: String::new(),
        roots: Arc::new(rustls::RootCertStore::empty()),
    };
    assert!(S3::new(server()).is_ok());
    for endpoint in ["ftp://a", "http://user:canary@a", "a", "http://a?canary", ""] {
        let bucket = crate::stores::s3::S3Bucket { endpoint: Some(endpoint.into()), ..server() };
        let error = S3::new(bucket).err().unwrap_or_else(|| panic!("{endpoint}"));
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    for name in ["", "a/b", "a?b", "..%2f"] {
        assert!(S3::new(crate::stores::s3::S3Bucket { bucket: name.into(), ..server() }).is_err(), "{name}");
    }
    for prefix in ["/", "../", "a//"] {
        assert!(
            S3::new(crate::stores::s3::S3Bucket { prefix: prefix.into(), ..server() }).is_err(),
            "{prefix}"
        );
    }
}
