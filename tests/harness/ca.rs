//! The private CA of one test, and the certificates of its origins, good and bad.
//!
//! Keys are made for each test and live in memory only. The CA is what a policy names in `upstreamRoots`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What an origin shows to its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Signed by the test's CA for the right names.
    Valid,
    /// As valid, but its time is over.
    Expired,
    /// Signed by the test's CA for another name.
    WrongName,
    /// Signed by itself.
    SelfSigned,
    /// Signed by a CA that nobody trusts.
    UnknownIssuer,
}

/// Whom an origin talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Everybody.
    Anyone,
    /// Those with a certificate of the test's CA.
    Certified,
}

/// A certificate authority that only one test trusts.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl TestCa {
    /// A new one.
    #[allow(clippy::new_without_default, reason = "each one is unique")]
    pub fn new() -> Self {
        let mut parameters = CertificateParams::default();
        // Two CAs of one name would look like one whose key has changed.
        let name = format!("private test CA {}", NUMBER.fetch_add(1, Ordering::Relaxed));
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(parameters, key()).expect("a CA");
        Self { issuer }
    }

    /// The CA's certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a client, with its key.
    pub fn client_pem(&self) -> String {
        let key = key();
        let parameters = CertificateParams::new(vec!["client.test".into()]).expect("a name");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        certificate.pem() + &key.serialize_pem()
    }

    /// A certificate for a server of `name`, with its key.
    pub fn server_pem(&self, name: &str) -> String {
        self.servers_pem(&[name])
    }

    /// The same for a server of several names.
    pub fn servers_pem(&self, names: &[&str]) -> String {
        let key = key();
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut parameters = CertificateParams::new(names).expect("names");
        parameters.use_authority_key_identifier_extension = true;
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        certificate.pem() + &key.serialize_pem()
    }

    /// How a server for `names` presents itself, and to whom; `alpn` in its order of preference.
    pub(crate) fn server(
        &self,
        names: &[String],
        certificate: Certificate,
        alpn: &[&str],
        clients: Clients,
    ) -> Arc<ServerConfig> {
        let names =
            if certificate == Certificate::WrongName { vec!["wrong.test".into()] } else { names.to_vec() };
        let mut parameters = CertificateParams::new(names).expect("names");
        parameters.use_authority_key_identifier_extension = true;
        if certificate == Certificate::Expired {
            parameters.not_before = date_time_ymd(2019, 1, 1);
            parameters.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = key();
        let signed = match certificate {
            Certificate::SelfSigned => parameters.self_signed(&key),
            Certificate::UnknownIssuer => parameters.signed_by(&key, &Self::new().issuer),
            _ => parameters.signed_by(&key, &self.issuer),
        };
        let chain = vec![signed.expect("a certificate").der().clone()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("protocol versions");
        let builder = match clients {
            Clients::Anyone => builder.with_no_client_auth(),
            Clients::Certified => builder.with_client_cert_verifier(self.verifier(provider)),
        };
        let mut config = builder.with_single_cert(chain, key).expect("a key that fits its certificate");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().expect("a verifier")
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
