//! What can be typed. Receives arguments by way of clap, hands on typed options; decides nothing. The texts here are the
//! manual: `--help`, the man pages and the completions are all made of them.

mod overrides;

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub use overrides::{Asked, OverrideVerb};

use crate::{fleet::Trust, handler_tools::HandlerVerb, policy_tools::ToolVerb, publish::Publish};

/// A network that leads nowhere except through the proxy.
///
/// proxy-everything runs a command, an AI agent or a build in a network namespace of its own, takes every connection it opens, decides by a policy
/// document what may leave, and adds credentials that the command never sees.
#[derive(Debug, Parser)]
#[command(name = "proxy-everything", version, arg_required_else_help = true, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a command whose only network is the proxy
    ///
    /// The command gets a user, network, mount, pid and IPC namespace of its own; no root is needed. It sees no interface but `lo`. Every TCP
    /// connection to any address arrives at the proxy, names resolve if the policy allows them, and all else is rejected at once.
    ///
    /// Exit status: that of the command (128+N if signal N ended it); 127 if it cannot be found, 126 if it cannot be executed; 125 if the
    /// proxy itself fails, a faulty policy included.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunOptions),
    /// Attach workloads that run already, in network namespaces that have only `lo`
    ///
    /// A container that was started without a network (`--network none`) has nothing until it is attached, and then only the proxy. Each
    /// workload is an instance with a CA and a policy of its own. When a container stops, its instance waits until it starts again. Needs
    /// CAP_SYS_ADMIN and CAP_NET_ADMIN. A line on standard output says `attached ID` or `ended ID`.
    ///
    /// A keeper process holds the listeners, so that workloads wait, and nothing leaves, while a proxy that died is started again. SIGTERM
    /// lets what is under way finish; SIGUSR2 starts the program that is on disk now, which takes over. Ends when nothing is left to serve.
    #[command(after_help = ATTACH_EXAMPLES)]
    Attach(AttachOptions),
    /// Seal the network namespace that this program was started in, and move its interfaces out of it
    ///
    /// For a namespace that is shared with a workload: `docker run --network container:NAME`, a Kubernetes pod. The proxy takes addresses and
    /// routes with it into a namespace of its own; what is left has only `lo`. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
    ///
    /// Without CAP_SYS_ADMIN the network is shared: rules let only the proxy's own packets leave, which it tells by its cgroup. That holds a
    /// workload without NET_RAW and NET_ADMIN; if it may have one of them, or cannot be seen, this ends with 125.
    #[command(after_help = SIDECAR_EXAMPLES)]
    Sidecar(SidecarOptions),
    /// Check, explain, try, draft, compare, change or show the policy
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Begin, build, look at or try a WebAssembly handler
    #[command(subcommand)]
    Handler(HandlerVerb),
    /// Change what is in force at run time, beside the document
    ///
    /// What is set goes before the document, and stays when the document changes. Returns when it is in force: the next request on every
    /// open connection follows it. What is faulty changes nothing; the exit status is then 2. It is 3, and nothing changes, if another
    /// generation than that of --if-generation is in force. With --state-dir of `run`, `attach` or `sidecar` it outlives the instance.
    #[command(subcommand, after_help = OVERRIDE_EXAMPLES)]
    Override(OverrideVerb),
    /// Print the instance CA, or the variables that make programs trust it
    #[command(subcommand)]
    Ca(CaVerb),
    /// Print what a workload is to be given in the place of secrets, a `NAME=value` line for each variable
    ///
    /// `run` sets them by itself. A container that is attached gets them from whoever starts it. They are worth nothing outside of the
    /// instance.
    #[command(after_help = PLACEHOLDERS_EXAMPLES)]
    Placeholders {
        /// Print all of them as JSON, also those that no variable is named for
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        which: Which,
    },
    /// Say which instance runs, under which generation of the policy, and what is wrong with the last change, as JSON
    Status {
        /// Print metrics instead, in Prometheus' text format
        #[arg(long)]
        metrics: bool,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        which: Which,
    },
    /// Check this machine, and try the ways round the proxy
    ///
    /// Looks at the kernel, its switches and what surrounds it, then makes scratch networks as `run` does, tries to get out of them, and
    /// prints one line for each check and attempt: ok, warn, fail or n/a, a name, and what was found; for warn and fail, the cure on the next
    /// line. Nothing is sent to a real network. Root also tries a network with every capability.
    ///
    /// Exit status: 0 if nothing fails, 1 if something does.
    Doctor(DoctorOptions),
    /// Print a completion script
    #[command(
        after_help = "Example:\n  proxy-everything completions bash > ~/.local/share/bash-completion/completions/proxy-everything"
    )]
    Completions {
        /// The shell it is for.
        shell: Shell,
    },
    /// Write the manual pages
    Man {
        /// The folder they are written to.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

const RUN_EXAMPLES: &str = "\
Examples:
  proxy-everything run --policy egress.yaml -- curl https://api.example.com/user
  proxy-everything run --policy egress.yaml --id agent-7 --audit audit.jsonl -- bash
  proxy-everything run -- ./untrusted     (no policy: no name resolves, no connection leads anywhere)";

const ATTACH_EXAMPLES: &str = "\
Examples:
  docker run -d --name agent --network none IMAGE
  proxy-everything attach --container agent --policy egress.yaml
  proxy-everything attach --label egress --policies /etc/egress --policy default.yaml
  proxy-everything attach --netns /run/netns/job-7 --policy egress.yaml --publish 8080:80
  proxy-everything attach --control /run/egress.sock";

const SIDECAR_EXAMPLES: &str = "\
Examples:
  docker run -d --name agent --cap-drop ALL IMAGE
  docker run -d --network container:agent --cap-drop ALL --cap-add SYS_ADMIN --cap-add NET_ADMIN PROXY-IMAGE \\
    proxy-everything sidecar --policy /egress.yaml --publish 0.0.0.0:8080:8080";

const OVERRIDE_EXAMPLES: &str = "\
Examples:
  proxy-everything override allow-host api.example.com
  proxy-everything override deny-host '{\"host\": \"api.example.com\", \"methods\": [\"DELETE\"]}'
  proxy-everything override set-outbound-by-host api.example.com token --instance agent-7
  proxy-everything override set-outbound-handler watch --params '{\"level\": 2}' --all
  proxy-everything override clear";

const PLACEHOLDERS_EXAMPLES: &str = "\
Example:
  proxy-everything placeholders --instance agent-7 > fakes.env && docker exec --env-file fakes.env agent-7 COMMAND";

/// Options of `attach` and `sidecar` alike.
#[derive(Args, Debug)]
pub struct ServeOptions {
    /// The policy document, YAML or JSON; without one, everything is denied. May be given several times: each goes behind those before
    /// it. A change of a file is put in force
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: Vec<PathBuf>,
    /// Where audit lines go: a file to append to, or `-` for standard error [default: as with `run`]
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub audit: Option<PathBuf>,
    /// The instances' class: what kind of workload they are
    #[arg(long, default_value = "", value_name = "NAME", hide_default_value = true)]
    pub class: String,
    /// Let connections from outside reach a port that the workload listens at; may be given several times. Without an address, from
    /// this machine only
    #[arg(long, value_name = "[ADDRESS:]PORT:PORT")]
    pub publish: Vec<Publish>,
    /// How long what is under way may take to finish, in milliseconds, when the proxy ends
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub drain_timeout_ms: u32,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    pub cache: CacheOption,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    pub state: State,
}

/// Options of `attach`.
#[derive(Args, Debug)]
pub struct AttachOptions {
    /// A container, by name or id; may be given several times
    #[arg(long, value_name = "NAME|ID")]
    pub container: Vec<String>,
    /// The network namespace of this process; may be given several times
    #[arg(long, value_name = "PID")]
    pub pid: Vec<u32>,
    /// The network namespace at this path; may be given several times
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub netns: Vec<PathBuf>,
    /// Every container that has this label, now and later. Its labels KEY.id, KEY.class and KEY.policy (the name of a file in the folder
    /// --policies) say what they are
    #[arg(long, value_name = "KEY")]
    pub label: Option<String>,
    /// The folder of policies that labels may name; a change of one is put in force
    #[arg(long, value_name = "DIR", requires = "label", value_hint = ValueHint::DirPath)]
    pub policies: Option<PathBuf>,
    /// The instance's id [default: the container's id, `pid-` and the number, or the file name]
    #[arg(long, value_parser = identifier)]
    pub id: Option<String>,
    /// A unix socket for an admin API that attaches and detaches workloads
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub control: Option<PathBuf>,
    /// The container engine: unix://PATH or a path [default: $DOCKER_HOST, $CONTAINER_HOST, or where Docker and podman listen]
    #[arg(long, value_name = "SOCKET")]
    pub engine: Option<String>,
    /// Whether the instance CA is put into the trust stores of the workload's file system
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Trust::Install)]
    pub trust: Trust,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    pub serve: ServeOptions,
}

