//! The verbs `attach` and `sidecar`, as the keeper's proxy: take over what an earlier proxy served, attach what was asked for, and
//! serve until there is nothing left to serve or the end is wanted. `sidecar` differs in one thing: the workload's namespace is the
//! one that this program was started in, and whose uplink it takes with it, or shares where it may not leave.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};

use super::{audit_target, in_file, open_audit, read_policy, runtime};
use crate::{
    admin::{AdminSocket, Administered},
    cache::CacheDir,
    capture::{self, Accept, Mode, Namespace},
    cli::{AttachOptions, ServeOptions, SidecarOptions, Verb},
    config::{Document, LazyEngine, Part},
    fleet::{Fleet, Given, Origin, Settings, Trust, Wanted},
    keeper::{self, Keeper, Kept, Lifeline},
    state::StateDir,
    upstream,
};

/// How the keeper holds the namespace that `sidecar` was started in. No instance can have this id.
const POD: &str = "/pod";
/// How it holds the control socket.
const CONTROL: &str = "/control";
/// Between two signs of life to the keeper.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// What this process is asked to serve.
struct Plan {
    wanted: Vec<Wanted>,
    label: Option<String>,
    control: Option<PathBuf>,
    serve: ServeOptions,
    policies: Option<PathBuf>,
    engine: Option<String>,
    trust: Trust,
}

/// The keeper of `attach`.
pub fn keep() -> anyhow::Result<u8> {
    keeper::run(BTreeMap::new())
}

/// The keeper of `sidecar`: leaves the workload's namespace first, so that what is moved out of it comes here. Only where that is
/// forbidden is the network shared.
pub fn keep_pod(options: &SidecarOptions) -> anyhow::Result<u8> {
    let pod = Namespace::own()?;
    let mode = match capture::leave_network() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let accept = if options.accept_degraded { Accept::Degraded } else { Accept::Held };
            capture::mode_of_sharing(accept)?
        }
        left => left.map(|()| Mode::Sealed).context("cannot make a network namespace of our own")?,
    };
    let text = serde_json::to_vec(&mode)?.into();
    let kept = Kept { id: POD.into(), text, descriptors: vec![pod.into_descriptor()] };
    keeper::run(BTreeMap::from([(POD.to_owned(), kept)]))
}

/// A keeper's proxy.
pub fn serve(verb: Verb, keeper: Lifeline) -> anyhow::Result<u8> {
    match verb {
        Verb::Attach(options) => attach(options, keeper),
        Verb::Sidecar(options) => sidecar(options, keeper),
        _ => anyhow::bail!("only workloads that run already have a keeper"),
    }
}

/// The proxy of `attach`.
fn attach(options: AttachOptions, keeper: Lifeline) -> anyhow::Result<u8> {
    let AttachOptions { container, pid, netns, label, id, control, serve, policies, engine, trust } = options;
    let containers = container.into_iter().map(Origin::Container);
    let origins = containers.chain(pid.into_iter().map(Origin::Process));
    let origins: Vec<_> = origins.chain(netns.into_iter().map(Origin::Namespace)).collect();
    anyhow::ensure!(
        !origins.is_empty() || label.is_some() || control.is_some(),
        "nothing to attach: use --container, --pid, --netns, --label or --control"
    );
    anyhow::ensure!(id.is_none() || origins.len() == 1, "--id is for a single workload");
    let publish = serve.publish.clone();
    let wanted = origins.into_iter().map(|origin| Wanted {
        origin,
        id: id.clone(),
        class: None,
        policy: None,
        publish: publish.clone(),
    });
    proxy(Plan { wanted: wanted.collect(), label, control, serve, policies, engine, trust }, keeper)
}

/// The proxy of `sidecar`.
fn sidecar(options: SidecarOptions, keeper: Lifeline) -> anyhow::Result<u8> {
    let SidecarOptions { id, accept_degraded: _, serve } = options;
    let publish = serve.publish.clone();
    let wanted = Wanted { origin: Origin::Pod, id: Some(id), class: None, policy: None, publish };
    let (wanted, trust) = (vec![wanted], Trust::Leave);
    let plan = Plan { wanted, label: None, control: None, serve, policies: None, engine: None, trust };
    proxy(plan, keeper)
}

fn proxy(plan: Plan, keeper: Lifeline) -> anyhow::Result<u8> {
    capture::harden().context("cannot harden this process")?;
    let (keeper, mut kept) = Keeper::meet(keeper).context("the keeper is gone")?;
    let pod = take(&mut kept, POD);
    let mode = pod.as_ref().map_or(Ok(Mode::Sealed), |pod| serde_json::from_slice(&pod.text))?;
    let pod = pod.and_then(first_descriptor).map(Namespace::from);
    let settings = settings(&plan, pod, mode, &kept)?;
    let runtime = runtime()?;
    let control = plan.control.clone();
    let handlers = LazyEngine::new(CacheDir::locate(plan.serve.cache.cache_dir.as_deref()).open());
    let limit = Duration::from_millis(plan.serve.drain_timeout_ms.into());
    let fleet = runtime.block_on(async {
        let fleet = Fleet::new(settings, keeper, handlers);
        let _alive = tokio::spawn(stay_alive(Arc::clone(&fleet)));
        let mut signals = Signals::watch()?;
        let leave = tokio::select! {
            leave = signals.wanted() => leave,
            ended = tend(&fleet, plan, kept) => ended.map(|()| Leave::ForGood)?,
        };
        fleet.drain(limit).await;
        if leave == Leave::ForGood {
            fleet.remove_sockets();
            let _ = control.map(std::fs::remove_file);
        }
        anyhow::Ok(fleet)
    })?;
    // Dropping what is under way writes its records; dropping the instances waits until they are on disk.
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(fleet);
    Ok(0)
}

