//! Signatures with a shared key, against openssl.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use data_encoding::{BASE64, HEXLOWER};

use super::*;
use crate::sign::{Digest, Encoding, Hmac, Part};

fn hmac(over: &[Part]) -> Hmac {
    Hmac {
        secret: "KEY".into(),
        header: HeaderName::from_static("x-signature"),
        algorithm: Digest::Sha256,
        encoding: Encoding::Hex,
        prefix: String::from("sha256="),
        timestamp_header: Some(HeaderName::from_static("x-timestamp")),
        over: over.to_vec(),
        separator: String::from("\n"),
    }
}

fn apply(hmac: &Hmac, headers: &[(&str, &str)]) -> (Parts, Bytes) {
    let mut head = head("POST", "https://hooks.test:8443/a%20b?x=1&y", headers);
    let body =
        now_or_never(hmac.apply(&mut head, full("hello"), &secrets(&[("KEY", "a shared key")]), at(THEN)));
    (head, all(body.unwrap()).unwrap())
}

/// What openssl makes of it.
fn openssl(digest: &str, text: &str) -> Vec<u8> {
    let arguments = ["dgst", digest, "-hmac", "a shared key", "-binary"];
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start openssl");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn the_listed_parts_are_signed_in_their_order() {
    for (over, expected) in [
        (&[Part::Timestamp, Part::Method, Part::Path, Part::Body][..], "1369353600\nPOST\n/a%20b\nhello"),
        (&[Part::Body, Part::Timestamp], "hello\n1369353600"),
        (&[Part::Host, Part::Query], "hooks.test:8443\nx=1&y"),
        (&[Part::Body], "hello"),
        (&[], ""),
    ] {
        let (head, body) = apply(&hmac(over), &[]);
        let expected = format!("sha256={}", HEXLOWER.encode(&openssl("-sha256", expected)));
        assert_eq!(text(&head.headers, "x-signature"), expected, "{over:?}");
        assert_eq!((text(&head.headers, "x-timestamp"), &body[..]), ("1369353600", &b"hello"[..]));
        assert!(head.headers["x-signature"].is_sensitive());
    }
}

#[test]
fn all_hashes_and_encodings() {
    for (algorithm, name) in
        [(Digest::Sha1, "-sha1"), (Digest::Sha256, "-sha256"), (Digest::Sha512, "-sha512")]
    {
        let expected = openssl(name, "POST.hello");
        for (encoding, expected) in
            [(Encoding::Hex, HEXLOWER.encode(&expected)), (Encoding::Base64, BASE64.encode(&expected))]
        {
            let parts = &[Part::Method, Part::Body];
            let hmac =
                Hmac { algorithm, encoding, separator: ".".into(), prefix: "v1,".into(), ..hmac(parts) };
            assert_eq!(text(&apply(&hmac, &[]).0.headers, "x-signature"), format!("v1,{expected}"));
        }
    }
}

#[test]
fn the_workloads_own_headers_go_first() {
    let own = [("x-signature", "own"), ("x_signature", "own"), ("x-timestamp", "1"), ("x-timestamp", "2")];
    let (head, _) = apply(&hmac(&[Part::Body]), &own);
    assert_eq!(head.headers.len(), 2);
    assert_eq!(text(&head.headers, "x-timestamp"), "1369353600");
    let without = Hmac { timestamp_header: None, ..hmac(&[Part::Body]) };
    assert_eq!(apply(&without, &[]).0.headers.len(), 1);
}

#[test]
fn only_a_signed_body_is_held() {
    let large = || full(vec![0; 10 * 1024 * 1024 + 1]);
    let mut head = head("POST", "https://hooks.test/", &[]);
    let keys = secrets(&[("KEY", "a shared key")]);
    assert!(now_or_never(hmac(&[Part::Path]).apply(&mut head, large(), &keys, at(THEN))).is_ok());
    let error = now_or_never(hmac(&[Part::Body]).apply(&mut head, large(), &keys, at(THEN))).unwrap_err();
    assert_eq!(error.status().as_u16(), 413);
    let error = now_or_never(hmac(&[]).apply(&mut head, large(), &secrets(&[]), at(THEN))).unwrap_err();
    assert_eq!((error.status().as_u16(), error.kind()), (500, "sign_settings"));
}
