//! The life of a workload, from the outside: that it ended, that it came back in a new namespace, that it is gone for good. Until
//! a workload that came back is sealed again it has no network at all, because that is how it was started.

use std::{
    fs::File,
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    sync::Arc,
    time::Duration,
};

use policy::Compat;

use super::{Fleet, FleetError, Given, Member, Origin, Wanted};
use crate::{
    admin::Administered,
    capture::Namespace,
    engine::{Engine, EngineError, EventKind, Filter},
    keeper::Kept,
    trust::{self, TrustError},
    watch::Watch,
};

/// Between two tries to reach a container engine that has gone away.
const AGAIN: Duration = Duration::from_secs(1);

/// For a container whose id is taken.
const TRIES: u32 = 10;
/// For the trust stores of one workload.
const TRUST: Duration = Duration::from_secs(5);

impl Fleet {
    /// Follows a member from now on.
    pub(super) fn begin_life(self: &Arc<Self>, id: &str, origin: Origin) {
        let mut members = self.members();
        let Some(member) = members.get_mut(id) else { return };
        // Also while the workload does not run: its policy can be changed before it comes back.
        let administered = Administered::Instance(Arc::clone(&member.instance));
        let admin = tokio::spawn(Arc::clone(&member.admin).serve(administered));
        let (fleet, name) = (Arc::downgrade(self), id.to_owned());
        member.instance.tell_successor(move || {
            fleet.upgrade().inspect(|fleet| fleet.keep(&name));
        });
        let life = tokio::spawn(Arc::clone(self).follow(id.to_owned(), origin));
        let files = member.files.clone().map(|files| Watch::new(files, None));
        let watch = files.map(|watch| tokio::spawn(watch.keep(Arc::clone(&member.instance))));
        let tasks = [admin, life].into_iter().chain(watch);
        member.life = tasks.map(|task| task.abort_handle()).collect();
    }

    /// The keeper learns of every change that is put in force.
    fn keep(&self, id: &str) {
        // Locked until it is told, so that nothing older is told after it.
        let members = self.members();
        let Some(Ok(text)) = members.get(id).map(Member::save) else { return };
        if let Err(error) = self.keeper.keep(Kept { id: id.to_owned(), text, descriptors: Vec::new() }) {
            tracing::error!(%error, "cannot tell the keeper");
        }
    }

    async fn follow(self: Arc<Self>, id: String, origin: Origin) {
        match origin {
            Origin::Namespace(_) | Origin::Pod => {}
            Origin::Process(pid) => self.follow_process(&id, pid).await,
            Origin::Container(container) => match self.containers().await {
                Ok(engine) => self.follow_container(&id, &container, engine).await,
                Err(error) => tracing::error!(%error, id, "cannot follow the container"),
            },
        }
    }

    async fn follow_process(&self, id: &str, pid: u32) {
        if let Ok((_, process)) = Namespace::of_process(pid)
            && let Err(error) = process.ended().await
        {
            tracing::error!(%error, id, "cannot wait for the process");
        }
        self.remove(id).await;
    }

