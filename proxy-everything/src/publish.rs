//! Published ports, the way in: receives connections from outside at an address that the operator chose, hands their bytes on to a
//! port on the workload's own `lo`. A sealed workload can so serve without having a network. Each connection leaves one record,
//! with the client's address; what is said in it is not looked at.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

use crate::{
    accept::BACK_OFF,
    audit::{Decision, Kind, Protocol, Record},
    capture::{Inward, Lent},
    instance::Instance,
    socket::{Traffic, WorkloadSocket},
    splice::idle,
};

/// Connections into one workload at once; more wait. Each takes two sockets, two proxies have sockets of their own, and the keeper
/// gets all of them in one message.
pub const MAX_INWARD: usize = 48;
/// Each direction's buffer, in bytes.
const BUFFER: usize = 64 * 1024;

/// `[ADDRESS:]PORT:PORT`, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// Where to listen; port 0 lets the kernel choose.
    pub outside: SocketAddr,
    /// The workload's port, on its own loopback address.
    pub inside: u16,
}

impl FromStr for Publish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (outside, inside) = text.rsplit_once(':')?;
            let inside = inside.parse().ok().filter(|port| *port != 0)?;
            let port = |text: &str| text.parse::<u16>().ok();
            let outside = match outside.rsplit_once(':') {
                Some(_) => outside.parse().ok()?,
                None => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port(outside)?),
            };
            Some(Self { outside, inside })
        };
        parse().ok_or_else(|| {
            "expected [ADDRESS:]PORT:PORT, for example 8080:80, 0.0.0.0:8080:80 or [::]:8080:80".into()
        })
    }
}

/// A published port, bound.
#[derive(Debug)]
pub struct Published {
    /// The listening socket.
    pub listener: std::net::TcpListener,
    /// Which port of the workload it leads to.
    pub inside: u16,
}

impl Published {
    /// Binds the outer end, in the proxy's own network.
    pub fn bind(publish: Publish) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(publish.outside)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, inside: publish.inside })
    }

    /// As it is in force, with the port that the kernel chose.
    pub fn describe(&self) -> io::Result<Publish> {
        Ok(Publish { outside: self.listener.local_addr()?, inside: self.inside })
    }
}

/// Where a published port leads.
pub struct Way {
    /// The workload's port.
    pub inside: u16,
    /// Sockets that lead there.
    pub inward: Arc<Inward>,
    /// One for each connection of the instance, in whatever direction.
    pub slots: Arc<Semaphore>,
}

/// Serves one published port until the task is dropped.
pub async fn serve(listener: TcpListener, way: Way, instance: Arc<Instance>) {
    let Way { inside, inward, slots } = way;
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to a published port");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        // While all sockets are in use this one waits here and the others in the kernel, where they cost nothing.
        let Ok(lent) = inward.lend().await else { return };
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let instance = Arc::clone(&instance);
        tokio::spawn(async move {
            let over = Arc::clone(&instance);
            tokio::select! {
                () = relay(stream, client, inside, lent, instance) => {}
                () = over.over() => {}
            }
            drop(slot);
        });
    }
}

async fn relay(mut stream: TcpStream, client: SocketAddr, inside: u16, lent: Lent, instance: Arc<Instance>) {
    let Ok(outside) = stream.local_addr() else { return };
    let mut trail = Trail::open(Arc::clone(&instance), client, outside, inside);
    if let Err(word) = pass(&mut stream, inside, &lent, &mut trail, &instance).await {
        trail.record.error = Some(word);
        // Whoever waits for an answer learns at once that there is none, and whoever reads, that this is not the end.
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

/// Fails with a word from docs/errors.md.
async fn pass(
    stream: &mut TcpStream,
    inside: u16,
    lent: &Lent,
    trail: &mut Trail,
    instance: &Instance,
) -> Result<(), &'static str> {
    let limits = instance.current().limits().clone();
    if instance.audit.is_failing() {
        return Err("audit_failed");
    }
    let (entered, address) = match timeout(limits.connect(), lent.connect(inside)).await {
        Ok(Ok(connected)) => connected,
        failed => {
            tracing::debug!(?failed, inside, "the workload does not answer on a published port");
            return Err("connect_failed");
        }
    };
    trail.record.upstream = Some(address);
    let _ = stream.set_nodelay(true);
    let _ = entered.set_nodelay(true);
    let traffic = Arc::clone(&trail.traffic);
    let mut entered = WorkloadSocket::new(entered, Arc::clone(&traffic));
    let both = async {
        copy_bidirectional_with_sizes(stream, &mut entered, BUFFER, BUFFER).await?;
        lent.delivered().await;
        io::Result::Ok(())
    };
    tokio::select! {
        ended = both => ended.map_err(|error| {
            tracing::debug!(%error, "a connection to a published port broke");
            "broken"
        }),
        () = idle(|| traffic.total(), limits.splice_idle()) => Err("idle"),
    }
}

/// The record of one inbound connection, written when it is dropped.
struct Trail {
    record: Record,
    traffic: Arc<Traffic>,
    instance: Arc<Instance>,
}

impl Trail {
    fn open(instance: Arc<Instance>, client: SocketAddr, outside: SocketAddr, inside: u16) -> Self {
        let mut record = Record::new(Kind::Inbound, Protocol::Opaque, &instance, client, outside);
        record.decision = Some(Decision::Allow);
        record.rule = Some(format!("publish {outside}:{inside}").into());
        Self { record, traffic: Arc::default(), instance }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.record.bytes_from_workload = self.traffic.from_workload();
        self.record.bytes_to_workload = self.traffic.to_workload();
        self.record.end();
        self.instance.audit.write(&self.record, &self.instance.records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_typed() {
        for (text, expected) in [
            ("8080:80", Some(("127.0.0.1:8080", 80))),
            ("0:80", Some(("127.0.0.1:0", 80))),
            ("0.0.0.0:8080:80", Some(("0.0.0.0:8080", 80))),
            ("[::1]:8080:80", Some(("[::1]:8080", 80))),
            ("8080", None),
            ("8080:0", None),
            ("8080:65536", None),
            ("localhost:8080:80", None),
            ("::1:8080:80", None),
            ("", None),
        ] {
            let expected =
                expected.map(|(outside, inside)| Publish { outside: outside.parse().unwrap(), inside });
            assert_eq!(text.parse::<Publish>().ok(), expected, "{text}");
        }
    }
}
