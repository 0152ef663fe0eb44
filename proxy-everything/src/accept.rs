//! Accepting: receives the listeners inside the namespace, hands on each connection with the two addresses that TPROXY
//! preserves: who connects, and where to. Bounded; running out of descriptors slows it down and never stops it.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::Semaphore};

use crate::{
    audit::ConnectionTrail,
    connection,
    instance::Instance,
    socket::{Traffic, WorkloadSocket},
    unless::unless,
};

/// How long to wait when the kernel has nothing to give (EMFILE, for example), before it is asked again.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(50);

/// A connection of the workload, nothing read yet.
pub struct Accepted {
    /// The socket.
    pub socket: WorkloadSocket,
    /// Where from, where to, and the record it will leave.
    pub trail: ConnectionTrail,
}

/// Serves `listener` until the task is dropped.
pub async fn serve(listener: TcpListener, instance: Arc<Instance>, slots: Arc<Semaphore>) {
    loop {
        // Waits while the limit is reached: connections queue in the kernel, where they cost nothing.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let (stream, source) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        // TPROXY: the local address of the accepted socket is where the workload wanted to go.
        let Ok(destination) = stream.local_addr() else { continue };
        let _ = stream.set_nodelay(true);
        let instance = Arc::clone(&instance);
        tokio::spawn(async move {
            let accepted = accepted(stream, source, destination, &instance);
            let over = Arc::clone(&instance);
            {
                let served = pin!(connection::serve(accepted, instance));
                let _ = unless(over.over(), served).await;
                // Dropping what is under way writes its records.
            }
            drop(slot);
        });
    }
}

fn accepted(
    stream: tokio::net::TcpStream,
    source: SocketAddr,
    destination: SocketAddr,
    instance: &Arc<Instance>,
) -> Accepted {
    let traffic = Arc::new(Traffic::default());
    let trail = ConnectionTrail::open(instance, source, unmapped(destination), Arc::clone(&traffic));
    Accepted { socket: WorkloadSocket::new(stream, traffic), trail }
}

/// An IPv4 address in IPv6 clothes (RFC 4291, 2.5.5.2) is judged as what it is.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
