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
};

use crate::{
    accept::BACK_OFF,
    audit::{Decision, Kind, Protocol, Record},
    capture::Inward,
    instance::Instance,
};

/// Connections into one workload at once; more wait.
pub const MAX_INWARD: usize = 64;
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

/// Serves one published port until the task is dropped.
pub async fn serve(listener: TcpListener, inside: u16, inward: Arc<Inward>, instance: Arc<Instance>) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                let (inward, instance) = (Arc::clone(&inward), Arc::clone(&instance));
                tokio::spawn(async move {
                    let over = Arc::clone(&instance);
                    tokio::select! {
                        () = relay(stream, client, inside, &inward, instance) => {}
                        () = over.over() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to a published port");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

async fn relay(
    mut stream: TcpStream,
    client: SocketAddr,
    inside: u16,
    inward: &Inward,
    instance: Arc<Instance>,
) {
    let Ok(outside) = stream.local_addr() else { return };
    let mut trail = Trail::open(instance, client, outside, inside);
    let mut entered = match inward.connect(inside).await {
        Ok(entered) => entered,
        Err(error) => {
            tracing::debug!(%error, inside, "the workload does not listen on a published port");
            trail.0.error = Some("connect_failed");
            // Whoever waits for an answer learns at once that there is none.
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            return;
        }
    };
    trail.0.upstream = Some(entered.address);
    let _ = stream.set_nodelay(true);
    let _ = entered.stream.set_nodelay(true);
    match copy_bidirectional_with_sizes(&mut stream, &mut entered.stream, BUFFER, BUFFER).await {
        Ok((from_client, to_client)) => {
            trail.0.bytes_from_workload = to_client;
            trail.0.bytes_to_workload = from_client;
        }
        Err(error) => {
            tracing::debug!(%error, "a connection to a published port broke");
            trail.0.error = Some("broken");
        }
    }
}

/// The record of one inbound connection, written when it is dropped.
struct Trail(Record, Arc<Instance>);

impl Trail {
    fn open(instance: Arc<Instance>, client: SocketAddr, outside: SocketAddr, inside: u16) -> Self {
        let mut record = Record::new(Kind::Inbound, Protocol::Opaque, &instance, client, outside);
        record.decision = Some(Decision::Allow);
        record.rule = Some(format!("publish {outside}:{inside}"));
        Self(record, instance)
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.0.end();
        self.1.audit.write(&self.0);
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
