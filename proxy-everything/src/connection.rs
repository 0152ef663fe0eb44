//! One connection's life: accepted, sniffed, treated. The first of the two places where policy is asked. Inspected
//! connections go on as HTTP, spliced ones as raw bytes, refused ones end with a reset; each leaves exactly one record,
//! written when its trail is dropped.

use std::sync::Arc;

use policy::{ConnectionFacts, Treatment};

use crate::{
    accept::Accepted,
    audit::Protocol,
    dns,
    error::ConnectionError,
    http::{self, Transport},
    instance::Instance,
    sniff::{Sniffed, Wire},
    splice,
};

/// Serves `accepted` to its end.
pub async fn serve(accepted: Accepted, instance: Arc<Instance>) {
    if accepted.trail.destination().port() == dns::PORT {
        return dns::serve_connection(accepted, instance).await;
    }
    let silence = instance.current().limits().sniff();
    let Some(sniffed) = accepted.sniff(silence).await else { return };
    match sniffed.wire {
        Wire::Tls => sniffed.inspect_tls(&instance).await,
        Wire::Http1 => sniffed.inspect_plain(Protocol::Http1, &instance).await,
        Wire::Http2 => sniffed.inspect_plain(Protocol::Http2, &instance).await,
        Wire::Opaque => sniffed.splice_or_refuse(&instance).await,
    }
}

impl Sniffed {
    /// A denied name still gets its leaf: inside TLS, the refusal can be read.
    async fn inspect_tls(self, instance: &Arc<Instance>) {
        let Accepted { socket, mut trail } = self.accepted;
        trail.protocol(Protocol::Tls);
        let limit = instance.current().limits().tls_handshake();
        match instance.tls.open(socket, &mut trail, limit).await {
            Ok(opened) => http::serve(opened.stream, opened.transport, opened.version, trail, instance).await,
            Err(error) => trail.failed(&error),
        }
    }

    async fn inspect_plain(self, version: Protocol, instance: &Arc<Instance>) {
        let Accepted { socket, trail } = self.accepted;
        http::serve(socket, Transport::Plain, version, trail, instance).await;
    }

    async fn splice_or_refuse(self, instance: &Arc<Instance>) {
        let Accepted { socket, mut trail } = self.accepted;
        let generation = instance.current();
        trail.generation(generation.number());
        let protocol = policy::Protocol::Opaque;
        match generation.policy().treat(&ConnectionFacts { destination: trail.destination(), protocol }) {
            Treatment::Splice { .. } if instance.audit.is_failing() => {
                trail.failed(&ConnectionError::NoAudit)
            }
            Treatment::Splice { rule } => {
                trail.allowed(Some(&rule));
                return splice::run(socket, trail, instance).await;
            }
            Treatment::Refuse(denial) => trail.denied(&denial),
            // There is nothing to inspect in such bytes, and the policy knows.
            Treatment::Inspect => {}
        }
        socket.reset();
    }
}
