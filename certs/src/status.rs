//! What a server says itself of its certificate's revocation: the OCSP response that it staples to the handshake (RFC 6066, 8).
//!
//! Receives the bytes as they came, hands on whether they say *revoked*. That is believed without a look at the signature: only the
//! server itself could have sent it, and who calls himself revoked is not trusted. Nothing else that a response says is believed.

use rustls::pki_types::CertificateDer;

use crate::der::{Elements, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};

/// `[0]`, constructed: the response's bytes, and a version.
const ZERO: u8 = 0xa0;
/// `[1]`, constructed: the status *revoked* with its time (RFC 6960, 4.2.1).
const REVOKED: u8 = 0xa1;
/// `[3]`, constructed: the extensions of a certificate (RFC 5280, 4.1).
const EXTENSIONS: u8 = 0xa3;
/// 1.3.6.1.5.5.7.1.24, which TLS features a server of this certificate has (RFC 7633).
const TLS_FEATURE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 24];
/// The feature `status_request`.
const STATUS_REQUEST: &[u8] = &[5];

/// Whether a stapled OCSP response says of any certificate that it was revoked.
pub fn staple_revokes(response: &[u8]) -> bool {
    let statuses = || {
        let basic = Elements(response).expect(SEQUENCE)?.find(ZERO)?.expect(SEQUENCE)?.find(OCTET_STRING)?;
        let mut data = Elements(basic.0).expect(SEQUENCE)?.expect(SEQUENCE)?;
        // Before them stand a version, who answers, and when; after them extensions.
        data.find(SEQUENCE)
    };
    // The certificate's id comes first; extensions may follow under the same tag.
    let is_revoked =
        |(_, single): (u8, &[u8])| Elements(single).nth(1).is_some_and(|(tag, _)| tag == REVOKED);
    statuses().is_some_and(|mut statuses| statuses.any(is_revoked))
}

/// Whether the certificate may only be shown together with a stapled response.
pub fn must_staple(certificate: &CertificateDer<'_>) -> bool {
    let features = || {
        let mut fields = Elements(certificate).expect(SEQUENCE)?.expect(SEQUENCE)?;
        let mut extensions = fields.find(EXTENSIONS)?.expect(SEQUENCE)?;
        extensions.find_map(|(_, extension)| {
            let mut parts = Elements(extension);
            let is_it = parts.expect(OBJECT_IDENTIFIER)?.0 == TLS_FEATURE;
            is_it.then(|| parts.find(OCTET_STRING)?.expect(SEQUENCE)).flatten()
        })
    };
    features().is_some_and(|mut features| features.any(|feature| feature == (INTEGER, STATUS_REQUEST)))
}

#[cfg(test)]
mod tests;
