//! What is true of key-value files: they keep what was acknowledged, and belong to one process.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
};

use bytes::Bytes;
use handlers::KeyValue;

use super::servers::mortal;
use crate::stores::file::KeyFile;

/// Names the file, in a process that a test has started.
const CHILD: &str = "PROXY_EVERYTHING_TEST_KEY_FILE";

fn entry(key: &str) -> Vec<(String, Bytes)> {
    vec![(key.to_owned(), Bytes::from_static(b"value"))]
}

/// Runs the test `name` in a process of its own, which says each key that it was told is stored, and goes on until it is killed.
fn child(name: &str, path: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut command = mortal(std::env::current_exe().unwrap());
    command.args([&format!("stores::tests::file::{name}"), "--exact", "--nocapture"]).env(CHILD, path);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (child, lines.filter_map(|line| line.split_once("stored ").map(|(_, key)| key.to_owned())))
}

/// In such a process; does not return.
async fn store_for_ever(path: &Path) {
    let file = KeyFile::open(path).unwrap();
    for number in 0_u64.. {
        file.set(entry(&number.to_string())).await.unwrap();
        println!("stored {number}");
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    if let Some(path) = std::env::var_os(CHILD) {
        return store_for_ever(Path::new(&path)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let (mut process, mut lines) = child("a_killed_process_loses_nothing_that_was_acknowledged", &path);
    let mut stored: Vec<String> = lines.by_ref().take(20).collect();
    process.kill().unwrap();
    process.wait().unwrap();
    stored.extend(lines);
    assert!(stored.len() >= 20);
    let file = KeyFile::open(&path).unwrap();
    for some in stored.chunks(100) {
        let values = file.get(some.to_vec()).await.unwrap();
        assert!(values.iter().all(|value| value.as_deref() == Some(b"value")), "{some:?}");
    }
}

#[tokio::test]
async fn a_file_of_another_process_is_not_opened() {
    if let Some(path) = std::env::var_os(CHILD) {
        return store_for_ever(Path::new(&path)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let (mut process, mut lines) = child("a_file_of_another_process_is_not_opened", &path);
    lines.next().unwrap();
    let error = KeyFile::open(&path).err().unwrap().to_string();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(error.contains("another process has it open") && error.contains("keys.db"), "{error}");
    KeyFile::open(&path).unwrap();
}

#[tokio::test]
async fn all_who_open_it_share_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.db");
    let first = KeyFile::open(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let second = KeyFile::open(&link).unwrap();
    first.set(entry("a")).await.unwrap();
    drop(first);
    assert_eq!(second.increment("n".into(), 2).await, Ok(2));
    // One opens it while the other lets go of it.
    for number in 1..50 {
        let path = path.clone();
        let other = std::thread::spawn(move || KeyFile::open(&path).map(drop));
        drop(KeyFile::open(&link).unwrap());
        other.join().unwrap().unwrap_or_else(|error| panic!("{number}: {error}"));
    }
    drop(second);
    for _ in 0..20 {
        let path = path.clone();
        let other = std::thread::spawn(move || KeyFile::open(&path).map(drop));
        drop(KeyFile::open(&link).unwrap());
        other.join().unwrap().unwrap();
    }
    let values = KeyFile::open(&path).unwrap().get(vec!["a".into(), "n".into()]).await.unwrap();
    assert_eq!(values, [Some(Bytes::from_static(b"value")), Some(Bytes::from_static(b"2"))]);
}

#[test]
fn what_cannot_be_opened_says_which_file() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing/keys.db");
    assert!(KeyFile::open(&missing).err().unwrap().to_string().contains("missing/keys.db"));
    let other = directory.path().join("other");
    std::fs::write(&other, "not such a file, but text".repeat(1000)).unwrap();
    assert!(KeyFile::open(&other).err().unwrap().to_string().contains("other"));
}
