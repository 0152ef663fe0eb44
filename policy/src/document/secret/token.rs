//! Secrets that are made of other secrets: tokens that a server gives out against a credential.
//!
//! Receives words and hands on what is asked of which server. The credentials are only named; their values are secrets of the
//! document like any other.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    SecretSource,
    source::{Declared, Shape, one_of, server, visible, within},
};
use crate::{
    Fault,
    document::{
        read::{duplicate, known},
        source::{Entries, Word, Words, some},
    },
    fault::{Position, clip},
};

/// Where tokens of GitHub's own apps come from.
const GITHUB: &str = "https://api.github.com";
/// Most repositories of one token, by GitHub's own bound.
const MAX_REPOSITORIES: usize = 500;
/// Most permissions of one token; GitHub has about 70.
const MAX_PERMISSIONS: usize = 200;

/// An access token of an OAuth 2 server (RFC 6749), by the client's own credentials or by a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2Source {
    /// Who is asked.
    pub token_url: String,
    /// Who we are there.
    pub client_id: String,
    /// The name of the secret that proves it; always there without a refresh token.
    pub client_secret: Option<String>,
    /// The name of the secret that is the first refresh token.
    pub refresh_token: Option<String>,
    /// What is asked for.
    pub scope: Option<String>,
    /// Whom the token is for.
    pub audience: Option<String>,
    /// How the client's secret is sent.
    pub client_auth: ClientAuth,
}

/// How a client proves who it is (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the header `Authorization`.
    #[default]
    Basic,
    /// As `client_id` and `client_secret` of the body.
    Body,
}

/// An access token against a signed assertion (RFC 7523).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtBearerSource {
    /// Who is asked.
    pub token_url: String,
    /// The name of the secret that is the private key, as PEM.
    pub key: String,
    /// How the assertion is signed.
    pub algorithm: JwtAlgorithm,
    /// `kid` of its header.
    pub key_id: Option<String>,
    /// `iss`.
    pub issuer: String,
    /// `sub`; `None` is the issuer.
    pub subject: Option<String>,
    /// `aud`; `None` is the token URL.
    pub audience: Option<String>,
    /// What is asked for.
    pub scope: Option<String>,
    /// How long an assertion holds, 1 to 3,600.
    pub lifetime_seconds: u32,
}

/// How an assertion is signed (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// RSA with SHA-256.
    #[default]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

/// A token of an installation of a GitHub app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubAppSource {
    /// The app's id, or its client id.
    pub app_id: String,
    /// Where the app is installed.
    pub installation_id: u64,
    /// The name of the secret that is the app's private key, as PEM.
    pub key: String,
    /// Without a `/` at its end.
    pub api_url: String,
    /// Names without their owner; empty is all that the installation may see.
    pub repositories: Vec<String>,
    /// `read`, `write` or `admin` by what; empty is all that the installation may do.
    pub permissions: BTreeMap<String, String>,
}

impl ClientAuth {
    const ALL: [Self; 2] = [Self::Basic, Self::Body];

    /// As a document spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Body => "body",
        }
    }
}

impl JwtAlgorithm {
    const ALL: [Self; 2] = [Self::Rs256, Self::Es256];

