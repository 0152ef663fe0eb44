//! A bundle of roots as Java reads it.
//!
//! Receives PEM text, hands on a keystore in the format JKS, which every Java reads whatever its own default is. The format has no
//! specification but Java's source: numbers are big-endian, texts have their length in two bytes before them.
//!
//! The digest at its end keeps nobody out; it is there because some programs check it, and then with the password that Java's own
//! truststores have.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
/// An entry that is a certificate to trust, and not a key.
const TRUSTED: u32 = 2;
const PASSWORD: &str = "changeit";
const SALT: &[u8] = b"Mighty Aphrodite";

/// The certificates of `bundle_pem`. One that cannot be a root is passed over: Java would read nothing of a store that holds it.
pub fn java_trust_store(bundle_pem: &str) -> Vec<u8> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(bundle_pem.as_bytes()).flatten().filter(is_root).collect();
    let mut store = Vec::new();
    number(&mut store, MAGIC);
    number(&mut store, VERSION);
    number(&mut store, u32::try_from(certificates.len()).unwrap_or(u32::MAX));
    for (index, certificate) in certificates.iter().enumerate() {
        number(&mut store, TRUSTED);
        text(&mut store, &format!("root-{index}"));
        // When it was put there, in milliseconds. Nobody asks.
        store.extend_from_slice(&0_u64.to_be_bytes());
        text(&mut store, "X.509");
        number(&mut store, u32::try_from(certificate.len()).unwrap_or(u32::MAX));
        store.extend_from_slice(certificate);
    }
    let digest = digest(&store);
    store.extend_from_slice(digest.as_ref());
    store
}

fn is_root(certificate: &CertificateDer<'_>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok()
}

fn digest(store: &[u8]) -> aws_lc_rs::digest::Digest {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in PASSWORD.encode_utf16() {
        context.update(&unit.to_be_bytes());
    }
    context.update(SALT);
    context.update(store);
    context.finish()
}

fn number(store: &mut Vec<u8>, number: u32) {
    store.extend_from_slice(&number.to_be_bytes());
}

/// Of ours, all short.
fn text(store: &mut Vec<u8>, text: &str) {
    store.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}
