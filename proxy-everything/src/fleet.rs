//! All instances of one `attach` or `sidecar` process. Receives workloads that run already, seals each and serves it under an identity,
//! a CA and a policy of its own; notices when it ends, and attaches it again when it comes back. Whatever must survive this
//! process is left with the keeper.

mod error;
mod life;
mod member;

use std::{
    collections::BTreeMap,
    io::Write,
    os::fd::AsFd,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use certs::InstanceCa;
use policy::Overrides;
use rustls::pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, OnceCell};

pub use error::FleetError;
use member::{Member, Saved};

use crate::{
    admin::AdminSocket,
    audit::AuditLog,
    capture::{self, CaptureError, Mode, Namespace},
    config::{ConfigError, Document, LazyEngine, Part},
    engine::Engine,
    instance::{Fakes, Instance, Parts},
    keeper::{Keeper, Kept, Share},
    publish::{MAX_INWARD, Publish, Published},
    secrets::Visible,
    serving::Serving,
    state::StateDir,
    tls::TlsOpener,
    watch::PolicyFiles,
};

/// Where a workload is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A container, by name or id.
    Container(String),
    /// The namespace of a process.
    Process(u32),
    /// A namespace with a path.
    Namespace(PathBuf),
    /// The namespace that this process was started in, and has left if it could.
    Pod,
}

/// A policy that a workload is given.
#[derive(Clone, Debug)]
pub enum Given {
    /// Its texts.
    Texts(Vec<Part>),
    /// The files that it is in, which are watched.
    Files(Vec<PathBuf>),
}

/// A workload to attach.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where it is.
    pub origin: Origin,
    /// Its id, if the default will not do.
    pub id: Option<String>,
    /// Its class, if the default will not do.
    pub class: Option<String>,
    /// Its policy, if the default will not do.
    pub policy: Option<Given>,
    /// Ports to publish.
    pub publish: Vec<Publish>,
}

/// Whether the CA is put into the trust stores of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Trust {
    /// It is.
    Install,
    /// Their file systems are left alone.
    Leave,
}

/// What all instances have in common.
pub struct Settings {
    /// Where the admin sockets are.
    pub state: StateDir,
    /// Where records go.
    pub audit: Arc<AuditLog>,
    /// The policy of a workload that has none of its own.
    pub policy: Given,
    /// The folder of the policies that labels may name.
    pub policies: Option<PathBuf>,
    /// The class of a workload that has none of its own.
    pub class: String,
    /// The container engine, if it is not the usual one.
    pub engine: Option<String>,
    /// Whether the CA is put into containers.
    pub trust: Trust,
    /// The namespace of [`Origin::Pod`].
    pub pod: Option<Namespace>,
    /// What holds the workloads.
    pub mode: Mode,
}

/// What came before this proxy.
#[derive(Clone, Debug)]
struct Past {
    /// The generation to go on with.
    generation: u64,
    /// Proxies of this keeper before this one.
    predecessors: u64,
    /// What was changed at run time.
    overrides: Overrides,
    /// What the workload holds in the place of secrets.
    fakes: Fakes,
}

/// The instances by id.
pub struct Fleet {
    settings: Settings,
    keeper: Keeper,
    handlers: Arc<LazyEngine>,
    containers: OnceCell<Engine>,
    members: Mutex<BTreeMap<String, Member>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
    fewer: Notify,
}

