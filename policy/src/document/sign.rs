//! Handlers that sign requests: as Amazon's servers want it, or with a key that both ends know.
//!
//! Receives words and hands on a [`SignSource`]. The keys are only named: they are secrets of the document.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    Secrets,
    handler::header_name,
    read::{duplicate, known},
    rule::listed,
    secret::one_of,
    source::{Word, Words, some},
};
use crate::{
    Fault,
    fault::{Position, clip, did_you_mean},
};

/// Longest text that is put before a signature or between what is signed, in characters.
const MAX_TEXT: usize = 64;

/// How requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignSource {
    /// By Amazon's Signature Version 4.
    Aws(AwsSource),
    /// By a keyed hash.
    Hmac(HmacSource),
}

/// Who signs for Amazon, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSource {
    /// The name of the secret that is the key's id.
    pub access_key_id: String,
    /// The name of the secret that is the key.
    pub secret_access_key: String,
    /// The name of the secret that is the session's token.
    pub session_token: Option<String>,
    /// `None` leaves it to the request.
    pub region: Option<String>,
    /// `None` leaves it to the request.
    pub service: Option<String>,
}

/// A keyed hash of parts of a request, in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacSource {
    /// The name of the secret that is the key.
    pub secret: String,
    /// Where the signature goes, in lower case.
    pub header: String,
    /// The hash.
    pub algorithm: HmacAlgorithm,
    /// How the signature is written.
    pub encoding: HmacEncoding,
    /// What stands before the signature.
    pub prefix: String,
    /// Where the time goes, in seconds since 1970; in lower case. It is there if `over` has the time.
    pub timestamp_header: Option<String>,
    /// What is signed, first to last; never empty, each once.
    pub over: Vec<HmacPart>,
    /// What stands between the parts.
    pub separator: String,
}

/// The hash of a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
    /// SHA-1, for those who ask for nothing better.
    Sha1,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HmacEncoding {
    /// Hexadecimal digits, in lower case.
    #[default]
    Hex,
    /// Base64 (RFC 4648, section 4).
    Base64,
}

/// A part of a request that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacPart {
    /// The time, as in its header.
    Timestamp,
    /// The method.
    Method,
    /// The host, with its port if that is not the default one.
    Host,
    /// The path, as it is sent, without the query.
    Path,
    /// The query, as it is sent, without `?`.
    Query,
    /// The whole body.
    Body,
}

impl SignSource {
    /// The names of the secrets that it signs with.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let (all, last) = match self {
            Self::Aws(aws) => ([Some(&aws.access_key_id), Some(&aws.secret_access_key)], &aws.session_token),
            Self::Hmac(hmac) => ([Some(&hmac.secret), None], &None),
        };
        all.into_iter().flatten().chain(last).map(String::as_str)
    }
}

impl HmacAlgorithm {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha512, Self::Sha1];

    /// As a document spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Sha1 => "sha1",
        }
    }
}

impl HmacEncoding {
    const ALL: [Self; 2] = [Self::Hex, Self::Base64];

    /// As a document spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
        }
    }
}

impl HmacPart {
    const ALL: [Self; 6] = [Self::Timestamp, Self::Method, Self::Host, Self::Path, Self::Query, Self::Body];

    /// As a document spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Method => "method",
            Self::Host => "host",
            Self::Path => "path",
            Self::Query => "query",
            Self::Body => "body",
        }
    }
}

