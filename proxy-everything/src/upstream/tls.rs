//! TLS as a client, host by host. Receives roots, an identity and revocation lists for each entry of `upstreamTls`, and those of all
//! other hosts; hands on the connector for an authority. Sessions are resumed only under the same entry of the same generation:
//! one that was opened with an identity, or verified by private roots, is never anybody else's.

use std::{fmt, sync::Arc};

use certs::{must_staple, staple_revokes};
use policy::{Authority, Unlisted, UpstreamTlsIndex};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        VerifierBuilderError, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio_rustls::TlsConnector;

/// How TLS is spoken with every host.
pub struct UpstreamTls {
    usual: TlsConnector,
    special: Vec<TlsConnector>,
    index: UpstreamTlsIndex,
}

impl UpstreamTls {
    /// The connectors of the entries that `index` finds, in their order, and `usual` for everybody else.
    pub fn new(usual: ClientConfig, special: Vec<ClientConfig>, index: UpstreamTlsIndex) -> Self {
        let connector = |config| TlsConnector::from(Arc::new(config));
        Self { usual: connector(usual), special: special.into_iter().map(connector).collect(), index }
    }

    /// For a connection to `authority`.
    pub(super) fn connector(&self, authority: &Authority) -> &TlsConnector {
        self.index.find(authority).and_then(|place| self.special.get(place)).unwrap_or(&self.usual)
    }
}

/// Who vouches for servers, and what is known of revocation.
pub fn verifier(
    roots: &Arc<RootCertStore>,
    crls: Vec<CertificateRevocationListDer<'static>>,
    unlisted: Unlisted,
) -> Result<Arc<WebPkiServerVerifier>, VerifierBuilderError> {
    let builder = WebPkiServerVerifier::builder(Arc::clone(roots)).with_crls(crls);
    match unlisted {
        Unlisted::Accept => builder.allow_unknown_revocation_status(),
        Unlisted::Refuse => builder.enforce_revocation_expiration(),
    }
    .build()
}

/// TLS 1.2 and 1.3 with servers that `verifier` accepts, as whoever `identity` says we are.
pub fn client(verifier: Arc<WebPkiServerVerifier>, identity: Option<CertifiedKey>) -> ClientConfig {
    // Nothing is left out: it asks the library's own verifier, and then some more.
    let verifier = Arc::new(Verifier(verifier));
    let builder = ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier);
    match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
        None => builder.with_no_client_auth(),
    }
}

/// The library's verifier, which does not look at what servers staple.
struct Verifier(Arc<WebPkiServerVerifier>);

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        if staple_revokes(ocsp_response) {
            return Err(CertificateError::Revoked.into());
        }
        if ocsp_response.is_empty() && must_staple(end_entity) {
            return Err(CertificateError::UnknownRevocationStatus.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
