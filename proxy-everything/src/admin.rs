//! The admin API: HTTP and JSON on a unix socket outside the workload's reach. Mode 0600, and the peer's uid is checked too.
//! An answer to a change is given when the change is in force, and not before; a bad document changes nothing and is told
//! what is wrong with it. What is said here is read by `proxy-everything policy` and `status`, and by anybody's scripts.

mod answer;
mod caller;
mod change;
mod handlers;
mod instances;
mod metrics;
mod routes;
mod rules;

use std::{fs, io, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};

use crate::{accept::BACK_OFF, fleet::Fleet, instance::Instance};

/// Connections at once, each of which may wait for its caller for as long as [`HEAD_TIMEOUT`]; so many that a caller who says
/// something need not wait for those who do not.
const MAX_CONNECTIONS: usize = 1024;
/// Requests answered at once; each may hold a document in memory.
const MAX_REQUESTS: usize = 16;
/// For a whole request head, and for a whole document; callers are local.
const HEAD_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Bytes of a unix socket's path (unix(7)), without the NUL at its end.
const MAX_PATH: usize = 107;

/// What a socket is about.
#[derive(Clone)]
pub enum Administered {
    /// One instance.
    Instance(Arc<Instance>),
    /// All instances of an `attach` process.
    Fleet(Arc<Fleet>),
}

/// The bound socket. Its file stays until it is removed: a proxy that follows this one answers at the same place.
pub struct AdminSocket {
    listener: std::os::unix::net::UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Binds `path`, in a folder that only we can enter. What an instance that was killed has left there is replaced.
    pub fn bind(path: PathBuf) -> io::Result<Self> {
        if path.as_os_str().len() > MAX_PATH {
            let text = format!(
                "its path, {}, is longer than the {MAX_PATH} bytes that a unix socket's may have: use a shorter --state-dir, or --id",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        if std::os::unix::net::UnixStream::connect(&path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "an instance with this id is running"));
        }
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let listener = std::os::unix::net::UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path })
    }

    /// The socket that an earlier proxy bound.
    pub fn inherited(listener: std::os::unix::net::UnixListener, path: PathBuf) -> Self {
        Self { listener, path }
    }

    /// For handing it on.
    pub fn listener(&self) -> &std::os::unix::net::UnixListener {
        &self.listener
    }

    /// Takes the file away: nobody will answer there again.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Serves until the task is dropped.
    pub async fn serve(self: Arc<Self>, administered: Administered) {
        if let Err(error) = self.answer(administered).await {
            tracing::error!(%error, "cannot serve the admin socket");
        }
    }

    async fn answer(&self, administered: Administered) -> io::Result<()> {
        let listener = UnixListener::from_std(self.listener.try_clone()?)?;
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let requests = Arc::new(Semaphore::new(MAX_REQUESTS));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return Ok(()) };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an admin connection");
                    tokio::time::sleep(BACK_OFF).await;
                    continue;
                }
            };
            if !is_permitted(&stream) {
                tracing::warn!("a process of another user tried the admin socket");
                continue;
            }
            let (administered, requests) = (administered.clone(), Arc::clone(&requests));
            tokio::spawn(async move {
                let service = service_fn(|request| async {
                    let _turn = requests.acquire().await;
                    routes::answer(request, administered.clone()).await
                });
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
                if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                    tracing::debug!(%error, "admin connection");
                }
                drop(slot);
            });
        }
    }
}

/// Our own user, or root.
fn is_permitted(stream: &UnixStream) -> bool {
    let ours = nix::unistd::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == ours || peer.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_socket_can_have_is_told_as_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = |length: usize| {
            let name = length - folder.path().as_os_str().len() - 1;
            folder.path().join("x".repeat(name))
        };
        AdminSocket::bind(path(MAX_PATH)).unwrap();
        let error = AdminSocket::bind(path(MAX_PATH + 1)).err().unwrap();
        assert!(error.to_string().contains("use a shorter --state-dir"), "{error}");
    }
}