/// Options of `sidecar`.
#[derive(Args, Debug)]
pub struct SidecarOptions {
    /// The instance's id
    #[arg(long, default_value = "pod", value_parser = identifier)]
    pub id: String,
    /// Where the network cannot be sealed, share it also with a workload that has NET_RAW or NET_ADMIN, or cannot be seen. Such a workload
    /// can send what it likes past the proxy
    #[arg(long)]
    pub accept_degraded: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    pub serve: ServeOptions,
}

/// Options of `run`.
#[derive(Args, Debug)]
pub struct RunOptions {
    /// The policy document, YAML or JSON; without one, everything is denied. May be given several times: each goes behind those before
    /// it
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: Vec<PathBuf>,
    /// Put changes of the policy file in force while the command runs. Refused if the command could change the file, or what leads
    /// to it: a folder or link on the way, or the file, belongs to its user, or can be written by it. As root that is so in general
    #[arg(long, requires = "policy")]
    pub watch: bool,
    /// Where audit lines go: a file to append to, or `-` for standard error [default: audit.jsonl below /var/log/proxy-everything for root,
    /// below $XDG_STATE_HOME/proxy-everything or ~/.local/state/proxy-everything for others]
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub audit: Option<PathBuf>,
    /// The instance's id, in audit lines and for handlers [default: made up]
    #[arg(long, value_parser = identifier)]
    pub id: Option<String>,
    /// The instance's class: what kind of workload it is
    #[arg(long, default_value = "", value_name = "NAME", hide_default_value = true)]
    pub class: String,
    /// Hide this file or folder from the command too; may be given several times, and wins over --keep
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub mask: Vec<PathBuf>,
    /// Do not hide this file, folder or socket, also if it is below /run; may be given several times. The command can use a socket
    /// that is kept: what listens there is then a way out of its network
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub keep: Vec<PathBuf>,
    /// Let connections from outside reach a port that the command listens at; may be given several times. Without an address, from
    /// this machine only
    #[arg(long, value_name = "[ADDRESS:]PORT:PORT")]
    pub publish: Vec<Publish>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    pub cache: CacheOption,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    pub state: State,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<String>,
}

