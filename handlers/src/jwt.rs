//! JSON Web Tokens, signed (RFC 7519, in the compact form of RFC 7515).
//!
//! Receives the claims and a key as operators have it: PEM for RSA and P-256, the secret's own text for HMAC. Hands on the token,
//! or whose mistake the key is; nothing of the key is in an error. What is decoded of it is wiped.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256},
};
use data_encoding::BASE64URL_NOPAD;
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use zeroize::Zeroize;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256; keys of 2048 bits or more, in PKCS#1 or PKCS#8.
    Rs256,
    /// ECDSA on P-256 with SHA-256; keys in SEC1 or PKCS#8.
    Es256,
    /// HMAC with SHA-256; the key is a text of at least 32 bytes.
    Hs256,
}

/// Why a token was not made. The first two are the operator's to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// The text holds no private key that can be read.
    #[error("the key is not PEM with an unencrypted private key")]
    NoKey,
    /// There is a key, of another kind or too weak.
    #[error("the key is not one that {0} signs with")]
    OtherKey(&'static str),
    /// The machine's random numbers failed, or its library did.
    #[error("signing failed")]
    Failed,
}

impl Algorithm {
    /// Its name in a token's head.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }
}

/// The shortest key for HMAC, in bytes: that of the hash (RFC 7518, section 3.2).
const SHORTEST: usize = 32;

/// A token with these claims. The key is PEM, or the secret itself for HMAC.
pub fn sign(
    algorithm: Algorithm,
    key_pem: &str,
    key_id: Option<&str>,
    claims: &Value,
) -> Result<String, JwtError> {
    let mut head = json!({ "alg": algorithm.name(), "typ": "JWT" });
    if let (Some(key_id), Some(head)) = (key_id, head.as_object_mut()) {
        head.insert(String::from("kid"), key_id.into());
    }
    let [head, claims] = [&head, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
    let text = format!("{head}.{claims}");
    let signature = match algorithm {
        Algorithm::Rs256 => rsa(key_pem, text.as_bytes())?,
        Algorithm::Es256 => p256(key_pem, text.as_bytes())?,
        Algorithm::Hs256 if key_pem.len() < SHORTEST => return Err(JwtError::OtherKey("HS256")),
        Algorithm::Hs256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key_pem.as_bytes());
            hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
        }
    };
    Ok(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)))
}

fn rsa(pem: &str, text: &[u8]) -> Result<Vec<u8>, JwtError> {
    let key = Key::read(pem)?;
    let other = |_| JwtError::OtherKey("RS256");
    let pair = match &key.0 {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).map_err(other)?,
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(other)?,
        _ => return Err(JwtError::OtherKey("RS256")),
    };
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).map_err(|_| JwtError::Failed)?;
    Ok(signature)
}

fn p256(pem: &str, text: &[u8]) -> Result<Vec<u8>, JwtError> {
    let key = Key::read(pem)?;
    let other = |_| JwtError::OtherKey("ES256");
    let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = match &key.0 {
        PrivateKeyDer::Sec1(key) => {
            EcdsaKeyPair::from_private_key_der(kind, key.secret_sec1_der()).map_err(other)?
        }
        PrivateKeyDer::Pkcs8(key) => EcdsaKeyPair::from_pkcs8(kind, key.secret_pkcs8_der()).map_err(other)?,
        _ => return Err(JwtError::OtherKey("ES256")),
    };
    let signature = pair.sign(&SystemRandom::new(), text).map_err(|_| JwtError::Failed)?;
    Ok(signature.as_ref().to_vec())
}

/// A decoded private key, wiped on drop.
struct Key(PrivateKeyDer<'static>);

impl Key {
    /// The first private key of the text: other blocks, such as a curve's parameters, may stand before it.
    fn read(pem: &str) -> Result<Self, JwtError> {
        PrivateKeyDer::from_pem_slice(pem.as_bytes()).map(Self).map_err(|_| JwtError::NoKey)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests;
