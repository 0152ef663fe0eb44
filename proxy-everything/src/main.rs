//! The program: arguments in, exit code out. The one place where errors are shown, and the one where this process finds
//! out that it is not the proxy but its agent.

use std::process::ExitCode;

use clap::Parser;
use proxy_everything::{
    app, capture,
    cli::{self, Cli, PolicyVerb, Verb},
    client::{self, told},
    doctor, handler_tools, keeper, logging, policy_tools,
};

/// The proxy's own failure; a command's exit status is passed on instead.
const FAILURE: u8 = 125;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(capture::AGENT_VERB) => return capture::agent_main(arguments),
        Some(doctor::PROBE_VERB) => return doctor::probe_main(arguments),
        _ => {}
    }
    let code = dispatch().unwrap_or_else(|error| {
        eprintln!("proxy-everything: {error:#}");
        FAILURE
    });
    code.into()
}

fn dispatch() -> anyhow::Result<u8> {
    if let Some((keeper, cli)) = keeper::proxy_of(std::env::args_os()) {
        logging::to_stderr();
        return app::attach::serve(Cli::parse_from(cli).verb, keeper);
    }
    let verb = Cli::parse().verb;
    logging::begin(&verb);
    match verb {
        Verb::Run(options) => return app::run(options),
        Verb::Attach(_) => return app::attach::keep(),
        Verb::Sidecar(options) => return app::attach::keep_pod(&options),
        Verb::Policy(PolicyVerb::Tool(verb)) => return policy_tools::run(&verb),
        Verb::Policy(PolicyVerb::Apply { files, if_generation, which }) => {
            return Ok(told(client::apply(&files, if_generation, &which)?));
        }
        Verb::Policy(PolicyVerb::Show(which)) => print!("{}", client::show("/v1/policy", &which)?),
        Verb::Override(verb) => match verb.asked() {
            Ok(asked) => return client::overrides::change(&asked),
            Err(which) => print!("{}", client::show("/v1/overrides", &which)?),
        },
        Verb::Ca(verb) => client::ca(&verb)?,
        Verb::Placeholders { json, which } => print!("{}", client::placeholders(json, &which)?),
        Verb::Status { metrics, which } => print!("{}", client::status(metrics, &which)?),
        Verb::Doctor(options) => return doctor::run(&options),
        Verb::Completions { shell } => cli::completions(shell),
        Verb::Man { directory } => cli::man(&directory)?,
        Verb::Handler(verb) => return handler_tools::run(&verb),
    }
    Ok(0)
}