impl Fleet {
    /// An empty fleet, whose programs are compiled by `handlers`.
    pub fn new(settings: Settings, keeper: Keeper, handlers: LazyEngine) -> Arc<Self> {
        Arc::new(Self {
            settings,
            keeper,
            handlers: Arc::new(handlers),
            containers: OnceCell::new(),
            members: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            fewer: Notify::new(),
        })
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to the keeper.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Whether a workload from there is a member already.
    pub fn has(&self, origin: &Origin) -> bool {
        self.members().values().any(|member| member.origin == *origin)
    }

    /// The instance of this id.
    pub fn instance(&self, id: &str) -> Option<Arc<Instance>> {
        self.members().get(id).map(|member| Arc::clone(&member.instance))
    }

    /// All instances, by their ids.
    pub fn instances(&self) -> Vec<(String, Arc<Instance>)> {
        let one = |(id, member): (&String, &Member)| (id.clone(), Arc::clone(&member.instance));
        self.members().iter().map(one).collect()
    }

    /// Returns once there is no instance any more.
    pub async fn empty(&self) {
        loop {
            let fewer = self.fewer.notified();
            if self.members().is_empty() {
                return;
            }
            fewer.await;
        }
    }

    /// Attaches a workload; gives the id of its instance. A container that does not run is attached when it starts.
    pub async fn attach(self: &Arc<Self>, wanted: Wanted) -> Result<String, FleetError> {
        let _one_at_a_time = self.changing.lock().await;
        let (origin, pid, default_id) = self.locate(wanted.origin).await?;
        let id = wanted.id.unwrap_or(default_id);
        let same = |(taken, member): (&String, &Member)| {
            (*taken == id || member.origin == origin).then(|| taken.clone())
        };
        if let Some(taken) = self.members().iter().find_map(same) {
            return Err(FleetError::Taken(taken));
        }
        let class = wanted.class.unwrap_or_else(|| self.settings.class.clone());
        let (document, files) = match wanted.policy {
            Some(policy) => first(policy)?,
            None => self.default_policy()?,
        };
        let ca = InstanceCa::new(&id, UnixTime::now()).map_err(FleetError::Ca)?;
        let kept = self.settings.state.kept_overrides(&id);
        let overrides = kept.map(|kept| kept.read(document.parsed())).transpose()?.unwrap_or_default();
        let past = Past { generation: 1, predecessors: 0, overrides, fakes: Fakes::default() };
        let instance = self.make(id.clone(), class, document, ca, past).await?;
        let admin = AdminSocket::bind(self.settings.state.socket(&id))
            .map_err(FleetError::io("bind the admin socket"))?;
        let member = Member::new(instance, origin.clone(), wanted.publish, Arc::new(admin), files);
        self.members().insert(id.clone(), member);
        let runs = pid.is_some() || !matches!(origin, Origin::Container(_));
        if runs && let Err(error) = self.seal(&id, &origin, pid).await {
            self.take(&id);
            return Err(error);
        }
        self.begin_life(&id, origin);
        Ok(id)
    }

    /// Serves what an earlier proxy served.
    pub async fn restore(self: &Arc<Self>, kept: Kept) -> Result<(), FleetError> {
        let _one_at_a_time = self.changing.lock().await;
        let saved = Saved::read(&kept)?;
        let document = Document::merge(saved.policy)?;
        let overrides = Overrides::parse(&saved.overrides, document.parsed())
            .map_err(|fault| ConfigError::Fault { part: None, fault })?;
        let ca = InstanceCa::restore(&saved.ca).map_err(FleetError::Ca)?;
        let past = Past {
            generation: saved.generation,
            predecessors: self.keeper.number().saturating_sub(1),
            overrides,
            fakes: saved.fakes,
        };
        let instance = self.make(kept.id.clone(), saved.class, document, ca, past).await?;
        let (admin, published, sockets) =
            member::sort(kept.descriptors, &saved.publish, self.settings.state.socket(&kept.id))?;
        let (admin, origin) = (Arc::new(admin), saved.origin.clone());
        let mut member = Member::new(Arc::clone(&instance), origin, saved.publish, admin, saved.files);
        if let Some(sockets) = sockets {
            member.pid = saved.pid;
            let serving = Serving::start(&instance, self.own_share(sockets), published);
            member.serving = Some(serving.map_err(FleetError::io("serve the instance"))?);
        }
        self.members().insert(kept.id.clone(), member);
        self.begin_life(&kept.id, saved.origin);
        Ok(())
    }

    /// What is in the file now, for workloads that are attached from now on: denied everything, if that is faulty.
    fn default_policy(&self) -> Result<(Document, Option<Arc<PolicyFiles>>), ConfigError> {
        let Given::Files(paths) = &self.settings.policy else { return first(self.settings.policy.clone()) };
        first(self.settings.policy.clone()).or_else(|error| {
            tracing::error!(%error, ?paths, "a workload is denied everything until this is put right");
            let nothing = Document::parse(String::new(), "/".into())?;
            Ok((nothing, Some(Arc::new(PolicyFiles::at(paths)))))
        })
    }

    /// Compiles handlers, which takes its time.
    async fn make(
        &self,
        id: String,
        class: String,
        document: Document,
        ca: InstanceCa,
        past: Past,
    ) -> Result<Arc<Instance>, FleetError> {
        let parts = Parts {
            kept: self.settings.state.kept_overrides(&id),
            id,
            class,
            mode: self.settings.mode,
            audit: Arc::clone(&self.settings.audit),
            tls: TlsOpener::new(ca).map_err(FleetError::Tls)?,
            engine: Arc::clone(&self.handlers),
            generation: past.generation,
            predecessors: past.predecessors,
            visible: Visible::Nothing,
            fakes: past.fakes,
            overrides: past.overrides,
        };
        let made = tokio::task::spawn_blocking(move || Instance::new(parts, document)).await;
        Ok(Arc::new(made.map_err(FleetError::crashed)??))
    }

    /// Where a workload is, which process it has if it runs, and what it is called by default.
    async fn locate(&self, origin: Origin) -> Result<(Origin, Option<u32>, String), FleetError> {
        Ok(match origin {
            Origin::Container(name) => {
                let container = self.containers().await?.inspect(&name).await?;
                (Origin::Container(container.id.clone()), container.pid, container.id)
            }
            Origin::Process(pid) => (origin, Some(pid), format!("pid-{pid}")),
            Origin::Namespace(path) => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                let name = name.filter(|name| crate::cli::identifier(name).is_ok());
                (Origin::Namespace(path), None, name.unwrap_or_else(|| "netns".into()))
            }
            Origin::Pod => (origin, None, "pod".into()),
        })
    }

