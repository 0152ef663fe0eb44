//! The `run` verb, beat by beat: read the policy, make the instance, seal the command in, serve it, and end as it ends. All
//! that can fail because of what the user wrote fails before the first process is started.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use certs::InstanceCa;
use policy::InstanceFacts;
use rustls::pki_types::UnixTime;
use tokio::task::JoinHandle;

use super::{audit_target, in_file, open_audit, read_policy, signals};
use crate::{
    admin::{AdminSocket, Administered},
    audit::{AuditLog, Target},
    cache::CacheDir,
    capture::{self, Captured, Seal, Writable},
    cli::RunOptions,
    config::{self, ConfigError, Document, LazyEngine, Part},
    environment,
    hidden::Hidden,
    instance::{Fakes, Instance, Parts},
    publish::{MAX_INWARD, Publish, Published},
    secrets::{self, Visible},
    serving::Serving,
    state::StateDir,
    tls::TlsOpener,
    watch::{Command, PolicyFiles, Watch},
};

/// Goes on beside the command, until that ends.
pub type Beside = Box<dyn FnOnce(Arc<Instance>) -> JoinHandle<()>>;

/// What a command is sealed in with.
pub struct Surroundings {
    /// The policy.
    pub parts: Vec<Part>,
    /// Where records go; never seen by the command if it is a file.
    pub audit: Target,
    /// They go there by this.
    pub log: Arc<AuditLog>,
    /// What the command may write to.
    pub writable: Writable,
    /// What else is done.
    pub beside: Vec<Beside>,
}

/// Runs the command and gives its exit status, as a shell would.
pub fn run(options: RunOptions) -> anyhow::Result<u8> {
    let parts = read_policy(&options.policy)?;
    let watch = options.watch.then(|| watch(&options.policy, &parts)).transpose()?;
    let beside = |watch: Watch| -> Beside { Box::new(|instance| tokio::spawn(watch.keep(instance))) };
    let audit = audit_target(options.audit.as_deref())?;
    let log = open_audit(&audit)?;
    let beside = watch.map(beside).into_iter().collect();
    sealed(options, Surroundings { parts, audit, log, writable: Writable::AsUser, beside })
}

/// The same, in surroundings that were made by somebody else.
pub fn sealed(options: RunOptions, surroundings: Surroundings) -> anyhow::Result<u8> {
    let Surroundings { parts, audit, log, writable, beside } = surroundings;
    capture::harden().context("cannot harden this process")?;
    capture::close_on_exec_from(3).context("cannot close inherited descriptors")?;
    let files = options.policy;
    let document = Document::merge(parts).map_err(|error| in_file(&files, &error))?;

    let id = options.id.clone().unwrap_or_else(|| format!("run-{}", std::process::id()));
    let state = StateDir::locate(options.state.state_dir.as_deref());
    state.prepare().with_context(|| format!("cannot use {}", state.path().display()))?;
    let variables = secrets::variables(document.parsed());
    let who = InstanceFacts { id: &id, class: &options.class };
    let stores = config::make_store_paths(&document)?;
    let hidden_files = secrets::files(document.parsed(), &who).into_iter().chain(stores).collect();
    let cache = CacheDir::locate(options.cache.cache_dir.as_deref());
    let hidden = Hidden::choose(ours(&state, &cache, &audit, &hidden_files), &options.mask, &options.keep)?;
    let mut environment = environment::for_workload(std::env::vars_os(), &variables, &hidden.kept);
    // What stands for a secret may have its variable's name, and is no secret: it is put in below.
    let variables = environment.iter().filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect();
    let visible = Visible::shared(variables, hidden_files, hidden.kept.clone());
    let fakes = placeholders(&document, &who, &mut environment).map_err(|error| in_file(&files, &error))?;

    let mut read_only = files.clone();
    read_only.extend(config::trusted_files(&document));
    let ca = InstanceCa::new(&id, UnixTime::now()).context("cannot make the instance CA")?;
    let kept = state.kept_overrides(&id);
    let overrides = kept.as_ref().map(|kept| kept.read(document.parsed())).transpose()?.unwrap_or_default();
    let parts = Parts {
        mode: capture::Mode::Sealed,
        id: id.clone(),
        class: options.class,
        audit: log,
        tls: TlsOpener::new(ca).context("cannot set up TLS")?,
        engine: Arc::new(LazyEngine::new(cache.open())),
        generation: 1,
        predecessors: 0,
        visible,
        fakes,
        overrides,
        kept,
    };
    let instance = Arc::new(Instance::new(parts, document).map_err(|error| in_file(&files, &error))?);
    let published = publish(&options.publish)?;
    let admin = state.socket(&id);
    let admin =
        AdminSocket::bind(admin.clone()).with_context(|| format!("cannot bind {}", admin.display()))?;
    let Hidden { masked, kept } = hidden;
    let seal = Seal { ca_pem: instance.tls.ca().pem().to_owned(), masked, kept, read_only, writable };
    let signals = signals::hold().context("cannot watch for signals")?;
    let inward = if published.is_empty() { 0 } else { MAX_INWARD };
    let captured = capture::run(&options.command, &environment, seal, inward, Stdio::inherit());
    let admin = Arc::new(admin);
    match captured {
        Ok(captured) => serve(captured, signals, instance, published, &admin, beside),
        Err(error) => {
            admin.remove();
            Err(error.into())
        }
    }
}

