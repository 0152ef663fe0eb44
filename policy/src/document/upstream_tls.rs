//! TLS towards upstreams, where it is not the usual: the roots, the client certificate and the revocation lists of some hosts.
//!
//! Receives the entries of `upstreamTls` as they are spelled, hands on typed ones, and an index that finds the one for an
//! authority. Entries are never mixed: the most specific pattern brings all of its own, so that no host gets an identity that
//! was meant for another.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;

use super::{
    Entry,
    read::file,
    rule::Rules,
    source::{Word, Words, some},
};
use crate::{
    Authority, Fault, Pattern, Scheme,
    index::{Asked, Index, Requests},
};

/// How TLS is spoken with some hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Whom it is for; never empty, and every entry is a pattern without a condition and not for plain HTTP.
    pub hosts: Vec<Entry>,
    /// PEM files with the only roots that vouch for these hosts; if empty, the usual ones do.
    pub roots: Vec<PathBuf>,
    /// Who we are to these hosts, when they ask.
    pub client_certificate: Option<ClientCertificate>,
    /// PEM files with lists of revoked certificates.
    pub crls: Vec<PathBuf>,
    /// What is not in them.
    pub unlisted: Unlisted,
}

/// An identity in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM: the certificate, then those that lead to its root.
    pub certificate: PathBuf,
    /// PEM: its private key, not encrypted.
    pub key: PathBuf,
}

/// What becomes of certificates of which no current list says anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unlisted {
    /// They are good, and lists that are over still count.
    #[default]
    Accept,
    /// They are refused.
    Refuse,
}

/// The keys of an entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UpstreamTlsWords {
    hosts: Words,
    #[serde(default, deserialize_with = "some")]
    roots: Option<Words>,
    client_certificate: Option<ClientCertificateWords>,
    #[serde(default, deserialize_with = "some")]
    crls: Option<Words>,
    require_status: Option<Spanned<bool>>,
}

/// The keys of `clientCertificate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientCertificateWords {
    certificate: Word,
    key: Word,
}

/// Reads entries that stand behind `earlier`.
pub(super) fn read(
    earlier: Vec<UpstreamTls>,
    entries: Vec<UpstreamTlsWords>,
    mut rules: Rules,
    base: &Path,
) -> Result<Vec<UpstreamTls>, Fault> {
    let mut all = earlier;
    let hosts = all.iter().flat_map(|entry| &entry.hosts);
    let mut seen: HashSet<Pattern> = hosts.map(|host| host.pattern.clone()).collect();
    for words in entries {
        let entry = UpstreamTls::read(words, &mut seen, &mut rules, base)?;
        all.push(entry);
    }
    Ok(all)
}

impl UpstreamTls {
    fn read(
        words: UpstreamTlsWords,
        seen: &mut HashSet<Pattern>,
        rules: &mut Rules,
        base: &Path,
    ) -> Result<Self, Fault> {
        let at = words.hosts.at;
        if words.hosts.list.is_empty() {
            return Err(Fault::new(at, "no host is named"));
        }
        let host = |word: Word| host(&word, seen, rules);
        let hosts = words.hosts.list.into_iter().map(host).collect::<Result<Vec<_>, _>>()?;
        let file = |word| file(word, base);
        let files = |words: Option<Words>| match words {
            Some(words) if words.list.is_empty() => Err(Fault::new(words.at, "no file is named")),
            Some(words) => words.list.into_iter().map(file).collect(),
            None => Ok(Vec::new()),
        };
        let client_certificate = words.client_certificate.map(|words| {
            Ok(ClientCertificate { certificate: file(words.certificate)?, key: file(words.key)? })
        });
        let (roots, crls) = (files(words.roots)?, files(words.crls)?);
        let client_certificate = client_certificate.transpose()?;
        let unlisted = match words.require_status {
            Some(required) if required.value && crls.is_empty() => {
                let message = "without `crls` the status of no certificate is known";
                return Err(Fault::new(required.referenced.into(), message));
            }
            Some(required) if required.value => Unlisted::Refuse,
            _ => Unlisted::Accept,
        };
        if roots.is_empty() && crls.is_empty() && client_certificate.is_none() {
            let cure = Some("write `roots`, `clientCertificate` or `crls`".to_owned());
            return Err(Fault::new(at, "nothing is said of these hosts").suggesting(cure));
        }
        Ok(Self { hosts, roots, client_certificate, crls, unlisted })
    }

    /// As a document spells it.
    pub(crate) fn to_json(&self) -> Value {
        let hosts: Vec<_> = self.hosts.iter().map(|host| host.pattern.to_string()).collect();
        let mut keys = Map::from_iter([("hosts".to_owned(), json!(hosts))]);
        for (key, files) in [("roots", &self.roots), ("crls", &self.crls)] {
            if !files.is_empty() {
                keys.insert(key.to_owned(), json!(files));
            }
        }
        if let Some(ClientCertificate { certificate, key }) = &self.client_certificate {
            let files = json!({ "certificate": certificate, "key": key });
            keys.insert("clientCertificate".to_owned(), files);
        }
        if self.unlisted == Unlisted::Refuse {
            keys.insert("requireStatus".to_owned(), json!(true));
        }
        keys.into()
    }
}

fn host(word: &Word, seen: &mut HashSet<Pattern>, rules: &mut Rules) -> Result<Entry, Fault> {
    let at = word.referenced.into();
    let entry = rules.pattern(&word.value, at)?;
    if entry.pattern.scheme == Some(Scheme::Http) {
        let secure = Pattern { scheme: None, ..entry.pattern.clone() };
        let message = format!("`{}` has no TLS", entry.pattern);
        return Err(Fault::new(at, message).suggesting(Some(format!("write `{secure}`"))));
    }
    // With a scheme and without one it is the same here.
    if !seen.insert(Pattern { scheme: None, ..entry.pattern.clone() }) {
        return Err(Fault::new(at, format!("`{}` is here a second time", entry.pattern)));
    }
    Ok(entry)
}

/// Finds the entry for an authority.
#[derive(Debug, Default)]
pub struct UpstreamTlsIndex {
    index: Index,
    /// Of each pattern the place of its entry.
    entries: Vec<usize>,
}

impl UpstreamTlsIndex {
    /// Of these entries.
    pub fn new(entries: &[UpstreamTls]) -> Self {
        let patterns = entries.iter().flat_map(|entry| &entry.hosts);
        let index = Index::new(patterns.map(|host| (&host.pattern, Requests::All)));
        let places =
            entries.iter().enumerate().flat_map(|(place, entry)| entry.hosts.iter().map(move |_| place));
        Self { index, entries: places.collect() }
    }

    /// The place of the entry with the most specific pattern for `authority`.
    pub fn find(&self, authority: &Authority) -> Option<usize> {
        let asked = Asked { scheme: Some(Scheme::Https), port: authority.port };
        let pattern = self.index.find(&authority.host, asked, |_| true)?;
        self.entries.get(pattern).copied()
    }
}

#[cfg(test)]
mod tests;
