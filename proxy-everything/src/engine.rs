//! The container engine of this machine, Docker or podman: receives names and labels, hands on containers and what happens to
//! them. Both speak the Docker API on a unix socket; where podman has none, its program is asked, which can tell of one
//! container but not follow it. Attaching to a container, and to every container with a label, stands on this.

mod answer;
mod error;
mod events;
mod find;
mod podman;
mod socket;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

pub use error::EngineError;
pub use events::{Event, EventKind, Events};
use podman::Podman;
use socket::Socket;

/// A whole answer of an engine; one that was started for this question takes seconds.
const DEADLINE: Duration = Duration::from_secs(10);

/// An engine that answered when it was looked for.
#[derive(Clone, Debug)]
pub struct Engine(Way);

#[derive(Clone, Debug)]
enum Way {
    Socket(Socket),
    Podman(Podman),
}

/// A container as its engine knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The full id.
    pub id: String,
    /// The name, without the slash that Docker writes before it.
    pub name: String,
    /// The first process, in our own pid namespace; `None` when the container does not run.
    pub pid: Option<u32>,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// `none`, `bridge`, `host`, `container:ID`, or the name of a network.
    pub network_mode: String,
}

/// Which containers to follow.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Those that have this label, with any value; `KEY=VALUE` asks for one value.
    Label(String),
    /// The one with this full id.
    Container(String),
}

impl Engine {
    /// The engine at `explicit` (`unix://PATH` or a path), else at `$DOCKER_HOST` or `$CONTAINER_HOST`, else at the usual sockets;
    /// else the `podman` program, else the socket that the `docker` program uses. One that was named and does not answer is an
    /// error: another engine's container of the same name must not be taken for it.
    pub async fn find(explicit: Option<&str>) -> Result<Self, EngineError> {
        find::find(explicit, |name| std::env::var(name).ok(), &find::USUAL).await.map(Self)
    }

    /// The container that `name` names: a name, an id, or an id's unambiguous beginning.
    pub async fn inspect(&self, name: &str) -> Result<Container, EngineError> {
        if !is_name(name) {
            return Err(EngineError::NoSuchContainer { name: name.into(), engine: self.to_string() });
        }
        let answer = match &self.0 {
            Way::Socket(socket) => socket.get(&format!("/containers/{name}/json")).await,
            Way::Podman(podman) => podman.inspect(name).await,
        };
        match answer {
            Ok(text) => answer::container(&text).map_err(|reason| self.nonsense(reason)),
            Err(EngineError::Refused { status, .. }) if status == http::StatusCode::NOT_FOUND => {
                Err(EngineError::NoSuchContainer { name: name.into(), engine: self.to_string() })
            }
            Err(error) => Err(error),
        }
    }

    /// The ids of the running containers that have `label` (`KEY` or `KEY=VALUE`).
    pub async fn running(&self, label: &str) -> Result<Vec<String>, EngineError> {
        let filters = json!({ "label": [label], "status": ["running"] });
        let answer = self.socket()?.get(&socket::target("/containers/json", &filters, &[])).await?;
        answer::ids(&answer).map_err(|reason| self.nonsense(reason))
    }

    /// What happens to containers from now on. Whoever asks for [`running`](Self::running) after this misses none, but
    /// may hear of a start that the list has too.
    pub async fn follow(&self, filter: Filter) -> Result<Events, EngineError> {
        Events::open(self.socket()?, filter).await
    }

    fn socket(&self) -> Result<&Socket, EngineError> {
        match &self.0 {
            Way::Socket(socket) => Ok(socket),
            Way::Podman(_) => Err(EngineError::NeedsSocket),
        }
    }

    fn nonsense(&self, reason: impl ToString) -> EngineError {
        EngineError::Nonsense { engine: self.to_string(), reason: reason.to_string() }
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Way::Socket(socket) => socket.fmt(f),
            Way::Podman(podman) => podman.fmt(f),
        }
    }
}

/// The engines' own grammar of names and ids. What is not of it names no container, and could mean another path of the API or
/// an option of a program.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}
