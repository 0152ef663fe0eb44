//! Splicing: receives a connection whose bytes may pass unseen, raw or TLS, and passes them on to where the policy says, both
//! ways, half-closes included. A tunnel outlives the policy that opened it for at most a second: when a new generation
//! would not open it, it is closed.

use std::{sync::Arc, time::Duration};

use policy::{ConnectionFacts, Treatment, Tunnel};
use tokio::io::copy_bidirectional_with_sizes;

use crate::{
    accept::Accepted,
    config::Generation,
    error::{ConnectionError, UpstreamError},
    in_force::Rules,
    instance::Instance,
};

/// Each direction's buffer, in bytes; larger ones bring nothing on loopback.
const BUFFER: usize = 64 * 1024;

/// Passes bytes on through `tunnel` until both sides have ended. `facts` are what `generation` decided by.
pub async fn run(
    accepted: Accepted,
    tunnel: Tunnel,
    facts: &ConnectionFacts<'_>,
    generation: Arc<Generation>,
    instance: &Instance,
) {
    let Accepted { mut socket, mut trail } = accepted;
    if instance.audit.is_failing() {
        trail.failed(&ConnectionError::NoAudit);
        return socket.reset();
    }
    trail.spliced(&tunnel, generation.number());
    let limit = generation.limits().splice_idle();
    let dialled = generation.upstream().tunnel(&tunnel);
    let opens = |rules: &Rules| opens(rules, facts, &tunnel);
    let (mut upstream, address) = match instance.in_force.hold(|rules| opens(rules).is_some(), dialled).await
    {
        Ok(connected) => connected,
        Err(error) => {
            trail.failed(&ConnectionError::Upstream(error));
            return socket.reset();
        }
    };
    // A tunnel may last for days, and handlers and pool of its generation need not.
    drop(generation);
    trail.upstream(address);
    let may_lead_there =
        |rules: &Rules| opens(rules).is_some_and(|now| rules.may_dial(now.scheme, &now.to, address));
    let revoked = instance.in_force.until(|rules| (!may_lead_there(rules)).then_some(()));
    let traffic = socket.traffic();
    let copied = copy_bidirectional_with_sizes(&mut socket, &mut upstream, BUFFER, BUFFER);
    let ended = tokio::select! {
        // First, so that nothing passes if the policy changed while the upstream was dialled.
        biased;
        () = revoked => Err(ConnectionError::Upstream(UpstreamError::Revoked)),
        copied = copied => copied.map(drop).map_err(ConnectionError::Workload),
        () = idle(|| traffic.total(), limit) => Err(ConnectionError::Idle),
    };
    if let Err(error) = ended {
        if matches!(error, ConnectionError::Upstream(UpstreamError::Revoked)) {
            // What was not sent yet is not sent.
            let _ = upstream.set_zero_linger();
        }
        trail.failed(&error);
        socket.reset();
    }
}

/// The tunnel that `rules` would open, if it goes to the same place.
fn opens(rules: &Rules, facts: &ConnectionFacts<'_>, tunnel: &Tunnel) -> Option<Tunnel> {
    match rules.policy.treat(facts) {
        Treatment::Splice(now) if now.to == tunnel.to => Some(now),
        _ => None,
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
