//! Where the engine is. Receives what the user said and the environment; tries the places in their order, and hands on the
//! first that answers. A place that was named is the only one tried.

use std::path::{Path, PathBuf};

use super::{
    EngineError, Way,
    podman::{self, Podman},
    socket::Socket,
};

/// Where distributions put the sockets.
pub(super) const USUAL: [&str; 3] = ["/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"];

/// `variable` is the environment.
pub(super) async fn find(
    explicit: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
    usual: &[&str],
) -> Result<Way, EngineError> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(value) = explicit {
        return named("--engine", value).await;
    }
    for name in ["DOCKER_HOST", "CONTAINER_HOST"] {
        if let Some(value) = variable(name) {
            return named(&format!("${name}"), &value).await;
        }
    }
    let users = variable("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("podman/podman.sock"));
    let mut forbidden = None;
    for path in usual.iter().map(PathBuf::from).chain(users) {
        match Socket::answering(&path).await {
            Ok(socket) => return Ok(Way::Socket(socket)),
            Err(error) => {
                tracing::debug!(%error, "not this container engine");
                if is_forbidden(&error) {
                    forbidden.get_or_insert(error);
                }
            }
        }
    }
    let programs = variable("PATH").unwrap_or_default();
    if let Some(program) = program("podman", &programs) {
        return Ok(Way::Podman(Podman(program)));
    }
    match program("docker", &programs) {
        Some(program) => docker_context(&program).await.map_err(|error| forbidden.unwrap_or(error)),
        None => Err(forbidden.unwrap_or(EngineError::NotFound)),
    }
}

async fn named(place: &str, value: &str) -> Result<Way, EngineError> {
    let path = value.strip_prefix("unix://").unwrap_or(value);
    if !path.starts_with('/') && (path.len() != value.len() || path.contains("://")) {
        return Err(EngineError::NotASocket { place: place.to_owned(), value: value.to_owned() });
    }
    Socket::answering(Path::new(path)).await.map(Way::Socket)
}

/// Rootless Docker and Docker in a virtual machine have sockets that only their client knows.
async fn docker_context(program: &Path) -> Result<Way, EngineError> {
    let format = "{{.Endpoints.docker.Host}}";
    let told = podman::output(program, &["context", "inspect", "--format", format]).await;
    let told = told.map_err(|error| {
        tracing::debug!(%error, "not this container engine");
        EngineError::NotFound
    })?;
    named("docker's context", String::from_utf8_lossy(&told).trim()).await
}

fn program(name: &str, path: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn is_forbidden(error: &EngineError) -> bool {
    matches!(error, EngineError::Connect { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied)
}
