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

/// Leaves kept, 1.3 kB each: as many as the hosts of a crawler, so that going through them in turn does not mint each anew.
const LEAVES: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(16_383);
/// TLS 1.2 sessions kept for resumption; TLS 1.3 uses tickets.
const SESSIONS: usize = 1024;

/// What is spoken inside (RFC 7301), in the order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Records with the fatal alerts for a server name that cannot be served, and for protocols of which none is spoken here (RFC
/// 8446, 5.1 and 6).
const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];
const NO_APPLICATION_PROTOCOL: &[u8] = &[21, 3, 3, 0, 2, 2, 120];

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
        template.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
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
        let hello = start.client_hello();
        let (server_name, is_spoken) = (server_name(&hello), is_spoken(&hello));
        let (server_name, alert) = match server_name {
            Ok(name) if is_spoken => (Ok(name), None),
            Ok(_) => (Err(unspoken()), Some(NO_APPLICATION_PROTOCOL)),
            Err(error) => (Err(error), Some(UNRECOGNIZED_NAME)),
        };
        if let Some(alert) = alert {
            // Whoever does not take it has closed already.
            let _ = timeout_at(deadline, start.io.write_all(alert)).await;
        }
        let server_name = server_name?;
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

/// Whether the client is content with what is spoken here. rustls would go on without an agreement, as if it had asked for nothing.
fn is_spoken(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_none_or(|mut offered| offered.any(|protocol| PROTOCOLS.contains(&protocol)))
}

fn unspoken() -> ConnectionError {
    let error = rustls::Error::NoApplicationProtocol;
    ConnectionError::Handshake(std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

/// rustls has checked that it is a DNS name; what we compare with is stricter.
fn server_name(hello: &ClientHello<'_>) -> Result<Option<CanonicalHost>, ConnectionError> {
    let name = hello.server_name().map(CanonicalHost::parse).transpose();
    name.map_err(|error| ConnectionError::Certificate(error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use rustls::{
        ClientConfig, ClientConnection, Error, NamedGroup, ServerConnection,
        crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs},
        pki_types::ServerName,
    };

    use super::*;

    /// Which key exchange both agree on, for the name `a.test`.
    pub(crate) fn agreed(client: ClientConfig, server: Arc<ServerConfig>) -> Result<NamedGroup, Error> {
        let name = ServerName::try_from("a.test").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name)?;
        let mut server = ServerConnection::new(server)?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets()?;
            bytes.clear();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(client.negotiated_key_exchange_group().unwrap().name())
    }

    #[test]
    fn post_quantum_clients_are_served() {
        let opener = TlsOpener::new(InstanceCa::new("a", UnixTime::now()).unwrap()).unwrap();
        let roots = certs::upstream_roots(certs::SystemRoots::Ignore, &[opener.ca().pem()]).unwrap();
        for group in [aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::SECP384R1] {
            let groups: Vec<&'static dyn SupportedKxGroup> = vec![group];
            let provider = CryptoProvider { kx_groups: groups, ..aws_lc_rs::default_provider() };
            let client = ClientConfig::builder_with_provider(Arc::new(provider));
            let client = client.with_safe_default_protocol_versions().unwrap();
            let client = client.with_root_certificates(roots.clone()).with_no_client_auth();
            let server = opener.config(&SubjectName::Dns("a.test".to_owned())).unwrap();
            assert_eq!(agreed(client, server), Ok(group.name()));
        }
    }
}