/// What the keeper holds under an id that is no instance's.
fn take(kept: &mut Vec<Kept>, id: &str) -> Option<Kept> {
    let at = kept.iter().position(|kept| kept.id == id)?;
    Some(kept.swap_remove(at))
}

fn first_descriptor(kept: Kept) -> Option<OwnedFd> {
    kept.descriptors.into_iter().next()
}

fn settings(plan: &Plan, pod: Option<Namespace>, mode: Mode, kept: &[Kept]) -> anyhow::Result<Settings> {
    let serve = &plan.serve;
    let paths = &serve.policy;
    let policy = match first_policy(paths, pod.as_ref()) {
        // Whoever edits those files does not end what is served under the policies that the keeper has.
        Err(error) if !paths.is_empty() && !kept.is_empty() => {
            tracing::error!("{error:#}; workloads that are attached from now on are denied everything");
            Given::Files(paths.clone())
        }
        parts => {
            let parts = parts?;
            // What comes out of a pipe is read once, and cannot be watched.
            let files = !paths.is_empty() && paths.iter().all(|path| path.is_file());
            if files { Given::Files(paths.clone()) } else { Given::Texts(parts) }
        }
    };
    let state = StateDir::locate(serve.state.state_dir.as_deref());
    state.prepare().with_context(|| format!("cannot use {}", state.path().display()))?;
    let policies = plan.policies.as_deref().map(std::path::absolute).transpose()?;
    Ok(Settings {
        state,
        audit: open_audit(&audit_target(serve.audit.as_deref())?)?,
        policy,
        policies,
        class: serve.class.clone(),
        engine: plan.engine.clone(),
        trust: plan.trust,
        pod,
        mode,
    })
}

/// Faults are told with the file's name, before anything is attached.
fn first_policy(paths: &[PathBuf], pod: Option<&Namespace>) -> anyhow::Result<Vec<Part>> {
    let parts = read_policy(paths)?;
    let document = Document::merge(parts.clone()).map_err(|error| in_file(paths, &error))?;
    anyhow::ensure!(
        paths.is_empty()
            || pod.is_none()
            || document.names_servers()
            || !upstream::system_servers_are_local(),
        "the resolver in /etc/resolv.conf listens in the workload's network, where the proxy cannot ask it: name others with \
         `dns.servers` in the policy"
    );
    Ok(parts)
}

/// Tells the keeper that this process does not stand still, from its start to the end of draining.
async fn stay_alive(fleet: Arc<Fleet>) {
    while fleet.keeper().alive().is_ok() {
        tokio::time::sleep(HEARTBEAT).await;
    }
}

/// Returns when there is nothing left to serve.
async fn tend(fleet: &Arc<Fleet>, plan: Plan, mut kept: Vec<Kept>) -> anyhow::Result<()> {
    let control = take(&mut kept, CONTROL).and_then(first_descriptor);
    let earlier = !kept.is_empty();
    for kept in kept {
        let id = kept.id.clone();
        if let Err(error) = fleet.restore(kept).await {
            // The others are served; this one stays closed.
            tracing::error!(%error, id, "cannot serve an instance again");
        }
    }
    // After a crash the keeper knows more than the arguments: what was attached and has ended is not attached again.
    for wanted in plan.wanted.into_iter().filter(|_| !earlier) {
        fleet.attach(wanted).await?;
    }
    let stays = plan.label.is_some() || plan.control.is_some();
    // Ends with this function: what attaches more must not go on while the rest is drained.
    let mut attaching = JoinSet::new();
    if let Some(key) = plan.label {
        attaching.spawn(Arc::clone(fleet).follow_label(key));
    }
    if let Some(path) = plan.control {
        let socket = control_socket(fleet, path, control)?;
        attaching.spawn(Arc::new(socket).serve(Administered::Fleet(Arc::clone(fleet))));
    }
    fleet.keeper().ready()?;
    if stays {
        return std::future::pending().await;
    }
    fleet.empty().await;
    Ok(())
}

/// The one that an earlier proxy bound, or a new one.
fn control_socket(fleet: &Fleet, path: PathBuf, earlier: Option<OwnedFd>) -> anyhow::Result<AdminSocket> {
    if let Some(listener) = earlier {
        return Ok(AdminSocket::inherited(listener.into(), path));
    }
    let socket =
        AdminSocket::bind(path.clone()).with_context(|| format!("cannot bind {}", path.display()))?;
    let descriptors = vec![socket.listener().as_fd().try_clone_to_owned()?];
    fleet.keeper().keep(Kept { id: CONTROL.into(), text: Vec::new().into(), descriptors })?;
    Ok(socket)
}

/// How a proxy leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// Nobody follows it.
    ForGood,
    /// Another one serves the same sockets already.
    ToSuccessor,
}

/// What the keeper says by signals. Others come from a terminal, for the keeper.
struct Signals {
    end: Signal,
    succeeded: Signal,
    _ignored: Vec<Signal>,
}

impl Signals {
    fn watch() -> std::io::Result<Self> {
        let ignored = [SignalKind::interrupt(), SignalKind::hangup(), SignalKind::user_defined2()];
        Ok(Self {
            end: signal(SignalKind::terminate())?,
            succeeded: signal(SignalKind::user_defined1())?,
            _ignored: ignored.into_iter().map(signal).collect::<Result<_, _>>()?,
        })
    }

    async fn wanted(&mut self) -> Leave {
        tokio::select! {
            _ = self.end.recv() => Leave::ForGood,
            _ = self.succeeded.recv() => Leave::ToSuccessor,
        }
    }
}
