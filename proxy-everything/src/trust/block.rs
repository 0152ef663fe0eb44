//! Our part of a bundle: between two comment lines, so that the next install finds and replaces it. Pure: bytes in, bytes out.
//! Bytes and not text, because the comments of some bundles are not UTF-8.

const BEGIN: &[u8] = b"# proxy-everything instance CA: begin";
const END: &[u8] = b"# proxy-everything instance CA: end";
const CERTIFICATE: &[u8] = b"-----BEGIN ";

/// Whether this may be a bundle: it is blank or holds something in PEM (RFC 7468).
pub(super) fn is_bundle(text: &[u8]) -> bool {
    text.trim_ascii().is_empty() || text.windows(CERTIFICATE.len()).any(|window| window == CERTIFICATE)
}

/// `bundle` without any block of ours, then one with `ca_pem`.
pub(super) fn with_block(bundle: &[u8], ca_pem: &str) -> Vec<u8> {
    let mut text = without_blocks(bundle);
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    for line in [BEGIN, ca_pem.trim().as_bytes(), END] {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text
}

/// A begin without its end takes nothing with it but itself.
fn without_blocks(bundle: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bundle.len());
    let mut open: Option<Vec<u8>> = None;
    for line in bundle.split_inclusive(|byte| *byte == b'\n') {
        if line.trim_ascii() == BEGIN {
            kept.extend(open.replace(Vec::new()).unwrap_or_default());
        } else if line.trim_ascii() == END {
            open = None;
        } else {
            open.as_mut().unwrap_or(&mut kept).extend_from_slice(line);
        }
    }
    kept.extend(open.unwrap_or_default());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const B: &str = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n";

    #[test]
    fn what_is_a_bundle() {
        for (text, expected) in [
            ("", true),
            (" \n", true),
            (A, true),
            ("\u{fc}\n# x\n-----BEGIN TRUSTED CERTIFICATE-----", true),
            ("root:x:0:0", false),
        ] {
            assert_eq!(is_bundle(text.as_bytes()), expected, "{text:?}");
        }
        assert!(is_bundle(&[b"\xfc".as_slice(), A.as_bytes()].concat()));
    }

    #[test]
    fn a_stray_marker_takes_nothing_with_it() {
        let (begin, end) = (String::from_utf8_lossy(BEGIN), String::from_utf8_lossy(END));
        for (bundle, kept) in [
            (format!("{A}{begin}\n{B}"), format!("{A}{B}")),
            (format!("{A}{end}\n{B}"), format!("{A}{B}")),
            (format!("{begin}\n{A}{begin}\n{B}{end}\n"), A.to_owned()),
            (format!("{A}{begin}\r\n{B}{end}"), A.to_owned()),
        ] {
            assert_eq!(without_blocks(bundle.as_bytes()), kept.as_bytes(), "{bundle}");
        }
    }

    fn bundle() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just(BEGIN.to_vec()),
            Just(END.to_vec()),
            Just(A.trim().as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..12),
        ];
        let lines = proptest::collection::vec((line, prop_oneof!["\n", "\r\n", ""]), 0..12);
        lines.prop_map(|lines| {
            lines.into_iter().flat_map(|(line, end)| [line, end.into_bytes()].concat()).collect()
        })
    }

    proptest! {
        #[test]
        fn twice_is_once_and_the_last_wins(bundle in bundle()) {
            let once = with_block(&bundle, A);
            prop_assert_eq!(with_block(&once, A), once.clone());
            prop_assert_eq!(with_block(&once, B), with_block(&bundle, B));
            let block = with_block(b"", A);
            prop_assert!(once.ends_with(&block));
        }
    }
}
