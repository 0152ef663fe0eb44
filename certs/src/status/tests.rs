//! Responses and certificates, made element by element, and every beginning of them.

use rcgen::{CertificateParams, CustomExtension};

use super::*;
use crate::key::P256Key;

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = match content.len() {
        short @ 0..128 => vec![tag, u8::try_from(short).unwrap()],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    bytes.extend(content);
    bytes
}

/// A whole response with these statuses, and a name as long as `name` of whoever answers.
fn response(statuses: &[(u8, &[u8])], name: usize) -> Vec<u8> {
    let single = |&(tag, content): &(u8, &[u8])| {
        let (id, time) = (element(SEQUENCE, &[b"id"]), element(0x18, &[b"time"]));
        element(SEQUENCE, &[&id, &element(tag, &[content]), &time, &element(0xa1, &[b"extensions"])])
    };
    let singles: Vec<u8> = statuses.iter().flat_map(single).collect();
    let data = element(
        SEQUENCE,
        &[&element(0xa1, &[&vec![1; name]]), &element(0x18, &[b"time"]), &element(SEQUENCE, &[&singles])],
    );
    let basic =
        element(SEQUENCE, &[&data, &element(SEQUENCE, &[b"algorithm"]), &element(3, &[b"signature"])]);
    let bytes =
        element(SEQUENCE, &[&element(OBJECT_IDENTIFIER, &[b"basic"]), &element(OCTET_STRING, &[&basic])]);
    element(SEQUENCE, &[&element(10, &[&[0]]), &element(ZERO, &[&bytes])])
}

const GOOD: (u8, &[u8]) = (0x80, &[]);
const UNKNOWN: (u8, &[u8]) = (0x82, &[]);
const GONE: (u8, &[u8]) = (REVOKED, b"when");

#[test]
fn revoked_is_believed() {
    for (statuses, expected) in
        [(&[GOOD][..], false), (&[UNKNOWN], false), (&[], false), (&[GONE], true), (&[GOOD, GONE], true)]
    {
        for name in [20, 200] {
            assert_eq!(staple_revokes(&response(statuses, name)), expected, "{statuses:?}");
        }
    }
    let try_later = element(SEQUENCE, &[&element(10, &[&[3]])]);
    assert!(!staple_revokes(&try_later) && !staple_revokes(&[]));
}

#[test]
fn a_beginning_is_no_response() {
    let whole = response(&[GONE], 200);
    for end in 0..whole.len() {
        assert!(!staple_revokes(&whole[..end]), "{end}");
    }
}

#[test]
fn certificates_that_need_a_staple() {
    let oid = &[1, 3, 6, 1, 5, 5, 7, 1, 24];
    for (content, expected) in [
        (None, false),
        (Some(vec![0x30, 3, 2, 1, 5]), true),
        (Some(vec![0x30, 6, 2, 1, 17, 2, 1, 5]), true),
        (Some(vec![0x30, 3, 2, 1, 17]), false),
        (Some(vec![5, 0]), false),
    ] {
        let mut params = CertificateParams::new(vec!["a.test".into()]).unwrap();
        params.custom_extensions =
            content.map(|content| CustomExtension::from_oid_content(oid, content)).into_iter().collect();
        let certificate = params.self_signed(&P256Key::generate().unwrap()).unwrap();
        assert_eq!(must_staple(certificate.der()), expected, "{:?}", params.custom_extensions);
    }
    assert!(!must_staple(&CertificateDer::from(&[0x30, 0][..])));
}