    async fn containers(&self) -> Result<&Engine, FleetError> {
        let find = || async { Ok(Engine::find(self.settings.engine.as_deref()).await?) };
        self.containers.get_or_try_init(find).await
    }

    /// Seals the workload's namespace and serves it from then on.
    async fn seal(&self, id: &str, origin: &Origin, pid: Option<u32>) -> Result<(), FleetError> {
        let Some((instance, admin, publish)) = self.members().get(id).map(Member::parts) else {
            return Err(FleetError::Gone(id.to_owned()));
        };
        let bound: Result<Vec<_>, _> = publish.iter().map(|publish| Published::bind(*publish)).collect();
        let published = bound.map_err(FleetError::io("publish a port"))?;
        let described: Result<Vec<_>, _> = published.iter().map(Published::describe).collect();
        let publish = described.map_err(FleetError::io("publish a port"))?;
        if self.settings.mode != Mode::Sealed
            && let Some(itself) = publish.iter().find(|publish| publish.outside.port() == publish.inside)
        {
            return Err(FleetError::SamePort(itself.inside));
        }
        let inward = if publish.is_empty() { 0 } else { 2 * MAX_INWARD };
        let sockets = self.enter(origin, pid, inward, &published).await?;
        if let (Some(pid), Trust::Install) = (pid, self.settings.trust) {
            let compat = instance.current().document().parsed().compat;
            life::trust(pid, instance.tls.ca().pem().to_owned(), compat).await;
        }
        let descriptors =
            member::descriptors(&admin, &published, &sockets).map_err(FleetError::io("keep sockets"))?;
        let serving = Serving::start(&instance, self.own_share(sockets), published);
        let serving = serving.map_err(FleetError::io("serve the instance"))?;
        let mut members = self.members();
        let Some(member) = members.get_mut(id) else { return Err(FleetError::Gone(id.to_owned())) };
        member.pid = pid;
        member.publish = publish;
        member.serving = Some(serving);
        let text = member.save()?;
        self.keeper
            .keep(Kept { id: id.to_owned(), text, descriptors })
            .map_err(FleetError::io("tell the keeper"))?;
        say("attached", id);
        Ok(())
    }

