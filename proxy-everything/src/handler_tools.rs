//! Tools to write handlers: new, build, inspect, check, test, run.
//!
//! Receives file names, hands on files, text for people or JSON for programs, and an exit status. Components are looked at and run by the
//! crate `handlers`; what is here reads files, starts toolchains and prints.

mod build;
mod console;
mod dev;
mod differs;
mod expected;
mod inspect;
mod kept;
mod lines;
mod new;
mod rebuild;
mod test;
mod trial;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Subcommand, ValueHint};

pub use new::Language;

use crate::{
    cli::{CacheOption, RunOptions, State, Which},
    client,
};

/// What is given makes no sense.
const FAULTY: u8 = 2;

/// The largest component that is read, in bytes: twice what the engine accepts, so that it is the one to refuse.
const MAX_COMPONENT: u64 = 64 << 20;

/// Verbs about programs.
#[derive(Debug, Subcommand)]
pub enum HandlerVerb {
    /// Write a small handler to begin with: its source, how it is built, a test, and what the policy needs
    #[command(
        after_help = "Example:\n  proxy-everything handler new my-handler --lang ts && proxy-everything handler build my-handler"
    )]
    New {
        /// The folder to make; it may be there already if it is empty.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
        /// The language it is written in
        #[arg(long, value_enum, default_value_t = Language::Js)]
        lang: Language,
    },
    /// Build a component by the toolchain of its language
    ///
    /// The language is told by what is there: Cargo.toml, or handler.ts, handler.js, handler.py or handler.c; or by the file's own name. The
    /// SDKs with their tools are in the folder that $PROXY_EVERYTHING_SDK names (`handlers/sdk` of the sources); the one for JavaScript may be
    /// in node_modules too. What the toolchain prints is passed on. Exit status: 0, or 1 if it failed.
    #[command(
        after_help = "Examples:\n  proxy-everything handler build my-handler\n  proxy-everything handler build only-get.js -o only-get.wasm"
    )]
    Build {
        /// A project's folder, or its one source file.
        #[arg(value_hint = ValueHint::AnyPath)]
        source: PathBuf,
        /// Where the component goes [default: handler.wasm in the folder, or beside the file]
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Say what a component is, imports and exports, without running it: exit status 0, or 2 if it is no component
    Inspect {
        /// The component.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Print a JSON object instead
        #[arg(long)]
        json: bool,
    },
    /// Say whether a component would be loaded: exit status 0 if it would, 1 if not, 2 if something is faulty
    ///
    /// Compiles it, and links it with what handlers are given. With --policy, says too which keys of its handler there grant what it imports.
    #[command(
        after_help = "Example:\n  proxy-everything handler check my-handler.wasm --policy egress.yaml --name my-handler"
    )]
    Check {
        /// The component.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The policy document that is to use it; may be given several times
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "name")]
        policy: Vec<PathBuf>,
        /// Its name in the policy
        #[arg(long, value_name = "NAME", requires = "policy")]
        name: Option<String>,
    },
    /// Run a command whose requests go through a handler, and build that again whenever its source changes
    ///
    /// Builds as `handler build` does, then runs the command as `run` does. Each change is built beside the command and put in force for the
    /// next request; if it does not build, or would not be loaded, what was there goes on serving. Standard error has what the toolchain says, a
    /// line for what the handler writes, and one for each request. Records are kept nowhere else.
    ///
    /// The command can write to nothing of the host's, only to a /tmp of its own: what it could change would be built, and run, outside of
    /// its network. Exit status: as of `run`; 1 if the first build fails.
    #[command(
        after_help = "Examples:\n  proxy-everything handler run my-handler\n  proxy-everything handler run my-handler -- curl -i https://api.example.com/user\n  proxy-everything handler run only-get.js --policy egress.yaml -- bash"
    )]
    Run {
        /// A project's folder, its one source file, or a component that something else builds.
        #[arg(value_hint = ValueHint::AnyPath)]
        source: PathBuf,
        /// The policy document, in which a handler is made of what is built; may be given several times [default: policy.yaml in the
        /// folder; without one, everything is allowed and goes through the handler]. A change is put in force
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        policy: Vec<PathBuf>,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        cache: CacheOption,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        state: State,
        /// The command and its arguments [default: $SHELL]
        #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
        command: Vec<String>,
    },
    /// List the handlers of a running instance, with their versions, calls and faults, as JSON
    List(Which),
    /// Try requests on a component, or on all handlers of a policy, without a network: exit status 0 if all is as expected, 1 if something
    /// differs, 2 if something is faulty
    ///
    /// Cases are YAML lists of requests, with what the servers answer and what is expected to come of it. Nothing is dialled and no secret is
    /// read: both are what the case says.
    #[command(
        after_help = "Examples:\n  proxy-everything handler test my-handler.wasm cases/\n  proxy-everything handler test --policy egress.yaml cases/"
    )]
    Test {
        /// The component, unless there is a policy; then files of cases, or folders of such files.
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::AnyPath)]
        files: Vec<PathBuf>,
        /// The policy document whose handlers are tried; may be given several times
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
        policy: Vec<PathBuf>,
    },
}

/// Does what a verb says; the exit status.
pub fn run(verb: &HandlerVerb) -> anyhow::Result<u8> {
    match verb {
        HandlerVerb::New { directory, lang } => new::run(directory, *lang),
        HandlerVerb::Build { source, output } => build::run(source, output.as_deref()),
        HandlerVerb::Inspect { file, json } => inspect::inspect(file, *json),
        HandlerVerb::Check { file, policy, name } => inspect::check(file, policy, name.as_deref()),
        HandlerVerb::Run { source, policy, cache, state, command } => {
            dev::run(source, policy, options(cache, state, command))
        }
        HandlerVerb::List(which) => {
            print!("{}", client::show("/v1/handlers", which)?);
            Ok(0)
        }
        HandlerVerb::Test { files, policy } => test::run(files, policy),
    }
}

/// What the command is run with; how it is tried, only `dev` knows.
fn options(cache: &CacheOption, state: &State, command: &[String]) -> RunOptions {
    let shell = || vec![std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned())];
    RunOptions {
        policy: Vec::new(),
        watch: false,
        audit: None,
        id: None,
        class: String::new(),
        mask: Vec::new(),
        keep: Vec::new(),
        publish: Vec::new(),
        cache: cache.clone(),
        state: state.clone(),
        command: if command.is_empty() { shell() } else { command.to_vec() },
    }
}

fn component(file: &Path) -> anyhow::Result<Vec<u8>> {
    let name = || format!("cannot read {}", file.display());
    let size = std::fs::metadata(file).with_context(name)?.len();
    anyhow::ensure!(size <= MAX_COMPONENT, "{} has {size} bytes: no component is as large", file.display());
    std::fs::read(file).with_context(name)
}
