//! Where the value of a secret comes from.
//!
//! Receives words and hands on exactly one [`SecretSource`], with all that is needed to ask it. Servers that hand out secrets are
//! spoken to over TLS only, but for those on this very machine.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    token::{GithubAppSource, JwtBearerSource, OAuth2Source},
    vault::VaultSource,
};
use crate::{
    CanonicalHost, Fault, Scheme, StoreSource, Url,
    document::{
        read::{known, text},
        source::Word,
        store::StoreWords,
        template::{InstanceText, not_utf8},
    },
    fault::{Position, clip, did_you_mean},
};

/// Most arguments of a command.
const MAX_ARGUMENTS: usize = 100;
/// Seconds that a value is kept without another word, and the longest time: a day.
const TTL: (u32, u32) = (300, 86_400);
/// Seconds that a command may take without another word, and the longest time.
const TIMEOUT: (u32, u32) = (10, 300);

/// Where a secret's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The environment variable of this name.
    Env(String),
    /// The content of this file.
    File(InstanceText),
    /// What a command prints.
    Command(CommandSource),
    /// A credential that systemd hands to the proxy: the file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(InstanceText),
    /// A HashiCorp Vault or OpenBao server.
    Vault(Box<VaultSource>),
    /// A key of a store.
    Redis(RedisSource),
    /// An OAuth 2 server.
    OAuth2(Box<OAuth2Source>),
    /// The same, against a signed assertion.
    JwtBearer(Box<JwtBearerSource>),
    /// GitHub, for an app of it.
    GithubApp(Box<GithubAppSource>),
}

/// A command that prints a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSource {
    /// A name that is looked for in `PATH`, or a file.
    pub program: String,
    /// What it is called with.
    pub arguments: Vec<InstanceText>,
    /// How long what it printed holds, 1 to 86,400.
    pub ttl_seconds: u32,
    /// How long it may take, 1 to 300.
    pub timeout_seconds: u32,
}

/// A value in a Redis server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSource {
    /// The name of the store, which is one with `redis`.
    pub store: String,
    /// The key, behind the store's prefix.
    pub key: InstanceText,
    /// How long what was read holds, 1 to 86,400.
    pub ttl_seconds: u32,
}

impl SecretSource {
    /// The key that makes it what it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Env(_) => "env",
            Self::File(_) => "file",
            Self::Command(_) => "command",
            Self::Credential(_) => "credential",
            Self::Vault(_) => "vault",
            Self::Redis(_) => "redis",
            Self::OAuth2(_) => "oauth2",
            Self::JwtBearer(_) => "jwtBearer",
            Self::GithubApp(_) => "githubApp",
        }
    }

    /// The names of the secrets that it is made of. Those that open the store of `redis` are not among them.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Env(_) | Self::File(_) | Self::Command(_) | Self::Credential(_) | Self::Redis(_) => {
                (None, None)
            }
            Self::Vault(vault) => (vault.auth.secret(), None),
            Self::OAuth2(oauth) => (oauth.client_secret.as_deref(), oauth.refresh_token.as_deref()),
            Self::JwtBearer(jwt) => (Some(jwt.key.as_str()), None),
            Self::GithubApp(app) => (Some(app.key.as_str()), None),
        };
        first.into_iter().chain(second)
    }

    /// The name of the secret that is a private key, which has several lines.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::JwtBearer(jwt) => Some(&jwt.key),
            Self::GithubApp(app) => Some(&app.key),
            _ => None,
        }
    }
}

/// What sources may name, of this part of a document and of those before it.
#[derive(Clone, Copy)]
pub(in crate::document) struct Declared<'a> {
    pub(in crate::document) secrets: &'a BTreeMap<String, ()>,
    pub(in crate::document) stores: &'a BTreeMap<String, StoreSort>,
    /// Where relative paths begin.
    pub(in crate::document) base: &'a Path,
}

/// What a store is, as far as secrets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum StoreSort {
    Redis,
    Other,
}

impl From<&StoreSource> for StoreSort {
    fn from(source: &StoreSource) -> Self {
        if matches!(source, StoreSource::Redis { .. }) { Self::Redis } else { Self::Other }
    }
}

