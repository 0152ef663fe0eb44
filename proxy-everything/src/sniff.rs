//! Sniffing: receives an accepted connection, hands it on with what its first bytes say it speaks. Judged by content and
//! never by port. A workload that waits for the server to speak first says nothing; how long that may take is all that the
//! port has a say in.

use crate::{accept::Accepted, config::Limits, error::ConnectionError};

/// Where the server speaks first, by convention: FTP, SSH, Telnet, mail (SMTP, LMTP, POP3, IMAP, submission, sieve), news,
/// MySQL, VNC. A client that is silent there waits for a greeting that only a raw rule could bring; anywhere else it has
/// merely opened its connection ahead of time, as browsers do.
const SERVER_SPEAKS_FIRST: [u16; 15] =
    [21, 22, 23, 24, 25, 110, 119, 143, 220, 433, 587, 2525, 3306, 4190, 5900];

/// What the first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// A TLS record with a handshake in it (RFC 8446, 5.1).
    Tls,
    /// A request line (RFC 9112, 3).
    Http1,
    /// The HTTP/2 connection preface, without TLS (RFC 9113, 3.4).
    Http2,
    /// Anything else, or nothing at all.
    Opaque,
}

/// A connection that has shown what it is.
pub struct Sniffed {
    /// The connection; what was read is read again by whoever comes next.
    pub accepted: Accepted,
    /// What it speaks.
    pub wire: Wire,
}

impl Accepted {
    /// Waits for as many bytes as the decision needs. `None`: it ended before that.
    pub async fn sniff(mut self, limits: &Limits) -> Option<Sniffed> {
        let began = tokio::time::Instant::now();
        let server_first = SERVER_SPEAKS_FIRST.contains(&self.trail.destination().port());
        let mut deadline = began + if server_first { limits.sniff() } else { limits.tls_handshake() };
        let wire = loop {
            match tokio::time::timeout_at(deadline, self.socket.look_ahead()).await {
                Err(_silent) => break Wire::Opaque,
                Ok(Ok(Some(bytes))) => {
                    if let Some(wire) = classify(bytes) {
                        break wire;
                    }
                    deadline = began + limits.tls_handshake();
                }
                Ok(ended) => {
                    let error = ended.err().map_or(ConnectionError::ClosedEarly, ConnectionError::Workload);
                    self.trail.failed(&error);
                    return None;
                }
            }
        };
        Some(Sniffed { accepted: self, wire })
    }
}

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Handshake record, major version 3: SSL 3.0 and every TLS (RFC 8446, 5.1).
const TLS_HANDSHAKE: &[u8] = &[0x16, 0x03];
/// The longest registered method has 17 letters (UPDATEREDIRECTREF).
const MAX_METHOD: usize = 32;

/// Decides, or asks for more by `None`; never more than [`MAX_METHOD`] bytes, and never changes its mind.
pub fn classify(bytes: &[u8]) -> Option<Wire> {
    if let Some(wire) = starts(bytes, TLS_HANDSHAKE, Wire::Tls) {
        return wire;
    }
    if let Some(wire) = starts(bytes, HTTP2_PREFACE, Wire::Http2) {
        return wire;
    }
    let letters = bytes.iter().take_while(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_')).count();
    match (bytes.get(letters), bytes.get(letters + 1)) {
        _ if letters > MAX_METHOD => Some(Wire::Opaque),
        (None, _) => None,
        (Some(b' '), None) if letters > 0 => None,
        // Origin form, asterisk form, absolute form (RFC 9112, 3.2); other text protocols (EHLO, USER) have words here.
        (Some(b' '), Some(b'/' | b'*' | b'h' | b'H')) if letters > 0 => Some(Wire::Http1),
        // Authority form belongs to CONNECT alone.
        (Some(b' '), Some(_)) if bytes.starts_with(b"CONNECT ") => Some(Wire::Http1),
        _ => Some(Wire::Opaque),
    }
}

/// `Some(Some(wire))`: it is; `Some(None)`: it may become so; `None`: it is not.
fn starts(bytes: &[u8], wanted: &[u8], wire: Wire) -> Option<Option<Wire>> {
    if bytes.starts_with(wanted) {
        Some(Some(wire))
    } else if !bytes.is_empty() && wanted.starts_with(bytes) {
        Some(None)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn first_bytes() {
        for (bytes, expected) in [
            (&b""[..], None),
            (b"\x16", None),
            (b"\x16\x03", Some(Wire::Tls)),
            (b"\x16\x03\x01\x02\x00\x01", Some(Wire::Tls)),
            (b"\x16\x02", Some(Wire::Opaque)),
            (b"GET", None),
            (b"GET ", None),
            (b"GET /", Some(Wire::Http1)),
            (b"M-SEARCH * HTTP/1.1", Some(Wire::Http1)),
            (b"OPTIONS *", Some(Wire::Http1)),
            (b"GET http://a/ HTTP/1.1", Some(Wire::Http1)),
            (b"CONNECT a:443 HTTP/1.1", Some(Wire::Http1)),
            (b"PRI * HT", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Wire::Http2)),
            (b"PRI * HTTP/1.1", Some(Wire::Http1)),
            (b"SSH-2.0-OpenSSH_9.2p1 Debian", Some(Wire::Opaque)),
            (b"EHLO mail", Some(Wire::Opaque)),
            (b"USER anonymous\r\n", Some(Wire::Opaque)),
            (b"*1\r\n$4\r\nPING\r\n", Some(Wire::Opaque)),
            (b" /", Some(Wire::Opaque)),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", Some(Wire::Opaque)),
        ] {
            assert_eq!(classify(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn never_changes_its_mind(head in proptest::collection::vec(any::<u8>(), 0..40), tail in any::<Vec<u8>>()) {
            if let Some(wire) = classify(&head) {
                prop_assert_eq!(classify(&[head, tail].concat()), Some(wire));
            }
        }

        #[test]
        fn decides_soon(bytes in proptest::collection::vec(any::<u8>(), MAX_METHOD + 2..100)) {
            prop_assert!(classify(&bytes).is_some());
        }
    }
}
