//! The life of a workload, from the outside: that it ended, that it came back in a new namespace, that it is gone for good. Until
//! a workload that came back is sealed again it has no network at all, because that is how it was started.

use std::{
    fs::File,
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    sync::Arc,
    time::Duration,
};

use super::{Fleet, Origin, Wanted};
use crate::{
    capture::Namespace,
    engine::{Engine, EngineError, EventKind, Filter},
    keeper::Kept,
    trust,
};

/// Between two tries to reach a container engine that has gone away.
const AGAIN: Duration = Duration::from_secs(1);

impl Fleet {
    /// Follows a member from now on.
    pub(super) fn begin_life(self: &Arc<Self>, id: &str, origin: Origin) {
        let policy = tokio::spawn(Arc::clone(self).keep_policy(id.to_owned()));
        let life = tokio::spawn(Arc::clone(self).follow(id.to_owned(), origin));
        if let Some(member) = self.members().get_mut(id) {
            member.life = vec![policy.abort_handle(), life.abort_handle()];
        }
    }

    /// The keeper learns of every policy that is put in force.
    async fn keep_policy(self: Arc<Self>, id: String) {
        let Some(mut generations) = self.members().get(&id).map(|member| member.instance.generations())
        else {
            return;
        };
        while generations.changed().await.is_ok() {
            let text = self.members().get(&id).map(|member| member.save());
            let Some(Ok(text)) = text else { continue };
            let kept = Kept { id: id.clone(), text, descriptors: Vec::new() };
            if let Err(error) = self.keeper.keep(kept) {
                tracing::error!(%error, "cannot tell the keeper");
            }
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
        println!("ended {id}");
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

    async fn follow_label_once(self: &Arc<Self>, key: &str) -> Result<(), super::FleetError> {
        let engine = self.containers().await?;
        let mut events = engine.follow(Filter::Label(key.to_owned())).await?;
        for container in engine.running(key).await? {
            self.attach_labelled(key, &container, engine).await;
        }
        loop {
            let event = events.next().await?;
            if event.kind == EventKind::Started {
                self.attach_labelled(key, &event.id, engine).await;
            }
        }
    }

    /// One container's fault is no reason to leave the others alone.
    async fn attach_labelled(self: &Arc<Self>, key: &str, container: &str, engine: &Engine) {
        if self.has(&Origin::Container(container.to_owned())) {
            // Its own task follows it.
            return;
        }
        let attached = async {
            let labels = engine.inspect(container).await?.labels;
            self.attach(self.labelled(key, container, &labels)?).await
        };
        if let Err(error) = attached.await {
            tracing::error!(%error, container, "cannot attach; the container has no network");
        }
    }

    /// `KEY.policy` names a file in the folder of policies; `KEY.id` and `KEY.class` are what they say.
    fn labelled(
        &self,
        key: &str,
        container: &str,
        labels: &std::collections::BTreeMap<String, String>,
    ) -> Result<Wanted, super::FleetError> {
        let label = |name: &str| labels.get(&format!("{key}.{name}")).cloned();
        let refused = |reason: String| super::FleetError::Label { container: container.to_owned(), reason };
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
    fn named_policy(&self, name: &str) -> Result<(String, std::path::PathBuf), String> {
        let Some(folder) = &self.settings.policies else {
            return Err("its label names a policy, and there is no --policies folder".into());
        };
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(format!("`{name}` is no file name"));
        }
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((text, folder.clone()))
    }
}

/// Puts the CA into the trust stores of the root file system that `pid` sees.
pub(super) fn trust(pid: u32, ca: &str) {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let root = File::options().read(true).custom_flags(flags).open(format!("/proc/{pid}/root"));
    match root {
        // The CA of one workload is nothing that this machine should trust.
        Ok(root) if is_ours(&root) => tracing::info!(pid, "no trust store of its own: see `ca env`"),
        Ok(root) => {
            let installed = trust::install(root.as_fd(), ca, &trust::system_bundle());
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

/// Whether a process without a root file system of its own sees the proxy's.
fn is_ours(root: &File) -> bool {
    let same = || -> std::io::Result<bool> {
        let (theirs, ours) = (root.metadata()?, std::fs::metadata("/")?);
        Ok((theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()))
    };
    same().unwrap_or(true)
}