/// Options of `doctor`.
#[derive(Args, Debug)]
pub struct DoctorOptions {
    /// Print a JSON array instead: objects with `status`, `name`, `found` and, if there is a cure, `fix`
    #[arg(long)]
    pub json: bool,
}

/// Where compiled handlers are kept.
#[derive(Args, Clone, Debug)]
pub struct CacheOption {
    /// The folder that compiled WebAssembly handlers are kept in, so that they are not compiled again at the next start. No workload sees it
    /// [default: /var/cache/proxy-everything/components for root, below $XDG_CACHE_HOME or ~/.cache for others]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cache_dir: Option<PathBuf>,
}

/// Where running instances are found.
#[derive(Args, Clone, Debug)]
pub struct State {
    /// The folder of the admin sockets [default: /run/proxy-everything for root, else $XDG_RUNTIME_DIR/proxy-everything, else
    /// /tmp/proxy-everything-UID]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
}

/// Verbs about the policy.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    Tool(ToolVerb),
    /// Put a document in force in a running instance, without a restart
    ///
    /// Returns when it is in force: the next request on every open connection follows it. A faulty document changes nothing; the exit status
    /// is then 2. It is 3, and nothing changes, if another generation than that of --if-generation is in force.
    Apply {
        /// The document. Of several, each goes behind those before it
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Only if this generation is in force
        #[arg(long, value_name = "N")]
        if_generation: Option<u64>,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        which: Which,
    },
    /// Print the document that is in force
    Show(Which),
}

/// Verbs about the instance CA.
#[derive(Debug, Subcommand)]
pub enum CaVerb {
    /// Print the certificate of a running instance's CA; its key never leaves the proxy
    #[command(
        after_help = "Example:\n  proxy-everything ca export --instance agent-7 > ca.pem\n  proxy-everything ca export --bundle > ca-bundle.pem"
    )]
    Export {
        /// The system's trust bundle, then the CA, as PEM
        #[arg(long, conflicts_with = "format")]
        bundle: bool,
        /// How the certificate is written
        #[arg(long, value_enum, default_value_t = Format::Pem)]
        format: Format,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        which: Which,
    },
    /// Print the variables that make programs trust the CA, a `NAME=value` line for each
    ///
    /// The values are paths inside the workload, the same for every instance. `run` sets them by itself.
    #[command(
        after_help = "Example:\n  proxy-everything ca env > ca.env && docker run --network none --env-file ca.env IMAGE"
    )]
    Env,
}

/// How a certificate is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text (RFC 7468)
    Pem,
    /// Bytes (X.690)
    Der,
}

/// Which running instance is meant; not needed while there is only one.
#[derive(Args, Debug)]
pub struct Which {
    /// The instance's id
    #[arg(long, value_name = "ID", conflicts_with = "socket", value_parser = identifier)]
    pub instance: Option<String>,
    /// Its admin socket
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    pub state: State,
}

/// Which running instances are changed, and under which generation.
#[derive(Args, Debug)]
pub struct Target {
    /// Every instance that runs
    #[arg(long, conflicts_with_all = ["instance", "socket"])]
    pub all: bool,
    /// Only if this generation is in force
    #[arg(long, value_name = "N")]
    pub if_generation: Option<u64>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the group has no text of its own")]
    pub which: Which,
}

/// Prints the completion script for `shell`.
pub fn completions(shell: Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "proxy-everything", &mut std::io::stdout());
}

/// Writes a manual page for each verb into `directory`.
pub fn man(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command(), directory)
}

/// Ids become file names and parts of request ids.
pub(crate) fn identifier(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.len() > 64 || text.starts_with('.') || !text.chars().all(good) {
        return Err("1 to 64 letters, digits, `-`, `_` and `.`, not beginning with `.`".into());
    }
    Ok(text.to_owned())
}
