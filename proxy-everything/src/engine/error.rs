//! What can go wrong between us and a container engine, and what the user can do about it. The sentence is for whoever runs
//! the proxy; no workload sees it.

use std::io;

use http::StatusCode;

/// Why the engine did not tell.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Neither a socket nor a program.
    #[error(
        "no container engine answers here: start Docker, or podman's API (`systemctl start podman.socket`), or name the \
         socket with --engine unix://PATH"
    )]
    NotFound,
    /// What names the engine is not a unix socket.
    #[error(
        "{place} is {value:?}: expected unix://PATH, for only containers of this machine can be attached to"
    )]
    NotASocket {
        /// The flag or variable.
        place: String,
        /// What it says.
        value: String,
    },
    /// The socket does not take connections.
    #[error("cannot connect to the container engine at {engine}: {source}{}", cure(source))]
    Connect {
        /// The socket.
        engine: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The engine did not answer in time.
    #[error("the container engine at {engine} did not answer within 10 s")]
    Timeout {
        /// The socket or program.
        engine: String,
    },
    /// The engine knows no such container.
    #[error("no container is called {name:?}: {engine} does not know it")]
    NoSuchContainer {
        /// The name or id that was asked for.
        name: String,
        /// The socket or program.
        engine: String,
    },
    /// The engine answered with an error of its own.
    #[error("the container engine at {engine} answered {status}: {message}")]
    Refused {
        /// The socket or program.
        engine: String,
        /// The HTTP status.
        status: StatusCode,
        /// The engine's sentence.
        message: String,
    },
    /// The engine's program could not be run, or failed.
    #[error("{program} failed: {message}")]
    Program {
        /// The program.
        program: String,
        /// Why.
        message: String,
    },
    /// The answer is not one of a container engine.
    #[error("the container engine at {engine} gave an answer that makes no sense: {reason}")]
    Nonsense {
        /// The socket or program.
        engine: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The connection of the events is over; a new one can be opened.
    #[error("the container engine at {engine} ended the stream of events: {reason}")]
    Ended {
        /// The socket.
        engine: String,
        /// How.
        reason: String,
    },
    /// Only the API tells what happens to containers.
    #[error(
        "podman is reached by its program, which cannot be followed: `systemctl start podman.socket` starts its API"
    )]
    NeedsSocket,
}

fn cure(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => ": run as root, or add yourself to the group docker",
        io::ErrorKind::NotFound => ": the socket is missing; is the engine running?",
        io::ErrorKind::ConnectionRefused => ": nobody listens on the socket; is the engine running?",
        _ => "",
    }
}
