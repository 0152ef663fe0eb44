//! What components may import.
//!
//! Receives an engine; hands on a linker with `egress:handler/*`, what it takes from WASI, `wasi:http`, and the parts of
//! WASI 0.2 and 0.3 that language runtimes ask for. Those are empty shells but for clocks and random numbers: no
//! arguments, no environment, no directories, and sockets of which every use is refused.

use wasmtime::{
    Engine, Result,
    component::{HasSelf, Linker},
};
use wasmtime_wasi::{
    WasiView,
    cli::{WasiCli, WasiCliView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::{
        self,
        bindings::{cli, filesystem, random, sockets},
    },
    p3,
    random::WasiRandom,
    sockets::{WasiSockets, WasiSocketsView},
};

use super::{
    bindings::{
        egress::handler::{blobstore, context, http, log, rate_limit, secrets, types},
        wasi::{
            config,
            keyvalue::{atomics, batch, store},
        },
    },
    state::State,
};

/// For components that wait for one thing at a time, as those of WASI 0.2 do.
pub(super) fn sequential(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    ours(l)?;
    // Streams, polling, clocks, secure random numbers, and the standard streams.
    p2::add_to_linker_proxy_interfaces_async(l)?;
    random::insecure::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(l, |state| state.ctx().ctx.random())?;
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(l, State::filesystem)?;
    no_sockets(l)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)?;
    Ok(linker)
}

/// The same, and WASI 0.3.
pub(super) fn concurrent(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = sequential(engine)?;
    let l = &mut linker;
    p3::cli::add_to_linker(l)?;
    p3::clocks::add_to_linker(l)?;
    p3::filesystem::add_to_linker(l)?;
    p3::random::add_to_linker(l)?;
    wasmtime_wasi_http::p3::add_to_linker(l)?;
    Ok(linker)
}

/// The imports of our own contract.
fn ours(l: &mut Linker<State>) -> Result<()> {
    type Own = HasSelf<State>;
    types::add_to_linker::<_, Own>(l, |state| state)?;
    http::add_to_linker::<_, Own>(l, |state| state)?;
    context::add_to_linker::<_, Own>(l, |state| state)?;
    secrets::add_to_linker::<_, Own>(l, |state| state)?;
    log::add_to_linker::<_, Own>(l, |state| state)?;
    blobstore::add_to_linker::<_, Own>(l, |state| state)?;
    rate_limit::add_to_linker::<_, Own>(l, |state| state)?;
    config::store::add_to_linker::<_, Own>(l, |state| state)?;
    store::add_to_linker::<_, Own>(l, |state| state)?;
    atomics::add_to_linker::<_, Own>(l, |state| state)?;
    batch::add_to_linker::<_, Own>(l, |state| state)
}

/// Python's runtime insists on the names, whatever the handler does. Every use is refused: a context allows nothing unless
/// it is told to.
fn no_sockets(l: &mut Linker<State>) -> Result<()> {
    let options = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<State, WasiSockets>(l, &options, State::sockets)?;
    sockets::instance_network::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::tcp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::udp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::udp_create_socket::add_to_linker::<State, WasiSockets>(l, State::sockets)
}
