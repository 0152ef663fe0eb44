//! A secret as the document describes it: where its value comes from, which requests may carry it, and what stands for it in the
//! workload. Its value is never here.
//!
//! Receives words and hands on a [`Secret`] whose names of other secrets and of stores are declared. What secrets mean together is
//! judged in `whole`.

mod placeholder;
mod print;
mod source;
mod token;
mod vault;
mod whole;

use ipnet::IpNet;
use serde::Deserialize;
use serde_saphyr::Spanned;

pub use placeholder::{Place, Placeholder, PlaceholderLook};
pub use source::{CommandSource, RedisSource, SecretSource};
pub(super) use source::{Declared, StoreSort, one_of};
pub use token::{ClientAuth, GithubAppSource, JwtAlgorithm, JwtBearerSource, OAuth2Source};
pub use vault::{VaultAuth, VaultSource};
pub(super) use whole::check;

use placeholder::PlaceholderWords;
use source::{CommandWords, RedisWords};
use token::{GithubAppWords, JwtBearerWords, OAuth2Words};
use vault::VaultWords;

use super::{
    Entry, InstanceFacts, InstanceText, Rules,
    read::text,
    rule::{listed, matching_only},
    source::{RuleWords, Word, Words, some},
};
use crate::{
    Fault, Pattern, PatternError, Scheme,
    fault::{Position, clip},
    pattern::{Target, error},
};

/// Most entries of one list of a secret.
const MAX_LISTED: usize = 256;
/// Longest id or class of an instance, in octets.
const MAX_ID: usize = 256;

/// A named secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Secret {
    /// Where its value comes from.
    pub source: SecretSource,
    /// The requests that may carry it, never empty; `None` is those that handlers put it into. An entry without a scheme is for
    /// TLS, and for plain requests only as far as `allow_plaintext` goes.
    pub hosts: Option<Vec<Entry>>,
    /// Ids of instances that may use it. Where this and `classes` are empty, all may.
    pub instances: Vec<String>,
    /// Classes of instances that may use it.
    pub classes: Vec<String>,
    /// What the workload holds in its place.
    pub placeholder: Option<Placeholder>,
    /// Whether its value is removed from responses.
    pub scrub: bool,
    /// Where it may be sent without TLS.
    pub allow_plaintext: Vec<IpNet>,
}

impl Secret {
    /// Whether an instance may use it.
    pub fn is_for(&self, instance: &InstanceFacts<'_>) -> bool {
        let has = |list: &[String], name| list.iter().any(|one| one == name);
        (self.instances.is_empty() && self.classes.is_empty())
            || has(&self.instances, instance.id)
            || has(&self.classes, instance.class)
    }
}

/// The keys of a secret; which of them go together is judged later.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SecretWords {
    env: Option<Word>,
    file: Option<Word>,
    command: Option<CommandWords>,
    credential: Option<Word>,
    vault: Option<VaultWords>,
    redis: Option<RedisWords>,
    oauth2: Option<OAuth2Words>,
    jwt_bearer: Option<JwtBearerWords>,
    github_app: Option<GithubAppWords>,
    #[serde(default, deserialize_with = "some")]
    hosts: Option<Spanned<Vec<RuleWords>>>,
    #[serde(default, deserialize_with = "some")]
    instances: Option<Words>,
    #[serde(default, deserialize_with = "some")]
    classes: Option<Words>,
    #[serde(default, deserialize_with = "some")]
    placeholder: Option<PlaceholderWords>,
    #[serde(default, deserialize_with = "some")]
    scrub: Option<bool>,
    #[serde(default, deserialize_with = "some")]
    allow_plaintext: Option<Words>,
}

