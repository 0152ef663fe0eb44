//! A network that leads nowhere except through the proxy.
//!
//! A connection is *accepted*, its first bytes are *sniffed*; the policy says inspect, splice or refuse; inspected TLS is *opened* with a
//! minted leaf; each request becomes an *exchange*: the policy decides, the handlers run, the *upstream* answers; and each leaves
//! exactly one *audit* record. The modules below are in that order, with what they stand on after them.

#[allow(unsafe_code, reason = "the only module that talks to the kernel without a safe wrapper")]
pub mod capture;

pub mod accept;
pub mod sniff;
pub mod connection;
pub mod hello;
pub mod splice;
pub mod tls;
pub mod http;
pub mod exchange;
pub mod upgrade;
pub mod fetch;
pub mod tail;
pub mod upstream;
pub mod dns;
pub mod publish;
pub mod audit;

pub mod body;
pub mod linger;
pub mod socket;
pub mod instance;
pub mod in_force;
pub mod serving;
pub mod fleet;
pub mod keeper;
pub mod config;
pub mod credentials;
pub mod error;

pub mod admin;
pub mod app;
pub mod cache;
pub mod cli;
pub mod client;
pub mod doctor;
pub mod engine;
pub mod environment;
pub mod handler_tools;
pub mod hidden;
pub mod logging;
pub mod policy_tools;
pub mod secrets;
pub mod state;
pub mod stores;
mod tcp;
pub mod trust;
mod unless;
pub mod verified;
pub mod watch;
