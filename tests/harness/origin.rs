//! The scripted far side: an HTTP server, usually on 127.0.0.1 and ::1, that a test can question.
//!
//! Receives whatever the proxy sends, remembers every request, and answers by path (see [`routes`]). It runs on a
//! thread of its own, on ports that the kernel picks, and ends when it is dropped.

mod body;
mod heard;
mod routes;
mod serve;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use http::{HeaderMap, Method, Uri, Version};
use tokio::sync::{oneshot, watch};

pub use body::pattern_sha256;

use crate::{Certificate, Clients, HOST, TestCa};

/// How an origin is set up.
pub struct Settings {
    /// The names it serves; each gets a `resolve` entry in the policy.
    pub names: Vec<String>,
    /// Plain or TLS.
    pub transport: Transport,
    /// Which HTTP versions it speaks.
    pub versions: Versions,
    /// Whom it talks to over TLS.
    pub clients: Clients,
    /// What `x-auth-token` must be for `/token`.
    pub token: String,
    /// A directory served below `/files/`.
    pub files: Option<PathBuf>,
    /// Where it listens, v4 first.
    pub listen: [IpAddr; 2],
}

/// Plain or TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As port 80.
    Plain,
    /// As port 443.
    Tls(Certificate),
}

/// The HTTP versions that an origin speaks. A plain one speaks HTTP/1.1, unless it is to speak HTTP/2 alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Only HTTP/1.1.
    Http1,
    /// Only HTTP/2.
    Http2,
    /// Both, the client chooses.
    Both,
}

/// One request, as the origin saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Its target.
    pub uri: Uri,
    /// Its HTTP version.
    pub version: Version,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Which connection it came on, counted from 0.
    pub connection: u64,
    /// Who sent it.
    pub peer: SocketAddr,
}

/// A running origin.
pub struct Origin {
    addresses: [SocketAddr; 2],
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    settings: Settings,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicU64,
    /// Connections that are open, those that still shake hands among them.
    open: AtomicU64,
    /// Bytes of the bodies that were sent to `/upload` and `/duplex`.
    received: AtomicU64,
    /// What came on all connections, with TLS and without; of each the beginning.
    heard: Mutex<Vec<u8>>,
    held: watch::Sender<bool>,
    /// The names of `/parts` that may go on.
    more: watch::Sender<BTreeSet<String>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            names: vec![HOST.to_owned()],
            transport: Transport::Tls(Certificate::Valid),
            versions: Versions::Both,
            clients: Clients::Anyone,
            token: String::new(),
            files: None,
            listen: [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        }
    }
}

impl Origin {
    /// Starts listening; `ca` signs its certificate.
    pub fn start(ca: &TestCa, settings: Settings) -> Self {
        let listeners = settings.listen.map(|ip| TcpListener::bind((ip, 0)).expect("listen"));
        let addresses = [0, 1].map(|index: usize| listeners[index].local_addr().expect("an address"));
        let tls = serve::tls(ca, &settings);
        let (held, _) = watch::channel(true);
        let shared = Arc::new(Shared {
            settings,
            seen: Mutex::default(),
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            received: AtomicU64::new(0),
            heard: Mutex::default(),
            held,
            more: watch::Sender::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        let thread = std::thread::spawn(move || serve::run(listeners, tls, serving, stopped));
        Self { addresses, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections are open.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// How many bytes of bodies have come so far, for `/upload` and `/duplex`.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// Everything that came so far: the bytes of all connections, as they came and without TLS, and the headers of all requests, which
    /// HTTP/2 compresses. Long bodies are cut off.
    pub fn heard(&self) -> Vec<u8> {
        let mut heard = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for seen in self.requests() {
            heard.extend_from_slice(format!("\n{}\n", seen.uri).as_bytes());
            for (name, value) in &seen.headers {
                heard.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
            }
        }
        heard
    }

    /// Lets every request for `/hold` go on, now and later.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }

    /// The names it serves.
    pub fn names(&self) -> &[String] {
        &self.shared.settings.names
    }

    /// The port that clients think they talk to.
    pub fn public_port(&self) -> u16 {
        if self.shared.settings.transport == Transport::Plain { 80 } else { 443 }
    }

    /// Where it really listens, v4 first.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// The entries of a policy's `resolve` that lead here.
    pub fn resolve_entries(&self) -> String {
        let [v4, v6] = self.addresses;
        let port = self.public_port();
        self.names().iter().map(|name| format!("  \"{name}:{port}\": [\"{v4}\", \"{v6}\"]\n")).collect()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
