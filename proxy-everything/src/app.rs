//! The `run` verb, beat by beat: read the policy, make the instance, seal the command in, serve it, and end as it ends. All
//! that can fail because of what the user wrote fails before the first process is started.

mod signals;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::Arc,
};

use anyhow::{Context, anyhow};
use certs::InstanceCa;
use rustls::pki_types::UnixTime;
use tokio::sync::Semaphore;

use crate::{
    accept,
    admin::AdminSocket,
    audit::{AuditLog, Target},
    capture::{self, Captured, Seal, TransparentSocket},
    cli::RunOptions,
    config::{self, ConfigError, Document, Visible},
    dns, environment,
    hidden::Hidden,
    instance::{Instance, Parts},
    state::StateDir,
    tls::TlsOpener,
};

/// Runs the command and gives its exit status, as a shell would.
pub fn run(options: RunOptions) -> anyhow::Result<u8> {
    capture::harden().context("cannot harden this process")?;
    capture::close_on_exec_from(3).context("cannot close inherited descriptors")?;
    let shown = options.policy.clone().unwrap_or_else(|| "(no policy)".into());
    let (text, base) = read_policy(options.policy.as_deref())?;
    let document = Document::parse(text, base).map_err(|error| in_file(&shown, error))?;

    let id = options.id.clone().unwrap_or_else(|| format!("run-{}", std::process::id()));
    let state = StateDir::locate(options.state.state_dir.as_deref());
    state.prepare().with_context(|| format!("cannot use {}", state.path().display()))?;
    let audit = audit_target(options.audit.as_deref())?;
    let secrets = config::secret_variables(&document);
    let hidden_files = config::secret_files(&document);
    let hidden = Hidden::choose(ours(&state, &audit, &hidden_files), &options.mask, &options.keep)?;
    let environment = environment::for_workload(std::env::vars_os(), &secrets, &hidden.kept);
    let visible = Visible {
        variables: environment.iter().filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect(),
        hidden_files,
        kept: hidden.kept.clone(),
    };

    let mut read_only: Vec<PathBuf> = options.policy.into_iter().collect();
    read_only.extend(config::trusted_files(&document));
    let ca = InstanceCa::new(&id, UnixTime::now()).context("cannot make the instance CA")?;
    let parts = Parts {
        id: id.clone(),
        class: options.class,
        audit: AuditLog::open(&audit).with_context(|| format!("cannot open the audit log {audit}"))?,
        tls: TlsOpener::new(ca).context("cannot set up TLS")?,
        visible,
    };
    let instance = Instance::new(parts, document).map_err(|error| in_file(&shown, error))?;
    let instance = Arc::new(instance);
    let admin = state.socket(&id);
    let admin =
        AdminSocket::bind(admin.clone()).with_context(|| format!("cannot bind {}", admin.display()))?;
    let Hidden { masked, kept } = hidden;
    let seal = Seal { ca_pem: instance.tls.ca().pem().to_owned(), masked, kept, read_only };
    let signals = signals::hold().context("cannot watch for signals")?;
    let captured = capture::run(&options.command, &environment, &seal, Stdio::inherit())?;
    serve(captured, signals, instance, admin)
}

/// The text, and the folder that its relative paths start from. No policy is an empty one.
fn read_policy(path: Option<&Path>) -> anyhow::Result<(String, PathBuf)> {
    let Some(path) = path else { return Ok((String::new(), "/".into())) };
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let base = std::path::absolute(path)?.parent().unwrap_or_else(|| Path::new("/")).to_owned();
    Ok((text, base))
}

/// `FILE:LINE:COLUMN: text`, the form that editors jump to.
fn in_file(path: &Path, error: ConfigError) -> anyhow::Error {
    let separator = if error.position().is_some() { ":" } else { ": " };
    anyhow!("{}{separator}{error}", path.display())
}

/// Not the terminal: the command's output belongs there.
fn audit_target(given: Option<&Path>) -> anyhow::Result<Target> {
    match given {
        Some(path) if path == Path::new("-") => return Ok(Target::Stderr),
        Some(path) => return Ok(Target::File(path.to_owned())),
        None => {}
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = if nix::unistd::geteuid().is_root() {
        PathBuf::from("/var/log")
    } else {
        let home = || variable("HOME").map(|home| home.join(".local/state"));
        variable("XDG_STATE_HOME")
            .or_else(home)
            .context("there is no home folder for the audit log: use --audit")?
    };
    let directory = directory.join("proxy-everything");
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {} for the audit log: use --audit", directory.display()))?;
    Ok(Target::File(directory.join("audit.jsonl")))
}

/// What the workload never sees, whatever is kept: secrets, our state and our records.
fn ours(state: &StateDir, audit: &Target, secrets: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut ours: Vec<PathBuf> = secrets.iter().cloned().collect();
    ours.push(state.path().to_owned());
    if let Target::File(path) = audit {
        ours.push(path.clone());
    }
    ours
}

/// Serves the captured command until it ends.
fn serve(
    captured: Captured,
    signals: signals::Held,
    instance: Arc<Instance>,
    admin: AdminSocket,
) -> anyhow::Result<u8> {
    let Captured { tcp, dns, agent, command } = captured;
    signals::pass_on(signals, command).context("cannot pass signals on")?;
    if let Err(error) = capture::raise_descriptor_limit() {
        tracing::warn!(%error, "the number of connections is bounded by the descriptors that may be open");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("proxy").build()?;
    let slots = Arc::new(Semaphore::new(instance.current().limits().max_connections()));
    let status = runtime.block_on(async {
        for listener in tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(accept::serve(listener, Arc::clone(&instance), Arc::clone(&slots)));
        }
        for socket in dns {
            tokio::spawn(dns::serve(TransparentSocket::new(socket)?, Arc::clone(&instance)));
        }
        tokio::spawn(admin.serve(Arc::clone(&instance)));
        ended(agent).await
    })?;
    // Dropping what is under way writes its records; dropping the instance waits until they are on disk.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    drop(instance);
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

async fn ended(mut agent: Child) -> anyhow::Result<ExitStatus> {
    Ok(tokio::task::spawn_blocking(move || agent.wait()).await??)
}
