//! Tokens, verified by another implementation with keys that openssl made.

use std::{path::Path, process::Command};

use super::*;

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().expect("start openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The head and the claims, if the token is good.
fn verified(algorithm: Algorithm, key: &str, token: &str) -> Result<Value, String> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/moto/bin/python");
    assert!(python.exists(), "{} is missing; build it first: make target/moto", python.display());
    let arguments = ["-c", include_str!("verify.py"), algorithm.name(), key, token];
    let output = Command::new(python).args(arguments).output().expect("start Python");
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

const RSA: [&str; 5] = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];

fn p256(format: &[&str]) -> String {
    openssl(&[&["ecparam", "-name", "prime256v1", "-genkey"], format].concat())
}

#[test]
fn tokens_are_good_for_keys_of_all_forms() {
    let claims = json!({ "iss": "12345", "iat": 1_700_000_000, "exp": 1_700_000_600, "sub": "é\"" });
    let keys = [
        (Algorithm::Rs256, openssl(&RSA), "BEGIN PRIVATE KEY"),
        (Algorithm::Rs256, openssl(&["genrsa", "-traditional", "2048"]), "BEGIN RSA PRIVATE KEY"),
        (Algorithm::Es256, p256(&[]), "BEGIN EC PARAMETERS"),
        (Algorithm::Es256, p256(&["-noout"]), "BEGIN EC PRIVATE KEY"),
        (
            Algorithm::Es256,
            openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
            "BEGIN PRIVATE KEY",
        ),
        (Algorithm::Hs256, "k".repeat(32), ""),
    ];
    for (algorithm, key, form) in &keys {
        assert!(key.contains(form), "{key}");
        // The verifier does not skip the curve's parameters.
        let plain = key.split_once("-----END EC PARAMETERS-----").map_or(key.as_str(), |(_, key)| key.trim());
        for key_id in [None, Some("key-1")] {
            let token = sign(*algorithm, key, key_id, &claims).unwrap();
            let mut head = json!({ "alg": algorithm.name(), "typ": "JWT" });
            if let Some(key_id) = key_id {
                head["kid"] = key_id.into();
            }
            assert_eq!(verified(*algorithm, plain, &token).unwrap(), json!([head, claims]), "{form}");
            let (text, signature) = token.rsplit_once('.').unwrap();
            let other = format!("{text}x.{signature}");
            assert!(verified(*algorithm, plain, &other).is_err(), "the verifier verifies");
        }
    }
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let p384 = openssl(&["ecparam", "-name", "secp384r1", "-genkey", "-noout"]);
    let weak = openssl(&["genrsa", "1024"]);
    let (rsa, p256) = (openssl(&RSA), p256(&["-noout"]));
    let public = rsa.replace("PRIVATE", "PUBLIC");
    let encrypted = openssl(&[&RSA[..], &["-aes256", "-pass", "pass:x"]].concat());
    let other = |algorithm: Algorithm| JwtError::OtherKey(algorithm.name());
    for (algorithm, key, expected) in [
        (Algorithm::Rs256, p256.as_str(), other(Algorithm::Rs256)),
        (Algorithm::Rs256, &weak, other(Algorithm::Rs256)),
        (Algorithm::Es256, &rsa, other(Algorithm::Es256)),
        (Algorithm::Es256, &p384, other(Algorithm::Es256)),
        (Algorithm::Hs256, "canary-that-is-31-bytes-long---", other(Algorithm::Hs256)),
        (Algorithm::Rs256, "canary", JwtError::NoKey),
        (Algorithm::Rs256, &public, JwtError::NoKey),
        (Algorithm::Rs256, &encrypted, JwtError::NoKey),
        (
            Algorithm::Es256,
            "-----BEGIN PRIVATE KEY-----\ncanary!\n-----END PRIVATE KEY-----",
            JwtError::NoKey,
        ),
        (
            Algorithm::Es256,
            "-----BEGIN EC PRIVATE KEY-----\nY2FuYXJ5\n-----END EC PRIVATE KEY-----",
            other(Algorithm::Es256),
        ),
    ] {
        let error = sign(algorithm, key, None, &json!({})).unwrap_err();
        assert_eq!(error, expected, "{key}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
