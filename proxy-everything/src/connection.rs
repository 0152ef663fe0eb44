//! One connection's life: accepted, sniffed, treated. The first of the two places where policy is asked, and asked as soon as
//! what is known is enough: before the first byte for raw rules, after the ClientHello for TLS that may pass through. Inspected
//! connections go on as HTTP, spliced ones as raw bytes, refused ones end with a reset; each leaves exactly one record,
//! written when its trail is dropped.

use std::sync::Arc;

use policy::{ConnectionFacts, Treatment};
use tokio::time::Instant;

use crate::{
    accept::Accepted,
    audit::Protocol,
    dns,
    http::{self, Transport},
    instance::Instance,
    sniff::{Sniffed, Wire},
    splice,
};

/// Serves `accepted` to its end.
pub async fn serve(accepted: Accepted, instance: Arc<Instance>) {
    let destination = accepted.trail.destination();
    if destination.port() == dns::PORT {
        return dns::serve_connection(accepted, instance).await;
    }
    let names = instance.names.of(destination.ip());
    let unread = ConnectionFacts { destination, names: &names, protocol: policy::Protocol::Unread };
    let Some(accepted) = treat(accepted, unread, &instance).await else { return };
    let limits = instance.current().limits().clone();
    let Some(Sniffed { accepted, wire }) = accepted.sniff(&limits).await else { return };
    match wire {
        Wire::Tls => open(accepted, unread, &instance).await,
        Wire::Http1 => plain(accepted, Protocol::Http1, &instance).await,
        Wire::Http2 => plain(accepted, Protocol::Http2, &instance).await,
        Wire::Opaque => {
            let opaque = ConnectionFacts { protocol: policy::Protocol::Opaque, ..unread };
            // There is nothing to inspect in such bytes, and the policy knows.
            if let Some(Accepted { socket, .. }) = treat(accepted, opaque, &instance).await {
                socket.reset();
            }
        }
    }
}

/// Does what the policy says, and gives the connection back if that is to inspect it.
async fn treat(accepted: Accepted, facts: ConnectionFacts<'_>, instance: &Arc<Instance>) -> Option<Accepted> {
    let generation = instance.current();
    match generation.policy().treat(&facts) {
        Treatment::Inspect => return Some(accepted),
        Treatment::Splice(tunnel) => splice::run(accepted, tunnel, &facts, generation, instance).await,
        Treatment::Refuse(denial) => {
            let Accepted { socket, mut trail } = accepted;
            trail.denied(&denial, generation.number());
            socket.reset();
        }
    }
    None
}

/// A denied name still gets its leaf: inside TLS, the refusal can be read.
async fn open(mut accepted: Accepted, facts: ConnectionFacts<'_>, instance: &Arc<Instance>) {
    accepted.trail.protocol(Protocol::Tls);
    let generation = instance.current();
    let deadline = Instant::now() + generation.limits().tls_handshake();
    if generation.policy().asks_for_server_names() {
        let name = match accepted.socket.server_name(deadline).await {
            Ok(name) => name,
            Err(error) => return accepted.trail.failed(&error),
        };
        if let Some(name) = &name {
            accepted.trail.server_name(name);
        }
        let protocol = policy::Protocol::Tls { server_name: name.as_ref() };
        match treat(accepted, ConnectionFacts { protocol, ..facts }, instance).await {
            Some(inspected) => accepted = inspected,
            None => return,
        }
    }
    // The connection may outlive this generation by far, and its handlers and upstream connections must not be kept for that.
    drop(generation);
    let Accepted { socket, mut trail } = accepted;
    match instance.tls.open(socket, &mut trail, deadline).await {
        Ok(opened) => http::serve(opened.stream, opened.transport, opened.version, trail, instance).await,
        Err(error) => trail.failed(&error),
    }
}

async fn plain(accepted: Accepted, version: Protocol, instance: &Arc<Instance>) {
    let Accepted { socket, trail } = accepted;
    http::serve(socket, Transport::Plain, version, trail, instance).await;
}
