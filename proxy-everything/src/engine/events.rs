//! What happens to containers, as the engine tells it: one JSON object a line, for as long as the connection lasts. Receives a
//! filter and hands on events; lines that are none are skipped. Whoever follows opens a new one when this one ends.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::BytesMut;
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    EngineError, Filter, answer,
    socket::{self, Head, Socket},
};

/// Bytes of one event; labels alone may be long.
const MAX_LINE: usize = 1 << 20;

/// A step in a container's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which step.
    pub kind: EventKind,
    /// The container's full id.
    pub id: String,
    /// The container's labels. The engine mixes facts of its own into them, as `name`, `image` and `exitCode`.
    pub labels: BTreeMap<String, String>,
}

impl Filter {
    /// Asked here and not of the engine: podman finds no label without its value.
    fn admits(&self, event: &Event) -> bool {
        match self {
            Self::Container(id) => event.id == *id,
            Self::Label(label) => match label.split_once('=') {
                Some((key, value)) => event.labels.get(key).is_some_and(|set| set == value),
                None => event.labels.contains_key(label),
            },
        }
    }
}

/// The steps that matter to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It runs, in a network namespace that may be new.
    Started,
    /// Its first process is gone.
    Died,
    /// It will not come back.
    Removed,
}

/// The stream of events; the connection ends when this is dropped.
pub struct Events {
    socket: Socket,
    filter: Filter,
    answer: Answer,
    /// What came after the last whole line, and how much of it is known to hold no line end.
    buffer: BytesMut,
    searched: usize,
    _connection: JoinSet<()>,
}

enum Answer {
    Awaited(Head),
    Coming(Incoming),
    Over,
}

impl Events {
    pub(super) async fn open(socket: &Socket, filter: Filter) -> Result<Self, EngineError> {
        // Podman's own words are `died` and `remove`.
        let steps = ["start", "die", "died", "destroy", "remove"];
        let filters = json!({ "type": ["container"], "event": steps });
        // Neither engine says when it begins to listen, and podman sends no head before the first event. From this second on
        // they replay what they have missed.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
        let (head, connection) =
            socket.open(&socket::target("/events", &filters, &[("since", &since)])).await?;
        let (socket, answer) = (socket.clone(), Answer::Awaited(head));
        Ok(Self { socket, filter, answer, buffer: BytesMut::new(), searched: 0, _connection: connection })
    }

    /// The next event, after any time. Nothing is lost when the future is dropped before it is ready. After an error there
    /// are no more.
    pub async fn next(&mut self) -> Result<Event, EngineError> {
        loop {
            while let Some(line) = self.line() {
                match answer::event(&line) {
                    Ok(Some(event)) if self.filter.admits(&event) => return Ok(event),
                    Ok(_) => {}
                    Err(reason) => tracing::debug!(reason, "skipped a line of the container engine's events"),
                }
            }
            let read = if self.buffer.len() > MAX_LINE {
                Err(self.ended("a line is longer than 1 MiB"))
            } else {
                self.read().await
            };
            if let Err(error) = read {
                self.answer = Answer::Over;
                self.buffer.clear();
                self.searched = 0;
                return Err(error);
            }
        }
    }

    fn line(&mut self) -> Option<BytesMut> {
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.searched + end + 1);
        self.searched = 0;
        Some(line)
    }

    async fn read(&mut self) -> Result<(), EngineError> {
        match &mut self.answer {
            Answer::Awaited(head) => match head.await {
                Ok(response) if response.status() == StatusCode::OK => {
                    self.answer = Answer::Coming(response.into_body());
                    Ok(())
                }
                Ok(response) => {
                    self.answer = Answer::Over;
                    Err(self.socket.refusal(response).await)
                }
                Err(error) => Err(self.ended(error)),
            },
            Answer::Coming(body) => match body.frame().await {
                Some(Ok(frame)) => {
                    self.buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
                    Ok(())
                }
                Some(Err(error)) => Err(self.ended(error)),
                None => Err(self.ended("it is over")),
            },
            Answer::Over => Err(self.ended("it is over")),
        }
    }

    fn ended(&self, reason: impl ToString) -> EngineError {
        EngineError::Ended { engine: self.socket.to_string(), reason: reason.to_string() }
    }
}