impl Secret {
    /// `rules` reads patterns strictly, whatever the document's `compat` is: a looser `*` would hand secrets to hosts that anyone can
    /// register.
    pub(super) fn read(
        name: &Word,
        mut words: SecretWords,
        names: Declared<'_>,
        rules: &mut Rules,
    ) -> Result<Self, Fault> {
        let sources = [
            words.env.take().map(|word| placeholder::variable(word).map(SecretSource::Env)),
            words.file.take().map(|word| InstanceText::file(word, names.base).map(SecretSource::File)),
            words.command.take().map(|words| words.read(names.base)),
            words.credential.take().map(source::credential),
            words.vault.take().map(|words| words.read(names)),
            words.redis.take().map(|words| words.read(names)),
            words.oauth2.take().map(|words| words.read(name, names)),
            words.jwt_bearer.take().map(|words| words.read(names)),
            words.github_app.take().map(|words| words.read(names)),
        ];
        let mut sources = sources.into_iter().flatten();
        let (Some(source), None) = (sources.next(), sources.next()) else {
            return Err(one_source(name));
        };
        let source = source?;
        let networks = listed("network", words.allow_plaintext.as_ref())?;
        let allow_plaintext = networks.iter().map(network).collect::<Result<Vec<_>, _>>()?;
        let placeholder_at = words.placeholder.as_ref().map(|words| words.referenced.into());
        let placeholder = words.placeholder.map(Placeholder::read).transpose()?;
        if let (Some(at), None) = (placeholder_at, &words.hosts) {
            let cure = Some("name the hosts that it is for".to_owned());
            return Err(Fault::new(at, "a placeholder needs `hosts`").suggesting(cure));
        }
        Ok(Self {
            source,
            hosts: words.hosts.map(|list| hosts(list, rules, &allow_plaintext)).transpose()?,
            instances: ids("instance", words.instances)?,
            classes: ids("class", words.classes)?,
            placeholder,
            scrub: words.scrub.unwrap_or(true),
            allow_plaintext,
        })
    }
}

fn one_source(name: &Word) -> Fault {
    let message = format!(
        "secret `{}` needs exactly one of `env`, `file`, `command`, `credential`, `vault`, `redis`, `oauth2`, `jwtBearer` \
         and `githubApp`",
        name.value
    );
    Fault::new(name.referenced.into(), message)
}

fn hosts(
    list: Spanned<Vec<RuleWords>>,
    rules: &mut Rules,
    allow_plaintext: &[IpNet],
) -> Result<Vec<Entry>, Fault> {
    let at = Position::from(list.referenced);
    if list.value.is_empty() || list.value.len() > MAX_LISTED {
        return Err(Fault::new(at, format!("`hosts` has 1 to {MAX_LISTED} entries")));
    }
    rules.list(list.value, |entry| bound(entry, allow_plaintext))
}

fn bound(entry: &Entry, allow_plaintext: &[IpNet]) -> Result<(), PatternError> {
    matching_only(entry, "the hosts of a secret")?;
    if entry.pattern.scheme == Some(Scheme::Http) && allow_plaintext.is_empty() {
        let secure = Pattern { scheme: Some(Scheme::Https), ..entry.pattern.clone() };
        let cure = format!("write `{secure}`, or the networks under `allowPlaintext`");
        return Err(error("a secret is not sent without TLS", cure));
    }
    Ok(())
}

fn ids(kind: &str, words: Option<Words>) -> Result<Vec<String>, Fault> {
    if let Some(word) = words.as_ref().and_then(|words| words.list.get(MAX_LISTED)) {
        return Err(Fault::new(word.referenced.into(), format!("more than {MAX_LISTED} of one kind")));
    }
    listed(kind, words.as_ref())?
        .iter()
        .map(|word| {
            let text = text(kind, word.clone())?;
            if text.len() > MAX_ID || text.chars().any(char::is_control) {
                let message = format!("the {kind} is too long or holds a control character");
                return Err(Fault::new(word.referenced.into(), message));
            }
            Ok(text)
        })
        .collect()
}

fn network(word: &Word) -> Result<IpNet, Fault> {
    let at = Position::from(word.referenced);
    match Pattern::parse(&word.value) {
        Ok(Pattern { scheme: None, target: Target::Network(net), port: None }) => Ok(net),
        Err(cause) if word.value.contains('/') => {
            Err(Fault::new(at, cause.message).suggesting(cause.suggestion))
        }
        _ => {
            let cure = "write an address, or a network as in `10.0.0.0/8`".to_owned();
            let message = format!("`{}` is no network", clip(&word.value));
            Err(Fault::new(at, message).suggesting(Some(cure)))
        }
    }
}
