//! Splicing: receives a connection whose bytes may pass unseen, raw or TLS, and passes them on to where the policy says, both
//! ways, half-closes included. A tunnel outlives the policy that opened it for at most a second: when a new generation
//! would not open it, it is closed.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use policy::{ConnectionFacts, Treatment, Tunnel};
use tokio::io::copy_bidirectional_with_sizes;

use crate::{accept::Accepted, config::Generation, error::ConnectionError, instance::Instance};

/// Each direction's buffer, in bytes; larger ones bring nothing on loopback.
const BUFFER: usize = 64 * 1024;

/// Passes bytes on through `tunnel` until both sides have ended. `facts` are what `generation` decided by.
pub async fn run(
    accepted: Accepted,
    tunnel: Tunnel,
    facts: &ConnectionFacts<'_>,
    generation: &Generation,
    instance: &Instance,
) {
    let Accepted { mut socket, mut trail } = accepted;
    if instance.audit.is_failing() {
        trail.failed(&ConnectionError::NoAudit);
        return socket.reset();
    }
    trail.spliced(&tunnel, generation.number());
    let (mut upstream, address) = match generation.upstream().tunnel(&tunnel).await {
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
        // First, so that nothing passes if the policy changed while the upstream was dialled.
        biased;
        () = revoked(instance, facts, &tunnel, address) => Err(ConnectionError::Revoked),
        copied = copied => copied.map(drop).map_err(ConnectionError::Workload),
        () = idle(|| traffic.total(), generation.limits().splice_idle()) => Err(ConnectionError::Idle),
    };
    if let Err(error) = ended {
        trail.failed(&error);
        socket.reset();
    }
}

/// Returns once a generation is in force that would not have opened this tunnel to this address.
async fn revoked(instance: &Instance, facts: &ConnectionFacts<'_>, tunnel: &Tunnel, address: SocketAddr) {
    let mut generations = instance.generations();
    loop {
        let generation = Arc::clone(&generations.borrow_and_update());
        let opens = match generation.policy().treat(facts) {
            Treatment::Splice(now) => now.to == tunnel.to && generation.upstream().may_reach(&now, address),
            _ => false,
        };
        if !opens {
            return;
        }
        if generations.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Returns once `total` has stood still for `limit`, or up to twice as long.
pub async fn idle(total: impl Fn() -> u64, limit: Duration) {
    let mut seen = None;
    while seen != Some(total()) {
        seen = Some(total());
        tokio::time::sleep(limit).await;
    }
}
