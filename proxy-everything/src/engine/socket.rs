//! The Docker API on a unix socket: receives a request target, hands on the answer's body, or the answer as it comes. Each
//! request has a connection of its own, so that a stuck one holds up nobody.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    pin::Pin,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::HOST};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixStream, task::JoinSet, time::timeout};

use super::{DEADLINE, EngineError};

/// Bytes of a whole answer; a list of a thousand containers is about one of 2 MiB.
const MAX_ANSWER: usize = 16 << 20;
/// Characters of an engine's own sentence that we repeat.
const MAX_MESSAGE: usize = 300;

#[derive(Clone, Debug)]
pub(super) struct Socket(PathBuf);

/// The head of the answer to a request that was sent.
pub(super) type Head = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

impl Socket {
    /// The socket at `path`, if somebody takes a connection there.
    pub(super) async fn answering(path: &Path) -> Result<Self, EngineError> {
        let socket = Self(path.to_owned());
        socket.within(socket.connect()).await?;
        Ok(socket)
    }

    /// The body of the answer, where that is a good one.
    pub(super) async fn get(&self, target: &str) -> Result<Bytes, EngineError> {
        self.within(async {
            let (head, _connection) = self.send(target).await?;
            let response = head.await.map_err(|error| self.broken(error))?;
            let status = response.status();
            let body = self.body(response).await?;
            if status == StatusCode::OK { Ok(body) } else { Err(self.refused(status, &body)) }
        })
        .await
    }

    /// The request, sent, with its answer still to come; the connection ends when the set is dropped.
    pub(super) async fn open(&self, target: &str) -> Result<(Head, JoinSet<()>), EngineError> {
        self.within(self.send(target)).await
    }

    /// The error that a whole bad answer tells.
    pub(super) async fn refusal(&self, response: Response<Incoming>) -> EngineError {
        let status = response.status();
        let body = self.within(self.body(response)).await;
        body.map_or_else(|error| error, |body| self.refused(status, &body))
    }

    async fn send(&self, target: &str) -> Result<(Head, JoinSet<()>), EngineError> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        let request = Request::get(target).header(HOST, "localhost").body(Empty::<Bytes>::new());
        let request = request.map_err(|error| self.broken(error))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What breaks it, the request is told.
            let _ = connection.await;
        });
        Ok((Box::pin(async move { sender.send_request(request).await }), driver))
    }

    async fn connect(&self) -> Result<UnixStream, EngineError> {
        UnixStream::connect(&self.0).await.map_err(|source| self.unreachable(source))
    }

    async fn body(&self, response: Response<Incoming>) -> Result<Bytes, EngineError> {
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        Ok(body.map_err(|error| self.broken(error))?.to_bytes())
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
        timeout(DEADLINE, work)
            .await
            .unwrap_or_else(|_| Err(EngineError::Timeout { engine: self.to_string() }))
    }

    fn unreachable(&self, source: io::Error) -> EngineError {
        EngineError::Connect { engine: self.to_string(), source }
    }

    fn broken(&self, reason: impl ToString) -> EngineError {
        EngineError::Nonsense { engine: self.to_string(), reason: reason.to_string() }
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> EngineError {
        #[derive(serde::Deserialize)]
        struct Problem {
            message: String,
        }
        let message =
            serde_json::from_slice(body).map_or_else(|_| String::new(), |told: Problem| told.message);
        let message = message.chars().take(MAX_MESSAGE).collect();
        EngineError::Refused { engine: self.to_string(), status, message }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix://{}", self.0.display())
    }
}

/// `path` with the engine's filters and other parameters.
pub(super) fn target(path: &str, filters: &serde_json::Value, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("filters", &filters.to_string()).extend_pairs(parameters);
    format!("{path}?{}", query.finish())
}