impl From<&StoreWords> for StoreSort {
    fn from(words: &StoreWords) -> Self {
        if words.is_redis() { Self::Redis } else { Self::Other }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CommandWords {
    run: Spanned<Vec<Word>>,
    ttl_seconds: Option<Spanned<u32>>,
    timeout_seconds: Option<Spanned<u32>>,
}

impl CommandWords {
    pub(super) fn read(self, base: &Path) -> Result<SecretSource, Fault> {
        let at = Position::from(self.run.referenced);
        let mut words = self.run.value.into_iter();
        let Some(program) = words.next() else {
            return Err(Fault::new(at, "no program is named")
                .suggesting(Some("write `run: [PROGRAM, ARGUMENT, …]`".to_owned())));
        };
        if words.len() > MAX_ARGUMENTS {
            return Err(Fault::new(at, format!("more than {MAX_ARGUMENTS} arguments")));
        }
        Ok(SecretSource::Command(CommandSource {
            program: self::program(program, base)?,
            arguments: words.map(InstanceText::argument).collect::<Result<_, _>>()?,
            ttl_seconds: within("ttlSeconds", self.ttl_seconds, TTL)?,
            timeout_seconds: within("timeoutSeconds", self.timeout_seconds, TIMEOUT)?,
        }))
    }
}

/// A name alone is looked for in `PATH`.
fn program(word: Word, base: &Path) -> Result<String, Fault> {
    if word.value.contains('/') { path(word, base) } else { text("program's name", word) }
}

/// A file that is the same for every instance.
pub(super) fn path(word: Word, base: &Path) -> Result<String, Fault> {
    let at = word.referenced.into();
    let path = base.join(text("file name", word)?);
    path.into_os_string().into_string().map_err(|_| not_utf8(at))
}

pub(super) fn credential(word: Word) -> Result<SecretSource, Fault> {
    let at = Position::from(word.referenced);
    let shown = clip(&word.value).to_owned();
    let name = InstanceText::read("credential's name", word)?;
    // systemd's own rule for names of credentials, systemd.exec(5): a file name.
    let dots = matches!(shown.as_str(), "." | "..");
    if dots || !name.all(|byte| byte != b'/' && !byte.is_ascii_control()) {
        return Err(Fault::new(at, format!("`{shown}` is no name for a credential")));
    }
    Ok(SecretSource::Credential(name))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RedisWords {
    store: Word,
    key: Word,
    ttl_seconds: Option<Spanned<u32>>,
}

impl RedisWords {
    pub(super) fn read(self, names: Declared<'_>) -> Result<SecretSource, Fault> {
        let at = Position::from(self.store.referenced);
        let store = known("store", self.store, names.stores)?;
        if names.stores.get(&store) != Some(&StoreSort::Redis) {
            return Err(no_redis(&store, at));
        }
        Ok(SecretSource::Redis(RedisSource {
            store,
            key: InstanceText::read("key", self.key)?,
            ttl_seconds: within("ttlSeconds", self.ttl_seconds, TTL)?,
        }))
    }
}

pub(super) fn no_redis(store: &str, at: Position) -> Fault {
    let message = format!("a secret is read from a store with `redis`, and `{}` is none", clip(store));
    Fault::new(at, message)
}

/// What a URL of a server may have behind its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing.
    Origin,
    /// A path that requests begin with.
    Base,
    /// A path, and a query.
    Endpoint,
}

/// A server that secrets come from. It is not sent anything over a plain connection that leaves this machine.
pub(super) fn server(key: &str, word: Word, shape: Shape) -> Result<String, Fault> {
    let at = Position::from(word.referenced);
    let plain = match shape {
        Shape::Endpoint => word.value.as_str(),
        Shape::Base | Shape::Origin => word.value.trim_end_matches('/'),
    };
    let good = plain.bytes().all(|byte| byte.is_ascii_graphic()) && !plain.contains(['#', '\\', '"']);
    let url = Url::parse(plain).ok().filter(|url| {
        good && match shape {
            Shape::Origin => url.path == "/" && !plain.contains('?'),
            Shape::Base => !plain.contains('?'),
            Shape::Endpoint => true,
        }
    });
    let Some(url) = url else {
        let cure = match shape {
            Shape::Origin => "write `https://HOST` or `https://HOST:PORT`",
            Shape::Base | Shape::Endpoint => "write `https://HOST/PATH`",
        };
        let message = format!("`{}` is no `{key}`", clip(&word.value));
        return Err(Fault::new(at, message).suggesting(Some(cure.to_owned())));
    };
    if url.scheme == Scheme::Http && !is_here(&url.authority.host) {
        let message = format!("`{}` is asked for a secret without TLS", clip(&word.value));
        return Err(Fault::new(at, message).suggesting(Some("write `https://`".to_owned())));
    }
    Ok(plain.to_owned())
}

/// RFC 6761, section 6.3.
fn is_here(host: &CanonicalHost) -> bool {
    let name = host.name().is_some_and(|name| name == "localhost" || name.ends_with(".localhost"));
    name || host.address().is_some_and(|address| address.is_loopback())
}

/// A number from 1, or the default.
pub(super) fn within(
    key: &str,
    number: Option<Spanned<u32>>,
    (default, most): (u32, u32),
) -> Result<u32, Fault> {
    match number {
        None => Ok(default),
        Some(number) if (1..=most).contains(&number.value) => Ok(number.value),
        Some(number) => {
            Err(Fault::new(number.referenced.into(), format!("`{key}` must be from 1 to {most}")))
        }
    }
}

/// Text that is sent to a server: one line of something.
pub(super) fn visible(key: &str, word: Word) -> Result<String, Fault> {
    let good = |byte: u8| matches!(byte, b' '..=b'~');
    if word.value.is_empty() || word.value.len() > 1_024 || !word.value.bytes().all(good) {
        let message = format!("`{key}` has 1 to 1024 printable ASCII characters");
        return Err(Fault::new(word.referenced.into(), message));
    }
    Ok(word.value)
}

/// One of a few words, or the default.
pub(in crate::document) fn one_of<T: Copy + Default, const N: usize>(
    key: &str,
    word: Option<Word>,
    all: [T; N],
    spelled: impl Fn(T) -> &'static str,
) -> Result<T, Fault> {
    let Some(word) = word else { return Ok(T::default()) };
    let found = all.into_iter().find(|one| spelled(*one) == word.value);
    found.ok_or_else(|| {
        let known = all.map(spelled);
        let cure =
            did_you_mean(&word.value, known).unwrap_or_else(|| format!("write {}", known.join(" or ")));
        let message = format!("`{}` is no `{key}`", clip(&word.value));
        Fault::new(word.referenced.into(), message).suggesting(Some(cure))
    })
}
