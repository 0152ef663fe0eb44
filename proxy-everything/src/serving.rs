//! Serving one workload: receives the sockets inside its namespace and its published ports, and runs everything that answers
//! there. Ends in one of two ways: at once, or *drained*, when what is under way may finish and nothing new begins.

use std::{io, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet, time::timeout};

use crate::{
    accept,
    capture::{Inward, Sockets, TransparentSocket},
    dns,
    instance::{Instance, Phase},
    publish::{self, Published, Way},
};

/// For connections that are broken off.
const LAST: Duration = Duration::from_secs(1);

/// An instance that is being served.
pub struct Serving {
    instance: Arc<Instance>,
    entrances: JoinSet<()>,
    /// One slot for each connection that may be open, and their number.
    slots: Arc<Semaphore>,
    connections: u32,
}

impl Serving {
    /// Begins to answer; needs a running tokio runtime.
    pub fn start(instance: &Arc<Instance>, sockets: Sockets, published: Vec<Published>) -> io::Result<Self> {
        instance.enter(Phase::Serving);
        let connections = u32::try_from(instance.current().limits().max_connections()).unwrap_or(u32::MAX);
        let connections = connections.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let slots = Arc::new(Semaphore::new(connections as usize));
        let mut entrances = JoinSet::new();
        for listener in sockets.tcp {
            let listener = TcpListener::from_std(listener)?;
            entrances.spawn(accept::serve(listener, Arc::clone(instance), Arc::clone(&slots)));
        }
        for socket in sockets.dns {
            entrances.spawn(dns::serve(TransparentSocket::new(socket)?, Arc::clone(instance)));
        }
        let inward = Arc::new(Inward::new(sockets.inward));
        instance.publish(published.iter().map(Published::describe).collect::<io::Result<_>>()?);
        for Published { listener, inside } in published {
            let listener = TcpListener::from_std(listener)?;
            let way = Way { inside, inward: Arc::clone(&inward), slots: Arc::clone(&slots) };
            entrances.spawn(publish::serve(listener, way, Arc::clone(instance)));
        }
        Ok(Self { instance: Arc::clone(instance), entrances, slots, connections })
    }

    /// Breaks off what is under way, and returns when its records are written and told.
    pub async fn break_off(mut self) {
        self.entrances.shutdown().await;
        self.instance.enter(Phase::Over);
        if timeout(LAST, self.slots.acquire_many(self.connections)).await.is_err() {
            tracing::warn!(instance = &*self.instance.id, "connections do not end");
        }
        self.instance.queues.close().await;
    }

    /// Lets what is under way finish, for `limit` at most.
    pub async fn drain(mut self, limit: Duration) {
        self.entrances.shutdown().await;
        self.instance.enter(Phase::Draining);
        tracing::info!(instance = &*self.instance.id, "draining: nothing new begins");
        let all_over = self.slots.acquire_many(self.connections);
        if timeout(limit, all_over).await.is_err() {
            tracing::warn!(instance = &*self.instance.id, "connections are cut off: draining took too long");
        }
        self.break_off().await;
    }
}

impl Drop for Serving {
    /// Nothing is answered any more, and what is under way breaks off.
    fn drop(&mut self) {
        self.entrances.abort_all();
        self.instance.enter(Phase::Over);
    }
}
