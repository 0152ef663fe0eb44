//! `make demo`: the product's claims, shown and checked on this machine, with no internet.
//!
//! Starts an HTTPS origin that demands a token, and real clients behind `proxy-everything run`. Each claim is printed in
//! plain words together with what proves it; one that does not hold ends the demo with an exit code that is not zero.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a demo fails by panicking"
)]

mod stage;
mod steps;

use std::process::ExitCode;

use stage::Stage;

fn main() -> ExitCode {
    let mut stage = Stage::new();
    steps::the_command(&mut stage);
    steps::the_workload_never_had_it(&mut stage);
    steps::other_hosts_are_refused(&mut stage);
    steps::the_policy_changes_on_an_open_connection(&mut stage);
    steps::nothing_else_gets_out(&mut stage);
    stage.end()
}