/// The keys of `sign`.
pub(crate) type SignWords = Spanned<SignKeys>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignKeys {
    aws: Option<AwsWords>,
    hmac: Option<HmacWords>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AwsWords {
    access_key_id: Word,
    secret_access_key: Word,
    session_token: Option<Word>,
    region: Option<Word>,
    service: Option<Word>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HmacWords {
    secret: Word,
    header: Word,
    algorithm: Option<Word>,
    encoding: Option<Word>,
    prefix: Option<Word>,
    timestamp_header: Option<Word>,
    #[serde(default, deserialize_with = "some")]
    over: Option<Words>,
    separator: Option<Word>,
}

impl SignSource {
    pub(super) fn read(words: SignWords, secrets: &Secrets) -> Result<Self, Fault> {
        match words.value {
            SignKeys { aws: Some(aws), hmac: None } => aws.read(secrets).map(Self::Aws),
            SignKeys { aws: None, hmac: Some(hmac) } => hmac.read(secrets).map(Self::Hmac),
            _ => Err(Fault::new(words.referenced.into(), "`sign` needs exactly one of `aws` and `hmac`")),
        }
    }
}

impl AwsWords {
    fn read(self, secrets: &Secrets) -> Result<AwsSource, Fault> {
        let secret = |word| known("secret", word, secrets);
        Ok(AwsSource {
            access_key_id: secret(self.access_key_id)?,
            secret_access_key: secret(self.secret_access_key)?,
            session_token: self.session_token.map(secret).transpose()?,
            region: self.region.map(|word| scope("region", word)).transpose()?,
            service: self.service.map(|word| scope("service", word)).transpose()?,
        })
    }
}

/// A part of the scope of a signature, which `/` divides.
fn scope(key: &str, word: Word) -> Result<String, Fault> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if (1..=MAX_TEXT).contains(&word.value.len()) && word.value.bytes().all(good) {
        return Ok(word.value);
    }
    let message = format!("`{}` is no name for a {key}", clip(&word.value));
    Err(Fault::new(word.referenced.into(), message))
}

impl HmacWords {
    fn read(self, secrets: &Secrets) -> Result<HmacSource, Fault> {
        let header = header_name(&self.header)?;
        let timestamp_header = self.timestamp_header.as_ref().map(header_name).transpose()?;
        if let Some(word) =
            self.timestamp_header.as_ref().filter(|_| timestamp_header.as_ref() == Some(&header))
        {
            return Err(duplicate(word));
        }
        let over = over(self.over.as_ref(), timestamp_header.is_some())?;
        Ok(HmacSource {
            secret: known("secret", self.secret, secrets)?,
            header,
            algorithm: one_of("algorithm", self.algorithm, HmacAlgorithm::ALL, HmacAlgorithm::as_str)?,
            encoding: one_of("encoding", self.encoding, HmacEncoding::ALL, HmacEncoding::as_str)?,
            prefix: self.prefix.map(prefix).transpose()?.unwrap_or_default(),
            timestamp_header,
            over,
            separator: self.separator.map(separator).transpose()?.unwrap_or_else(|| "\n".to_owned()),
        })
    }
}

/// The body alone, unless it is said.
fn over(words: Option<&Words>, timed: bool) -> Result<Vec<HmacPart>, Fault> {
    let mut over = Vec::new();
    for word in listed("part", words)? {
        let at = Position::from(word.referenced);
        let Some(part) = HmacPart::ALL.into_iter().find(|part| part.as_str() == word.value) else {
            let cure = did_you_mean(&word.value, HmacPart::ALL.map(HmacPart::as_str)).unwrap_or_else(|| {
                format!("write some of {}", HmacPart::ALL.map(HmacPart::as_str).join(", "))
            });
            let message = format!("`{}` is no part of a request that can be signed", clip(&word.value));
            return Err(Fault::new(at, message).suggesting(Some(cure)));
        };
        if part == HmacPart::Timestamp && !timed {
            let cure = "name the header that it is sent in as `timestampHeader`".to_owned();
            return Err(Fault::new(at, "nobody could check the time").suggesting(Some(cure)));
        }
        if over.contains(&part) {
            return Err(duplicate(word));
        }
        over.push(part);
    }
    Ok(if over.is_empty() { vec![HmacPart::Body] } else { over })
}

fn prefix(word: Word) -> Result<String, Fault> {
    if word.value.len() <= MAX_TEXT && word.value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(word.value);
    }
    let message = format!("a `prefix` has at most {MAX_TEXT} printable ASCII characters");
    Err(Fault::new(word.referenced.into(), message))
}

/// Nobody but the hash sees it: any text will do.
fn separator(word: Word) -> Result<String, Fault> {
    if word.value.chars().count() <= MAX_TEXT {
        return Ok(word.value);
    }
    let message = format!("a `separator` has at most {MAX_TEXT} characters");
    Err(Fault::new(word.referenced.into(), message))
}
