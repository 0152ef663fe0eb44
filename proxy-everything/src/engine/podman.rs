//! The `podman` program, for a machine where podman's API is not started, as is usual: podman has no daemon. Receives a name
//! and hands on what `podman inspect` prints, which has the fields of the API.

use std::{fmt, path::PathBuf, process::Stdio};

use bytes::Bytes;
use http::StatusCode;
use tokio::{process::Command, time::timeout};

use super::{DEADLINE, EngineError};

/// The program, by its path.
#[derive(Clone, Debug)]
pub(super) struct Podman(pub(super) PathBuf);

impl Podman {
    pub(super) async fn inspect(&self, name: &str) -> Result<Bytes, EngineError> {
        output(&self.0, &["inspect", "--type", "container", "--format", "{{json .}}", "--", name])
            .await
            .map(Bytes::from)
            .map_err(|error| match error {
                EngineError::Program { message, .. } if message.contains("no such container") => {
                    let status = StatusCode::NOT_FOUND;
                    EngineError::Refused { engine: self.to_string(), status, message }
                }
                error => error,
            })
    }
}

impl fmt::Display for Podman {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// What a program of an engine prints, if it succeeds.
pub(super) async fn output(program: &std::path::Path, arguments: &[&str]) -> Result<Vec<u8>, EngineError> {
    let name = program.display().to_string();
    let failed = |message: String| EngineError::Program { program: name.clone(), message };
    let mut command = Command::new(program);
    let running = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let Ok(ended) = timeout(DEADLINE, running).await else {
        return Err(EngineError::Timeout { engine: name });
    };
    let ended = ended.map_err(|error| failed(error.to_string()))?;
    if ended.status.success() {
        Ok(ended.stdout)
    } else {
        Err(failed(String::from_utf8_lossy(&ended.stderr).trim().to_owned()))
    }
}
