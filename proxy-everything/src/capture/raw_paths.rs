//! Paths on their way to the agent. JSON is UTF-8 and paths are bytes: a socket with an odd name, which anybody may make, must be
//! hidden like others and must not keep a command from being started.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<&[u8]> = paths.iter().map(|path| path.as_os_str().as_bytes()).collect();
    bytes.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    let paths = Vec::<Vec<u8>>::deserialize(deserializer)?;
    Ok(paths.into_iter().map(|bytes| OsString::from_vec(bytes).into()).collect())
}
