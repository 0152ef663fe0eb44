//! One instance of a fleet, and the form in which the keeper holds it: a text that only proxies read, and descriptors in a fixed
//! order. The text holds the CA's keys and the placeholders, so it is wiped wherever it was.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixListener,
    },
    path::PathBuf,
    sync::Arc,
};

use certs::KeptCa;
use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use super::{FleetError, Origin};
use crate::{
    admin::AdminSocket,
    capture::Sockets,
    config::Part,
    instance::{Fakes, Instance},
    keeper::Kept,
    publish::{Publish, Published},
    serving::Serving,
    watch::PolicyFiles,
};

/// An instance that is served, or waits for its workload to start.
pub(super) struct Member {
    pub(super) instance: Arc<Instance>,
    pub(super) origin: Origin,
    pub(super) publish: Vec<Publish>,
    pub(super) admin: Arc<AdminSocket>,
    /// Where its policy comes from, if that is watched.
    pub(super) files: Option<Arc<PolicyFiles>>,
    pub(super) serving: Option<Serving>,
    /// The process whose namespace is served.
    pub(super) pid: Option<u32>,
    pub(super) life: Vec<AbortHandle>,
}

impl Member {
    pub(super) fn new(
        instance: Arc<Instance>,
        origin: Origin,
        publish: Vec<Publish>,
        admin: Arc<AdminSocket>,
        files: Option<Arc<PolicyFiles>>,
    ) -> Self {
        Self { instance, origin, publish, admin, files, serving: None, pid: None, life: Vec::new() }
    }

    pub(super) fn parts(&self) -> (Arc<Instance>, Arc<AdminSocket>, Vec<Publish>) {
        (Arc::clone(&self.instance), Arc::clone(&self.admin), self.publish.clone())
    }

    /// Nothing of it goes on.
    pub(super) fn end(self) {
        self.admin.remove();
        self.stop_following();
    }

    /// Whether the workload goes on or not is for another proxy to see.
    pub(super) fn stop_following(&self) {
        self.life.iter().for_each(AbortHandle::abort);
    }

    /// The text for the keeper.
    pub(super) fn save(&self) -> Result<Zeroizing<Vec<u8>>, FleetError> {
        let generation = self.instance.current();
        let saved = Saved {
            class: self.instance.class.to_string(),
            origin: self.origin.clone(),
            generation: generation.number(),
            policy: generation.document().parts().to_vec(),
            overrides: generation.overrides().to_json(),
            fakes: self.instance.fakes.clone(),
            files: self.files.clone(),
            publish: self.publish.clone(),
            pid: self.pid,
            ca: self.instance.tls.ca().keep().map_err(FleetError::Ca)?,
        };
        serde_json::to_vec(&saved).map(Zeroizing::new).map_err(|error| FleetError::Kept(error.to_string()))
    }
}

/// What the keeper's text says.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) class: String,
    pub(super) origin: Origin,
    pub(super) generation: u64,
    pub(super) policy: Vec<Part>,
    pub(super) overrides: String,
    /// An earlier version had none.
    #[serde(default)]
    pub(super) fakes: Fakes,
    pub(super) files: Option<Arc<PolicyFiles>>,
    pub(super) publish: Vec<Publish>,
    pub(super) pid: Option<u32>,
    pub(super) ca: KeptCa,
}

impl Saved {
    pub(super) fn read(kept: &Kept) -> Result<Self, FleetError> {
        serde_json::from_slice(&kept.text).map_err(|error| FleetError::Kept(error.to_string()))
    }
}

/// Copies for the keeper: the admin socket, the published ports, the sockets inside.
pub(super) fn descriptors(
    admin: &AdminSocket,
    published: &[Published],
    sockets: &Sockets,
) -> io::Result<Vec<OwnedFd>> {
    let published = published.iter().map(|published| published.listener.as_fd());
    let all = [admin.listener().as_fd()].into_iter().chain(published).chain(sockets.descriptors());
    all.map(|descriptor| descriptor.try_clone_to_owned()).collect()
}

/// The other way round; there are no sockets inside while the workload does not run.
pub(super) fn sort(
    descriptors: Vec<OwnedFd>,
    publish: &[Publish],
    path: PathBuf,
) -> Result<(AdminSocket, Vec<Published>, Option<Sockets>), FleetError> {
    let mut descriptors = descriptors.into_iter();
    let admin = descriptors.next().ok_or_else(|| FleetError::Kept("there is no admin socket".into()))?;
    let admin = AdminSocket::inherited(UnixListener::from(admin), path);
    let mut rest: Vec<_> = descriptors.collect();
    if rest.is_empty() {
        return Ok((admin, Vec::new(), None));
    }
    let inner = rest.split_off(publish.len().min(rest.len()));
    let pair = |(descriptor, publish): (OwnedFd, &Publish)| Published {
        listener: descriptor.into(),
        inside: publish.inside,
    };
    let published = rest.into_iter().zip(publish).map(pair).collect();
    Ok((admin, published, Some(Sockets::try_from(inner)?)))
}