/// Makes what the command holds in the place of secrets, and puts it into its environment.
fn placeholders(
    document: &Document,
    who: &InstanceFacts<'_>,
    environment: &mut Vec<(OsString, OsString)>,
) -> Result<Fakes, ConfigError> {
    let fakes = Fakes::default();
    environment::put(environment, &fakes.of(document.parsed(), who)?);
    Ok(fakes)
}

fn publish(wanted: &[Publish]) -> anyhow::Result<Vec<Published>> {
    let bind = |publish: &Publish| {
        Published::bind(*publish).with_context(|| format!("cannot publish {}", publish.outside))
    };
    wanted.iter().map(bind).collect()
}

/// The command has our user, and must not be able to change its own policy.
fn watch(paths: &[PathBuf], parts: &[Part]) -> anyhow::Result<Watch> {
    let command = Command::ours().context("--watch")?;
    for path in paths {
        command.follow(path).with_context(|| format!("--watch: cannot watch {}", path.display()))?;
    }
    let texts = parts.iter().map(|part| part.text.clone()).collect();
    Ok(Watch::new(Arc::new(PolicyFiles::at(paths).with(texts)), Some(command)))
}

/// What the workload never sees, whatever is kept: secrets and stores, our state, compiled handlers and our records.
fn ours(state: &StateDir, cache: &CacheDir, audit: &Target, secrets: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut ours: Vec<PathBuf> = secrets.iter().cloned().collect();
    ours.push(state.path().to_owned());
    ours.extend(cache.paths());
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
    published: Vec<Published>,
    admin: &Arc<AdminSocket>,
    beside: Vec<Beside>,
) -> anyhow::Result<u8> {
    let Captured { sockets, agent, command } = captured;
    signals::pass_on(signals, command).context("cannot pass signals on")?;
    let runtime = super::runtime()?;
    let status = runtime.block_on(async {
        let serving = Serving::start(&instance, sockets, published)?;
        tokio::spawn(Arc::clone(admin).serve(Administered::Instance(Arc::clone(&instance))));
        let beside: Vec<_> = beside.into_iter().map(|begin| begin(Arc::clone(&instance))).collect();
        let status = ended(agent).await;
        serving.break_off().await;
        beside.iter().for_each(JoinHandle::abort);
        status
    })?;
    // Dropping what is under way writes its records; dropping the instance waits until they are on disk.
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(instance);
    admin.remove();
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

async fn ended(mut agent: Child) -> anyhow::Result<ExitStatus> {
    Ok(tokio::task::spawn_blocking(move || agent.wait()).await??)
}
