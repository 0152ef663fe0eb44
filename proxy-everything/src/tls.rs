//! Opening TLS: receives a connection that begins with a handshake record, hands on the plaintext stream, the server name
//! and the protocol that was agreed. The ClientHello is parsed by rustls, whole, however it is cut; a leaf for its name is
//! taken from the cache or minted. Without a name the leaf is for the address that was dialled.

use std::sync::Arc;

use certs::{InstanceCa, LeafCache, SubjectName};
use policy::CanonicalHost;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    pki_types::UnixTime,
    server::{Acceptor, ClientHello, ServerSessionMemoryCache},
    sign::SingleCertAndKey,
};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout_at},
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use crate::{
    audit::{ConnectionTrail, Protocol},
    error::ConnectionError,
    http::Transport,
    socket::WorkloadSocket,
};

/// Leaves kept, about 2 KiB each.
const LEAVES: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(4095);
/// TLS 1.2 sessions kept for resumption; TLS 1.3 uses tickets.
const SESSIONS: usize = 1024;

/// A record with the fatal alert for a server name that cannot be served (RFC 8446, 5.1 and 6).
const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

/// The instance's side of every handshake with its workload.
pub struct TlsOpener {
    ca: InstanceCa,
    leaves: LeafCache,
    template: ServerConfig,
}

/// An opened connection.
pub struct Opened {
    /// The plaintext.
    pub stream: TlsStream<WorkloadSocket>,
    /// For which server name.
    pub transport: Transport,
    /// What ALPN agreed on (RFC 7301).
    pub version: Protocol,
}

impl TlsOpener {
    /// With the CA of one instance.
    pub fn new(ca: InstanceCa) -> Result<Self, rustls::Error> {
        let mut template = ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
        template.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        template.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        template.ticketer = Ticketer::new()?;
        Ok(Self { ca, leaves: LeafCache::new(LEAVES), template })
    }

    /// The instance CA, for the workload's trust store.
    pub fn ca(&self) -> &InstanceCa {
        &self.ca
    }

    /// Shakes hands by `deadline`; notes the server name on `trail`.
    pub async fn open(
        &self,
        socket: WorkloadSocket,
        trail: &mut ConnectionTrail,
        deadline: Instant,
    ) -> Result<Opened, ConnectionError> {
        let timed_out = |_| ConnectionError::HandshakeTimeout;
        let hello = LazyConfigAcceptor::new(Acceptor::default(), socket);
        let mut start =
            timeout_at(deadline, hello).await.map_err(timed_out)?.map_err(ConnectionError::Handshake)?;
        let server_name = match server_name(&start.client_hello()) {
            Ok(name) => name,
            Err(error) => {
                // Whoever does not take it has closed already.
                let _ = timeout_at(deadline, start.io.write_all(UNRECOGNIZED_NAME)).await;
                return Err(error);
            }
        };
        if let Some(name) = &server_name {
            trail.server_name(name);
        }
        let subject = match server_name.as_ref().and_then(CanonicalHost::name) {
            Some(name) => SubjectName::Dns(name.to_owned()),
            None => SubjectName::Ip(trail.destination().ip()),
        };
        let config = self.config(&subject)?;
        let stream = timeout_at(deadline, start.into_stream(config))
            .await
            .map_err(timed_out)?
            .map_err(ConnectionError::Handshake)?;
        let version = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok(Opened { stream, transport: Transport::Tls(server_name), version })
    }

    /// The template with the leaf for `subject`. Copying it is a handful of reference counts; tickets and sessions stay
    /// shared, and rustls resumes a session only for the name it was made for.
    fn config(&self, subject: &SubjectName) -> Result<Arc<ServerConfig>, ConnectionError> {
        let leaf = self.leaves.get(&self.ca, subject, UnixTime::now());
        let leaf = leaf.map_err(|error| ConnectionError::Certificate(error.to_string()))?;
        let mut config = self.template.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(leaf));
        Ok(Arc::new(config))
    }
}

/// rustls has checked that it is a DNS name; what we compare with is stricter.
fn server_name(hello: &ClientHello<'_>) -> Result<Option<CanonicalHost>, ConnectionError> {
    let name = hello.server_name().map(CanonicalHost::parse).transpose();
    name.map_err(|error| ConnectionError::Certificate(error.to_string()))
}