    /// Leaves the other half of the sockets that lead inward to the proxy before or after this one.
    fn own_share(&self, mut sockets: capture::Sockets) -> capture::Sockets {
        let even = sockets.inward.split_off(sockets.inward.len() / 2);
        if Share::of(self.keeper.number()) == Share::Even {
            sockets.inward = even;
        }
        sockets
    }

    async fn enter(
        &self,
        origin: &Origin,
        pid: Option<u32>,
        inward: usize,
        published: &[Published],
    ) -> Result<capture::Sockets, FleetError> {
        if *origin == Origin::Pod && self.settings.mode != Mode::Sealed {
            // Takes some milliseconds, in which there is nothing to be served yet.
            let listeners: Vec<_> = published.iter().map(|published| published.listener.as_fd()).collect();
            return Ok(capture::share(&listeners, inward)?);
        }
        if *origin == Origin::Pod {
            let pod = self.settings.pod.as_ref().ok_or(CaptureError::NoUplink)?.try_clone();
            let pod = pod.map_err(FleetError::io("open the pod's namespace"))?;
            let unplugged = tokio::task::spawn_blocking(move || capture::unplug(&pod, inward)).await;
            return Ok(unplugged.map_err(FleetError::crashed)??);
        }
        let namespace = match (origin, pid) {
            (Origin::Namespace(path), _) => Namespace::at(path)?,
            (_, Some(pid)) => Namespace::of_process(pid)?.0,
            (_, None) => return Err(FleetError::NotRunning),
        };
        if namespace.is_own().map_err(FleetError::io("compare namespaces"))? {
            return Err(FleetError::OwnNamespace);
        }
        let attached = tokio::task::spawn_blocking(move || capture::attach(&namespace, inward)).await;
        Ok(attached.map_err(FleetError::crashed)??)
    }

    /// Detaches a workload, which then has no network. Whether there was one of this id.
    pub async fn remove(&self, id: &str) -> bool {
        let _one_at_a_time = self.changing.lock().await;
        self.take(id)
    }

    fn take(&self, id: &str) -> bool {
        let Some(member) = self.members().remove(id) else { return false };
        let was_attached = member.serving.is_some();
        let instance = Arc::clone(&member.instance);
        member.end();
        tokio::spawn(async move { instance.queues.close().await });
        if let Err(error) = self.keeper.forget(id) {
            tracing::error!(%error, "cannot tell the keeper");
        }
        self.fewer.notify_waiters();
        // One line for each that said it was attached.
        if was_attached {
            say("ended", id);
        }
        true
    }

    /// What there is, for the admin API.
    pub async fn list(&self) -> Vec<Value> {
        let describe = |(id, member): (&String, &Member)| {
            let instance = &member.instance;
            json!({
                "id": id,
                "class": &*instance.class,
                "state": if member.serving.is_some() { "attached" } else { "waiting" },
                "pid": member.pid,
                "generation": instance.current().number(),
                "publish": member.publish,
                "socket": self.settings.state.socket(id),
            })
        };
        self.members().iter().map(describe).collect()
    }

    /// Lets everything under way finish, for `limit` at most, and serves nothing new.
    pub async fn drain(&self, limit: Duration) {
        let leave = |member: &mut Member| {
            member.stop_following();
            member.serving.take()
        };
        let serving: Vec<_> = self.members().values_mut().filter_map(leave).collect();
        let mut draining = tokio::task::JoinSet::new();
        for serving in serving {
            draining.spawn(serving.drain(limit));
        }
        draining.join_all().await;
    }

    /// Takes the admin sockets' files away.
    pub fn remove_sockets(&self) {
        self.members().values().for_each(|member| member.admin.remove());
    }
}

/// What a policy says at first, and the files to watch from then on.
fn first(policy: Given) -> Result<(Document, Option<Arc<PolicyFiles>>), ConfigError> {
    match policy {
        Given::Texts(parts) => Ok((Document::merge(parts)?, None)),
        Given::Files(paths) => {
            let files = PolicyFiles::at(&paths);
            let document = files.document()?;
            Ok((document, Some(Arc::new(files))))
        }
    }
}

/// For whoever waits for it on standard output; if nobody does any more, that is no reason to stop.
fn say(what: &str, id: &str) {
    let _ = writeln!(std::io::stdout(), "{what} {id}");
}
