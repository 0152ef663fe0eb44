//! Secrets in HashiCorp Vault or OpenBao.
//!
//! Receives words and hands on which field of which path is read at which server, and how the proxy proves who it is there.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    SecretSource,
    source::{Declared, Shape, server, visible, within},
};
use crate::{
    Fault,
    document::{
        read::known,
        source::{Word, some},
        template::InstanceText,
    },
    fault::{Position, clip},
};

/// Seconds: the longest time that a value is kept, a day.
const MAX_TTL: u32 = 86_400;

/// A field of what a Vault server keeps, or makes, under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSource {
    /// `https://HOST[:PORT]`; `http://` on this machine only.
    pub address: String,
    /// Behind `/v1/`, as in `secret/data/app`.
    pub path: InstanceText,
    /// Which of the values there.
    pub field: String,
    /// How the proxy proves who it is.
    pub auth: VaultAuth,
    /// The server's namespace.
    pub namespace: Option<String>,
    /// How long a value holds, 1 to 86,400; `None` leaves it to its lease.
    pub ttl_seconds: Option<u32>,
}

/// How the proxy proves to Vault who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultAuth {
    /// By the token that is the secret of this name.
    Token(String),
    /// By the method `approle`.
    AppRole {
        /// The role.
        role_id: String,
        /// The name of the secret that proves it.
        secret_id: String,
    },
    /// By the method `kubernetes`.
    Kubernetes {
        /// The role.
        role: String,
        /// The service account's token.
        jwt_file: String,
    },
}

impl VaultAuth {
    /// The name of the secret that it takes.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Token(name) | Self::AppRole { secret_id: name, .. } => Some(name),
            Self::Kubernetes { .. } => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct VaultWords {
    address: Word,
    path: Word,
    field: Word,
    auth: Spanned<AuthWords>,
    namespace: Option<Word>,
    ttl_seconds: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AuthWords {
    token: Option<Word>,
    #[serde(default, deserialize_with = "some")]
    app_role: Option<AppRoleWords>,
    #[serde(default, deserialize_with = "some")]
    kubernetes: Option<KubernetesWords>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AppRoleWords {
    role_id: Word,
    secret_id: Word,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct KubernetesWords {
    role: Word,
    jwt_file: Word,
}

impl VaultWords {
    pub(super) fn read(self, names: Declared<'_>) -> Result<SecretSource, Fault> {
        let ttl = |number| within("ttlSeconds", Some(number), (MAX_TTL, MAX_TTL));
        Ok(SecretSource::Vault(Box::new(VaultSource {
            address: server("address", self.address, Shape::Origin)?,
            path: path(self.path)?,
            field: visible("field", self.field)?,
            auth: auth(self.auth, names)?,
            namespace: self.namespace.map(|word| visible("namespace", word)).transpose()?,
            ttl_seconds: self.ttl_seconds.map(ttl).transpose()?,
        })))
    }
}

/// It becomes part of a URL, in which nothing of it may mean something else.
fn path(word: Word) -> Result<InstanceText, Fault> {
    let at = Position::from(word.referenced);
    let shown = clip(&word.value).to_owned();
    let segments = word.value.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    let path = InstanceText::read("path", word)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
    if segments && path.all(plain) {
        return Ok(path);
    }
    let cure = "write what stands behind `/v1/`, as in `secret/data/app`".to_owned();
    Err(Fault::new(at, format!("`{shown}` is no path of Vault")).suggesting(Some(cure)))
}

fn auth(words: Spanned<AuthWords>, names: Declared<'_>) -> Result<VaultAuth, Fault> {
    let secret = |word: Word| known("secret", word, names.secrets);
    match words.value {
        AuthWords { token: Some(token), app_role: None, kubernetes: None } => {
            secret(token).map(VaultAuth::Token)
        }
        AuthWords { token: None, app_role: Some(words), kubernetes: None } => Ok(VaultAuth::AppRole {
            role_id: visible("roleId", words.role_id)?,
            secret_id: secret(words.secret_id)?,
        }),
        AuthWords { token: None, app_role: None, kubernetes: Some(words) } => Ok(VaultAuth::Kubernetes {
            role: visible("role", words.role)?,
            jwt_file: super::source::path(words.jwt_file, names.base)?,
        }),
        _ => {
            let message = "`auth` needs exactly one of `token`, `appRole` and `kubernetes`";
            Err(Fault::new(words.referenced.into(), message))
        }
    }
}
