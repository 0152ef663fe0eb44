//! Splicing: receives a connection that is neither TLS nor HTTP and that an address rule allows, and passes its bytes on, both
//! ways, half-closes included. A tunnel outlives the policy that opened it for at most a second: when a new generation
//! denies it, it is closed.

use std::{sync::Arc, time::Duration};

use policy::{ConnectionFacts, Protocol, Treatment};
use tokio::io::copy_bidirectional_with_sizes;

use crate::{
    audit::ConnectionTrail, error::ConnectionError, instance::Instance, socket::WorkloadSocket,
    upstream::connect_tcp,
};

/// Each direction's buffer, in bytes; larger ones bring nothing on loopback.
const BUFFER: usize = 64 * 1024;

/// Passes bytes between `socket` and the destination in `trail` until both have ended.
pub async fn run(mut socket: WorkloadSocket, mut trail: ConnectionTrail, instance: &Arc<Instance>) {
    let limits = instance.current().limits().clone();
    let (mut upstream, address) = match connect_tcp(&[trail.destination()], limits.connect()).await {
        Ok(connected) => connected,
        Err(error) => {
            trail.failed(&ConnectionError::Upstream(error));
            return socket.reset();
        }
    };
    trail.upstream(address);
    let traffic = socket.traffic();
    let copied = copy_bidirectional_with_sizes(&mut socket, &mut upstream, BUFFER, BUFFER);
    let ended = tokio::select! {
        copied = copied => copied.map(drop).map_err(ConnectionError::Workload),
        () = revoked(instance, &trail) => Err(ConnectionError::Revoked),
        () = idle(|| traffic.total(), limits.splice_idle()) => Err(ConnectionError::Idle),
    };
    if let Err(error) = ended {
        trail.failed(&error);
        socket.reset();
    }
}

/// Returns once a generation is in force that would not have opened this tunnel.
async fn revoked(instance: &Instance, trail: &ConnectionTrail) {
    let facts = ConnectionFacts { destination: trail.destination(), protocol: Protocol::Opaque };
    let mut generations = instance.generations();
    while generations.changed().await.is_ok() {
        let generation = Arc::clone(&generations.borrow_and_update());
        if !matches!(generation.policy().treat(&facts), Treatment::Splice { .. }) {
            return;
        }
    }
    std::future::pending().await
}

/// Returns once `total` has stood still for `limit`, or up to twice as long.
async fn idle(total: impl Fn() -> u64, limit: Duration) {
    let mut seen = None;
    while seen != Some(total()) {
        seen = Some(total());
        tokio::time::sleep(limit).await;
    }
}
