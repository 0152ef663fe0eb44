//! Where words for the operator go. Receives nothing but the variable `PROXY_EVERYTHING_LOG`; hands on a log on standard error, with
//! warnings and errors unless that says otherwise. Called once, by what the process turns out to be.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{cli::Verb, handler_tools::HandlerVerb};

/// What handlers write.
const CONSOLE: &str = "handlers::script::state";

/// Libraries that write whole messages at their finest levels: secrets may be in those, and nobody asks for that knowingly.
const QUIET: [&str; 3] = ["h2=warn", "hyper=warn", "hyper_util=warn"];

/// The log of what `verb` does; what tries handlers looks at what they write, and begins it itself.
pub fn begin(verb: &Verb) {
    if !matches!(verb, Verb::Handler(HandlerVerb::Test { .. } | HandlerVerb::Run { .. })) {
        to_stderr();
    }
}

/// The log of everything that runs.
pub fn to_stderr() {
    let log = tracing_subscriber::fmt().with_env_filter(filter("warn")).with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).init();
}

/// The same without what handlers write, which `other` is told, whatever its level.
pub fn to_stderr_and(other: impl Layer<tracing_subscriber::Registry> + Send + Sync) {
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log =
        log.with_ansi(std::io::stderr().is_terminal()).with_filter(filter(&format!("warn,{CONSOLE}=off")));
    tracing_subscriber::registry().with(other).with(log).init();
}

fn filter(usual: &str) -> EnvFilter {
    let asked = EnvFilter::try_from_env("PROXY_EVERYTHING_LOG").unwrap_or_else(|_| usual.into());
    QUIET.iter().filter_map(|quiet| quiet.parse().ok()).fold(asked, EnvFilter::add_directive)
}