    /// As a document and a JWT spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

impl GithubAppSource {
    /// Whether it is GitHub's own API.
    pub(crate) fn is_public(&self) -> bool {
        self.api_url == GITHUB
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct OAuth2Words {
    token_url: Word,
    client_id: Word,
    client_secret: Option<Word>,
    refresh_token: Option<Word>,
    scope: Option<Word>,
    audience: Option<Word>,
    client_auth: Option<Word>,
}

impl OAuth2Words {
    pub(super) fn read(self, name: &Word, names: Declared<'_>) -> Result<SecretSource, Fault> {
        let secret = |word: Word| known("secret", word, names.secrets);
        match (&self.client_secret, &self.refresh_token, &self.client_auth) {
            (None, None, _) => {
                let message =
                    format!("secret `{}` needs a `clientSecret` or a `refreshToken`", clip(&name.value));
                return Err(Fault::new(name.referenced.into(), message));
            }
            (None, _, Some(word)) => {
                let message = "`clientAuth` says how `clientSecret` is sent, and there is none";
                return Err(Fault::new(word.referenced.into(), message));
            }
            _ => {}
        }
        Ok(SecretSource::OAuth2(Box::new(OAuth2Source {
            token_url: server("tokenUrl", self.token_url, Shape::Endpoint)?,
            client_id: visible("clientId", self.client_id)?,
            client_secret: self.client_secret.map(secret).transpose()?,
            refresh_token: self.refresh_token.map(secret).transpose()?,
            scope: self.scope.map(|word| visible("scope", word)).transpose()?,
            audience: self.audience.map(|word| visible("audience", word)).transpose()?,
            client_auth: one_of("clientAuth", self.client_auth, ClientAuth::ALL, ClientAuth::as_str)?,
        })))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct JwtBearerWords {
    token_url: Word,
    key: Word,
    algorithm: Option<Word>,
    key_id: Option<Word>,
    issuer: Word,
    subject: Option<Word>,
    audience: Option<Word>,
    scope: Option<Word>,
    lifetime_seconds: Option<Spanned<u32>>,
}

impl JwtBearerWords {
    /// Seconds. Servers commonly refuse assertions that hold longer than an hour.
    const LIFETIME: (u32, u32) = (300, 3_600);

    pub(super) fn read(self, names: Declared<'_>) -> Result<SecretSource, Fault> {
        let some = |key, word: Option<Word>| word.map(|word| visible(key, word)).transpose();
        Ok(SecretSource::JwtBearer(Box::new(JwtBearerSource {
            token_url: server("tokenUrl", self.token_url, Shape::Endpoint)?,
            key: known("secret", self.key, names.secrets)?,
            algorithm: one_of("algorithm", self.algorithm, JwtAlgorithm::ALL, JwtAlgorithm::as_str)?,
            key_id: some("keyId", self.key_id)?,
            issuer: visible("issuer", self.issuer)?,
            subject: some("subject", self.subject)?,
            audience: some("audience", self.audience)?,
            scope: some("scope", self.scope)?,
            lifetime_seconds: within("lifetimeSeconds", self.lifetime_seconds, Self::LIFETIME)?,
        })))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct GithubAppWords {
    app_id: Word,
    installation_id: Word,
    key: Word,
    api_url: Option<Word>,
    #[serde(default, deserialize_with = "some")]
    repositories: Option<Words>,
    #[serde(default, deserialize_with = "some")]
    permissions: Option<Spanned<Entries<Word>>>,
}

impl GithubAppWords {
    pub(super) fn read(self, names: Declared<'_>) -> Result<SecretSource, Fault> {
        let digits = self.installation_id.value.bytes().all(|byte| byte.is_ascii_digit());
        let Some(installation_id) = digits.then(|| self.installation_id.value.parse().ok()).flatten() else {
            let message = format!("`{}` is no `installationId`", clip(&self.installation_id.value));
            return Err(Fault::new(self.installation_id.referenced.into(), message)
                .suggesting(Some("write the number".to_owned())));
        };
        Ok(SecretSource::GithubApp(Box::new(GithubAppSource {
            app_id: segment("appId", &self.app_id)?,
            installation_id,
            key: known("secret", self.key, names.secrets)?,
            api_url: match self.api_url {
                Some(word) => server("apiUrl", word, Shape::Base)?,
                None => GITHUB.to_owned(),
            },
            repositories: self.repositories.map(repositories).transpose()?.unwrap_or_default(),
            permissions: self.permissions.map(permissions).transpose()?.unwrap_or_default(),
        })))
    }
}

/// A list that is there limits the token, so it must not be empty: GitHub would take that for no limit.
fn repositories(words: Words) -> Result<Vec<String>, Fault> {
    let mut seen = HashSet::new();
    if words.list.is_empty() || words.list.len() > MAX_REPOSITORIES {
        return Err(Fault::new(words.at, format!("name 1 to {MAX_REPOSITORIES} repositories")));
    }
    let one = |word: &Word| {
        if !seen.insert(word.value.clone()) {
            return Err(duplicate(word));
        }
        segment("repository", word).map_err(|fault| match word.value.rsplit_once('/') {
            Some((_, name)) => fault.suggesting(Some(format!("write `{}`", clip(name)))),
            None => fault,
        })
    };
    words.list.iter().map(one).collect()
}

/// The same for what it may do.
fn permissions(entries: Spanned<Entries<Word>>) -> Result<BTreeMap<String, String>, Fault> {
    let Spanned { value: Entries(entries), referenced, .. } = entries;
    if entries.is_empty() || entries.len() > MAX_PERMISSIONS {
        let message = format!("name 1 to {MAX_PERMISSIONS} permissions");
        return Err(Fault::new(referenced.into(), message));
    }
    let one = |(what, how): (Word, Word)| {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        if what.value.is_empty() || !what.value.bytes().all(good) {
            let message = format!("`{}` is no name for a permission", clip(&what.value));
            return Err(Fault::new(what.referenced.into(), message));
        }
        if !["read", "write", "admin"].contains(&how.value.as_str()) {
            let message =
                format!("a permission is `read`, `write` or `admin`, and not `{}`", clip(&how.value));
            return Err(Fault::new(how.referenced.into(), message));
        }
        Ok((what.value, how.value))
    };
    entries.into_iter().map(one).collect()
}

/// What becomes one segment of a path, or a claim.
fn segment(what: &str, word: &Word) -> Result<String, Fault> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let text = &word.value;
    if (1..=100).contains(&text.len()) && text.bytes().all(good) && !matches!(text.as_str(), "." | "..") {
        return Ok(text.clone());
    }
    let at = Position::from(word.referenced);
    Err(Fault::new(at, format!("`{}` is no `{what}`", clip(text))))
}