    async fn follow_container(&self, id: &str, container: &str, engine: &Engine) {
        loop {
            match engine.follow(Filter::Container(container.to_owned())).await {
                Ok(mut events) => {
                    // What happened while nobody listened.
                    let mut there = self.look(id, container, engine).await;
                    while there && let Ok(event) = events.next().await {
                        there = event.kind != EventKind::Removed && self.look(id, container, engine).await;
                    }
                    if !there {
                        self.remove(id).await;
                        return;
                    }
                }
                Err(EngineError::NeedsSocket) => {
                    let pid = self.members().get(id).and_then(|member| member.pid);
                    return self.follow_process(id, pid.unwrap_or_default()).await;
                }
                Err(error) => tracing::warn!(%error, id, "cannot follow the container; trying again"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Makes the member what its container is. `false`: the container is gone for good.
    async fn look(&self, id: &str, container: &str, engine: &Engine) -> bool {
        let _one_at_a_time = self.changing.lock().await;
        let pid = match engine.inspect(container).await {
            Ok(container) => container.pid,
            Err(EngineError::NoSuchContainer { .. }) => return false,
            Err(error) => {
                tracing::warn!(%error, id, "cannot look at the container");
                return true;
            }
        };
        let served = self.members().get(id).and_then(|member| member.pid);
        if pid == served {
            return true;
        }
        if served.is_some() {
            self.rest(id);
        }
        if pid.is_some() {
            let origin = Origin::Container(container.to_owned());
            if let Err(error) = self.seal(id, &origin, pid).await {
                tracing::error!(%error, id, "cannot attach the container again; it has no network");
            }
        }
        true
    }

    /// The workload has ended and may come back: identity, CA and policy stay.
    fn rest(&self, id: &str) {
        let mut members = self.members();
        let Some(member) = members.get_mut(id) else { return };
        member.serving = None;
        member.pid = None;
        let admin = member.admin.listener().as_fd().try_clone_to_owned();
        let kept = member.save().ok().zip(admin.ok());
        let told = self.keeper.forget(id).and_then(|()| match kept {
            Some((text, admin)) => {
                self.keeper.keep(Kept { id: id.to_owned(), text, descriptors: vec![admin] })
            }
            None => Ok(()),
        });
        if let Err(error) = told {
            tracing::error!(%error, "cannot tell the keeper");
        }
        super::say("ended", id);
    }

    /// Attaches every container that has the label `key`, now and later, as its labels say. Runs until it is dropped.
    pub async fn follow_label(self: Arc<Self>, key: String) {
        loop {
            if let Err(error) = self.follow_label_once(&key).await {
                tracing::warn!(%error, "cannot follow the container engine; trying again");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn follow_label_once(self: &Arc<Self>, key: &str) -> Result<(), FleetError> {
        let engine = self.containers().await?;
        let mut events = engine.follow(Filter::Label(key.to_owned())).await?;
        for container in engine.running(key).await? {
            tokio::spawn(Arc::clone(self).attach_labelled(key.to_owned(), container, engine.clone()));
        }
        loop {
            let event = events.next().await?;
            if event.kind == EventKind::Started {
                tokio::spawn(Arc::clone(self).attach_labelled(key.to_owned(), event.id, engine.clone()));
            }
        }
    }

    /// One container's fault is no reason to leave the others alone.
    async fn attach_labelled(self: Arc<Self>, key: String, container: String, engine: Engine) {
        // One that takes the place of another has its id, and may start before it is known that the other has gone.
        for _ in 0..TRIES {
            if self.has(&Origin::Container(container.clone())) {
                // Its own task follows it.
                return;
            }
            let attached = async {
                let labels = engine.inspect(&container).await?.labels;
                self.attach(self.labelled(&key, &container, &labels)?).await
            };
            match attached.await {
                Ok(_) => return,
                Err(FleetError::Taken(_)) => tokio::time::sleep(AGAIN).await,
                Err(error) => {
                    return tracing::error!(%error, container, "cannot attach; the container has no network");
                }
            }
        }
        tracing::error!(container, "its id is taken; the container has no network");
    }

    /// `KEY.policy` names a file in the folder of policies; `KEY.id` and `KEY.class` are what they say.
    fn labelled(
        &self,
        key: &str,
        container: &str,
        labels: &std::collections::BTreeMap<String, String>,
    ) -> Result<Wanted, FleetError> {
        let label = |name: &str| labels.get(&format!("{key}.{name}")).cloned();
        let refused = |reason: String| FleetError::Label { container: container.to_owned(), reason };
        let id = label("id");
        if let Some(id) = &id {
            crate::cli::identifier(id).map_err(refused)?;
        }
        let policy = match label("policy") {
            None => None,
            Some(name) => Some(self.named_policy(&name).map_err(refused)?),
        };
        let origin = Origin::Container(container.to_owned());
        Ok(Wanted { origin, id, class: label("class"), policy, publish: Vec::new() })
    }

    /// Whoever labels containers chooses among the operator's policies, and reads no other file.
    fn named_policy(&self, name: &str) -> Result<Given, String> {
        let Some(folder) = &self.settings.policies else {
            return Err("its label names a policy, and there is no --policies folder".into());
        };
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(format!("`{name}` is no file name"));
        }
        Ok(Given::Files(vec![folder.join(name)]))
    }
}

/// Puts the CA into the trust stores of the root file system that `pid` sees. That may be a file system of the workload's own making,
/// which need not ever answer.
pub(super) async fn trust(pid: u32, ca: String, compat: Compat) {
    let installed = tokio::task::spawn_blocking(move || install(pid, &ca, compat));
    if tokio::time::timeout(TRUST, installed).await.is_err() {
        tracing::warn!(pid, "the workload's file system does not answer: its trust store may be as it was");
    }
}

fn install(pid: u32, ca: &str, compat: Compat) {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let root = File::options().read(true).custom_flags(flags).open(format!("/proc/{pid}/root"));
    match root {
        Ok(root) => {
            let installed = trust::install(root.as_fd(), ca, &trust::system_bundle(), compat);
            // The CA of one workload is nothing that this machine should trust.
            if let [(_, TrustError::OwnRoot)] = installed.refused.as_slice() {
                return tracing::info!(pid, "no trust store of its own: see `ca env`");
            }
            tracing::info!(pid, changed = ?installed.changed, "the CA is in the workload's trust store");
            for (path, error) in installed.refused {
                tracing::warn!(pid, path = %path.display(), %error, "a trust store is left as it is");
            }
        }
        Err(error) => {
            tracing::warn!(pid, %error, "cannot open the workload's root: its trust store is left as it is")
        }
    }
}
