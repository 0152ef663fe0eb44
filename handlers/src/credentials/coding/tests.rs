//! Codings: round trips, damage, bombs.

use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use http::HeaderValue;
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

fn coded(coding: &str, content: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => gzip(content),
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        "raw deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut coded = Vec::new();
            brotli_coder(&mut coded).write_all(content).unwrap();
            coded
        }
        "zstd" => compress_to_vec(content, CompressionLevel::Fastest),
        other => other.split(", ").fold(content.to_vec(), |inner, one| coded(one, &inner)),
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn brotli_coder(into: &mut Vec<u8>) -> ::brotli::CompressorWriter<&mut Vec<u8>> {
    ::brotli::CompressorWriter::new(into, 4096, 5, 22)
}

fn headers(coding: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_str(coding.trim_start_matches("raw ")).unwrap());
    headers
}

fn decoded(coding: &str, body: &[u8], size: usize) -> Result<Vec<u8>, CodingError> {
    let mut decoder = Decoder::new(&headers(coding))?.expect("something to undo");
    let mut content = Vec::new();
    for chunk in body.chunks(size) {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(piece) = decoder.pull()? {
            assert!((1..=PIECE).contains(&piece.len()));
            content.extend(piece);
        }
    }
    decoder.finish().map(|()| content)
}

const ALL: [&str; 8] =
    ["gzip", "deflate", "raw deflate", "br", "zstd", "gzip, br", "zstd, gzip, deflate", "br, br, zstd"];

#[test]
fn codings_are_undone_wherever_the_body_is_cut() {
    for coding in ALL {
        let content: Vec<u8> = (0..100_000_u32).flat_map(|n| (n % 977).to_string().into_bytes()).collect();
        for content in [&content[..], b"", b"x"] {
            let body = coded(coding, content);
            for size in [1, 2, 3, 1000, usize::MAX] {
                assert!(
                    decoded(coding, &body, size).as_deref() == Ok(content),
                    "{coding} in pieces of {size}"
                );
            }
        }
    }
}

#[test]
fn members_that_follow_each_other_are_one_content() {
    let body = [gzip(b"one, "), gzip(b""), gzip(b"two")].concat();
    let frames =
        [coded("zstd", b"one, "), b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), coded("zstd", b"two")].concat();
    for size in [1, 7, usize::MAX] {
        assert_eq!(decoded("gzip", &body, size).unwrap(), b"one, two");
        assert_eq!(decoded("x-gzip", &[&body[..], b"\0\0junk"].concat(), size).unwrap(), b"one, two");
        assert_eq!(decoded("zstd", &frames, size).unwrap(), b"one, two");
    }
}

#[test]
fn what_is_cut_off_or_damaged_is_an_error() {
    for coding in ALL {
        let content: Vec<u8> = (0..20_000_u32).flat_map(|n| (n * n % 977).to_string().into_bytes()).collect();
        let body = coded(coding, &content);
        for end in [1, 2, 5, body.len() / 2, body.len() - 1] {
            assert_eq!(
                decoded(coding, &body[..end], 100),
                Err(CodingError::CutOff),
                "{coding} of {end} bytes"
            );
        }
        let mut other = vec![0xff; 64];
        assert_eq!(decoded(coding, &other, 100), Err(CodingError::Damaged), "{coding}");
        if !coding.contains("br") && !coding.contains("raw") {
            other.clone_from(&body);
            let middle = other.len() / 2;
            other[middle] ^= 0x10;
            assert!(decoded(coding, &other, 100).is_err(), "{coding} with another byte in the middle");
        }
    }
    assert_eq!(decoded("gzip", &[], 1).unwrap(), b"", "no bytes at all");
}

#[test]
fn what_a_server_flushed_comes_at_once() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(b"data: 1\n\n").unwrap();
    gzip.flush().unwrap();
    let mut br = Vec::new();
    let mut coder = brotli_coder(&mut br);
    coder.write_all(b"data: 1\n\n").unwrap();
    coder.flush().unwrap();
    std::mem::forget(coder);
    for (coding, sent) in [("gzip", gzip.get_ref()), ("br", &br)] {
        let mut decoder = Decoder::new(&headers(coding)).unwrap().unwrap();
        decoder.push(Bytes::copy_from_slice(sent));
        let first = decoder.pull().unwrap();
        assert_eq!(first.as_deref(), Some(&b"data: 1\n\n"[..]), "{coding}");
        assert_eq!((decoder.pull(), decoder.finish()), (Ok(None), Err(CodingError::CutOff)), "{coding}");
    }
}

#[test]
fn only_known_codings_are_undone_and_not_too_many() {
    for (value, expected) in [
        ("compress", Err(CodingError::Unknown)),
        ("gzip, UTF-8", Err(CodingError::Unknown)),
        ("aws-chunked", Err(CodingError::Unknown)),
        ("gzip, gzip, gzip, gzip", Err(CodingError::Unknown)),
        ("gzip, gzip, gzip", Ok(true)),
        ("GZip ,, Br", Ok(true)),
        ("identity", Ok(false)),
        ("", Ok(false)),
    ] {
        assert_eq!(Decoder::new(&headers(value)).map(|decoder| decoder.is_some()), expected, "{value}");
    }
    let mut twice = headers("gzip");
    twice.append(CONTENT_ENCODING, HeaderValue::from_static("br"));
    assert_eq!(Decoder::new(&twice).unwrap().unwrap().stages.len(), 2);
    assert!(Decoder::new(&HeaderMap::new()).unwrap().is_none());
}

/// Zeros behind zeros: the largest that each coding makes of the fewest bytes, also where only a coding in between becomes large.
#[test]
fn what_becomes_far_too_large_is_refused() {
    let zeros = vec![0; 80 * 1024 * 1024];
    for coding in ["gzip", "br", "zstd", "deflate, gzip"] {
        assert_eq!(decoded(coding, &coded(coding, &zeros), 4096), Err(CodingError::Bomb), "{coding}");
    }
    let hidden = coded("br", &[gzip(b"content"), zeros].concat());
    assert_eq!(decoded("gzip, br", &hidden, 4096), Err(CodingError::Bomb));
    let small = vec![0; 60 * 1024 * 1024];
    assert!(decoded("br", &coded("br", &small), 4096).unwrap() == small);
}

#[test]
fn windows_of_zstd_are_bounded() {
    // Window descriptors of 8 MiB, 9 MiB and the most there is; then one empty, last, raw block.
    for (window, expected) in [
        (13 << 3, Ok(Vec::new())),
        (13 << 3 | 1, Err(CodingError::Damaged)),
        (0xff, Err(CodingError::Damaged)),
    ] {
        let body = [0x28, 0xb5, 0x2f, 0xfd, 0, window, 1, 0, 0];
        assert_eq!(decoded("zstd", &body, 100), expected, "{window}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn round_trips(content in proptest::collection::vec(any::<u8>(), 0..5000), which in 0..ALL.len(), size in 1_usize..600) {
        let coding = ALL[which];
        prop_assert_eq!(decoded(coding, &coded(coding, &content), size), Ok(content));
    }

    /// Whatever a server sends, it is content or an error.
    #[test]
    fn any_bytes_are_read_or_refused(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        which in 0..ALL.len(),
        size in 1_usize..100,
    ) {
        let mut body = coded(ALL[which], &b"some content that repeats, repeats, repeats".repeat(20));
        let at = at.index(body.len());
        body.splice(at.., noise);
        drop(decoded(ALL[which], &body, size));
    }
}
