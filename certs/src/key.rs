//! A P-256 key pair that signs certificates for the CA and handshakes for the leaves.
//!
//! It is generated inside aws-lc and stays there: aws-lc wipes its memory when it is freed, and no copy
//! is kept on our side. That is why rcgen's own key pair, which holds on to a PKCS#8 copy, is not used. It leaves only
//! on request, for a CA that must outlive its process.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::CertError;

/// No `Debug`, no `Clone`.
pub(crate) struct P256Key(EcdsaKeyPair);

impl P256Key {
    pub(crate) fn generate() -> Result<Self, CertError> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map(Self)
            .map_err(|_| CertError::Crypto("generate a key"))
    }

    /// The private half, as PKCS#8.
    pub(crate) fn to_pkcs8(&self) -> Result<Vec<u8>, CertError> {
        let document = self.0.to_pkcs8v1().map_err(|_| CertError::Crypto("encode a key"))?;
        Ok(document.as_ref().to_vec())
    }

    pub(crate) fn from_pkcs8(document: &[u8]) -> Result<Self, CertError> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document)
            .map(Self)
            .map_err(|_| CertError::Crypto("read a key"))
    }

    /// The same key in the form rustls signs handshakes with. rustls reads keys as PKCS#8 only; the
    /// document exists for the length of this call and is wiped when dropped.
    pub(crate) fn tls_signer(&self) -> Result<Arc<dyn rustls::sign::SigningKey>, CertError> {
        let document = self.0.to_pkcs8v1().map_err(|_| CertError::Crypto("encode a key"))?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(document.as_ref()));
        rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&der)
            .map_err(|_| CertError::Crypto("load a key for TLS"))
    }
}

impl rcgen::PublicKeyData for P256Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for P256Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature =
            self.0.sign(&SystemRandom::new(), message).map_err(|_| rcgen::Error::RingUnspecified)?;
        Ok(signature.as_ref().to_vec())
    }
}
