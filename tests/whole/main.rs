//! The whole system, from a real client in the sandbox to a scripted origin, as root and as nobody.
//!
//! Each file holds one promise of the product. Nothing is mocked between the two ends: the binary is the one that users
//! run. See the harness for what is checked after every run.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod admin;
mod again;
mod attach;
mod attacks;
mod ca;
mod certificates;
mod client;
mod clients;
mod compat;
mod compatibility;
mod credentials;
mod dns;
mod docs;
mod doctor;
mod elsewhere;
mod engines;
mod fallback;
mod framing;
#[path = "../../handlers/tests/support/guests.rs"]
mod guests;
mod grants;
mod grpc;
mod h2;
mod h2_mapping;
mod handler_swap;
mod handler_tools;
mod handlers;
mod handshakes;
mod hello;
mod hostile;
mod house;
mod http1;
mod idle;
mod keeper;
mod lifecycle;
mod nft;
mod openapi;
mod overrides;
mod passthrough;
mod policy;
mod policy_tools;
mod programs;
mod protocols;
mod publish;
mod raw;
mod revoked;
mod rules;
mod sealed;
mod secrets;
mod sidecar;
mod smuggling;
mod sockets;
mod stream;
mod swap;
mod tails;
mod tools;
mod tunnel;
mod upstream;
mod verdicts;
mod watch;
mod websocket;
mod websocket_h2;
