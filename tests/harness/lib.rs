//! The harness of the whole-system tests and of the demo.
//!
//! A [`Lab`] is one test's private world: a directory, a CA, a secret canary and a user to run as. In it live
//! [`Origin`]s, the scripted servers on loopback, and [`Run`]s of the real `proxy-everything` binary in front of
//! real commands. Everything that a run leaves behind is checked against the invariants when it ends, so that no
//! test can forget them: valid audit lines, one record for each request, no panic, no secret in what the command saw.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a harness fails by panicking"
)]

mod admin;
mod attach;
mod audit;
mod authority;
mod binary;
mod ca;
mod canary;
mod capture;
mod container;
mod engine;
mod finished;
mod lab;
mod namespace;
pub mod origin;
pub mod pod;
pub mod processes;
mod rootfs;
mod run;
mod runc;
mod running;
mod server;
mod user;
pub mod wait;
mod workload;

pub use admin::{Answer, request};
pub use attach::Attached;
pub use audit::Audit;
pub use authority::Authority;
pub use ca::{Certificate, Clients, TestCa};
pub use canary::Canary;
pub use capture::Capture;
pub use container::Container;
pub use engine::Engine;
pub use finished::Finished;
pub use lab::Lab;
pub use namespace::Network;
pub use origin::{Origin, Seen, Settings, Transport, Versions};
pub use pod::Pod;
pub use rootfs::Image;
pub use run::Run;
pub use runc::Runc;
pub use running::Running;
pub use server::Server;
pub use user::User;
pub use workload::{Program, Workload};

/// The host that most tests talk to.
pub const HOST: &str = "api.example.test";

/// The policy that most tests start from: one host, reached with a token that the workload never has.
pub const TOKEN_POLICY: &str = r#"
allowedHosts: [api.example.test]
outboundByHost: { api.example.test: token }
handlers:
  token: { inject: { x-auth-token: "${API_TOKEN}" } }
secrets:
  API_TOKEN: { env: API_TOKEN }
"#;
