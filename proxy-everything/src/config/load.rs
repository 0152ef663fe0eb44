//! Making the parts of a generation: handler chains with their secrets, and the upstream pool with its roots. Receives a parsed
//! document, hands on what exchanges use. Of all the configuration's modules only this one and `secrets` read files.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use bytes::Bytes;
use handlers::{Chain, Deny, Handler, Inject, Kind, Named, Respond, Secret};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use policy::{HandlerSource, Policy, Template, TemplatePart};
use rustls::RootCertStore;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Bound, ConfigError, Document, Elsewhere, Limits, Scripts, Surroundings};
use crate::{
    in_force::{InForce, Rules},
    secrets::{self, Slot},
    upstream::Upstream,
};

type Secrets = BTreeMap<String, Arc<Secret>>;

/// What handles requests.
pub struct Handling {
    /// Every binding of the policy, in the order of its ids.
    pub bound: Vec<Bound>,
    /// Every handler of the document, by name.
    pub named: Vec<Arc<Named>>,
}

/// Makes all handlers of `document`, and the chains of `policy`.
pub fn handling(
    policy: &Policy,
    document: &Document,
    scripts: &Scripts<'_>,
) -> Result<Handling, ConfigError> {
    let make = Make { secrets: scripts.granted.secrets, scripts };
    let mut named = BTreeMap::new();
    for (name, source) in &document.parsed.handlers {
        named.insert(name.as_str(), make.named(name, source, None)?);
    }
    let bound = |binding: &policy::Binding| {
        if binding.upgrade == policy::Upgrade::Https {
            let name = binding.handlers.first().cloned().unwrap_or_default();
            return Err(ConfigError::Handler { name, reason: "`upgrade` is not served yet".to_owned() });
        }
        let mut chain = Vec::with_capacity(binding.handlers.len());
        for name in &binding.handlers {
            let handler = match (document.parsed.handlers.get(name), &binding.params) {
                (Some(source @ HandlerSource::Wasm(_)), Some(params)) => {
                    Some(make.named(name, source, Some(params))?)
                }
                _ => named.get(name.as_str()).cloned(),
            };
            // Unknown names were refused when the document was parsed.
            let Some(handler) = handler else { continue };
            if matches!(&handler.handler, Handler::Script(script) if script.kind() == Kind::Tail) {
                let reason =
                    "its component is a tail, which serves no requests: name it under `tail`".to_owned();
                return Err(ConfigError::Handler { name: name.clone(), reason });
            }
            chain.push(handler);
        }
        Ok(Bound::new(&binding.pattern, Chain::new(chain)))
    };
    let bound = policy.bindings().iter().map(bound).collect::<Result<_, _>>()?;
    Ok(Handling { bound, named: named.into_values().collect() })
}

/// The secrets and the stores, open.
pub(super) fn secrets(
    document: &Document,
    surroundings: Surroundings<'_>,
    roots: &Arc<RootCertStore>,
) -> Result<secrets::Opened, ConfigError> {
    let Surroundings { who, visible, stores, .. } = surroundings;
    let open = |values: &Secrets| stores.open(&document.parsed.stores, values, roots, visible);
    surroundings.secrets.open(&document.parsed, secrets::Surroundings { who, visible, roots }, open)
}

/// The values that secrets have now. What restricts a secret is not passed over: as long as nothing keeps to it, there is none.
pub(super) fn values(
    document: &Document,
    slots: &BTreeMap<String, Arc<Slot>>,
) -> Result<Secrets, ConfigError> {
    for (name, secret) in &document.parsed.secrets {
        let policy::Secret { source: _, hosts, instances, classes, placeholder, scrub: _, allow_plaintext } =
            secret;
        let keys = [
            ("hosts", hosts.is_some()),
            ("instances", !instances.is_empty()),
            ("classes", !classes.is_empty()),
            ("placeholder", placeholder.is_some()),
            ("allowPlaintext", !allow_plaintext.is_empty()),
        ];
        if let Some((key, _)) = keys.into_iter().find(|(_, said)| *said) {
            return Err(ConfigError::Secret {
                name: name.clone(),
                reason: format!("`{key}` is not served yet"),
            });
        }
    }
    let value = |(name, slot): (&String, &Arc<Slot>)| Ok((name.clone(), slot.now()?));
    slots.iter().map(value).collect()
}

/// By whom upstreams are verified.
pub(super) fn roots(
    document: &Document,
    surroundings: Surroundings<'_>,
) -> Result<Arc<RootCertStore>, ConfigError> {
    let files: Result<Vec<String>, _> = document
        .parsed
        .upstream_roots
        .iter()
        .map(|path| read(path, |path| fs::read_to_string(path)))
        .collect();
    surroundings.roots.with(files?).map_err(ConfigError::Roots)
}

/// The ways to the other hosts that handlers may fetch from, by the handlers' names.
pub(super) fn elsewhere(
    document: &Document,
    limits: &Limits,
    rules: &Rules,
    roots: &Arc<RootCertStore>,
) -> BTreeMap<String, Elsewhere> {
    let way = |(name, source): (&String, &HandlerSource)| {
        let HandlerSource::Wasm(wasm) = source else { return None };
        if wasm.fetch.is_empty() {
            return None;
        }
        let rules = Rules { policy: Arc::new(wasm.fetch_policy()), ..rules.clone() };
        // What a handler has begun to fetch goes on for as long as the exchange does, under the grants that it began with.
        let in_force = InForce::default();
        in_force.replace(rules.clone());
        let policy = Arc::clone(&rules.policy);
        let upstream = Upstream::new(rules, in_force, Arc::clone(roots), limits.clone());
        Some((name.clone(), Elsewhere { policy, upstream, holds_secrets: !wasm.secrets.is_empty() }))
    };
    document.parsed.handlers.iter().filter_map(way).collect()
}

pub(super) fn read<T>(path: &Path, with: impl Fn(&Path) -> std::io::Result<T>) -> Result<T, ConfigError> {
    with(path).map_err(|error| ConfigError::File { path: path.to_owned(), error })
}

struct Make<'a> {
    secrets: &'a Secrets,
    scripts: &'a Scripts<'a>,
}

impl Make<'_> {
    /// Programs are handed `given` instead of their own parameters, if it is there.
    fn named(
        &self,
        name: &str,
        source: &HandlerSource,
        given: Option<&Value>,
    ) -> Result<Arc<Named>, ConfigError> {
        let wrong = |reason: String| ConfigError::Handler { name: name.to_owned(), reason };
        let handler = match source {
            HandlerSource::Wasm(wasm) => return self.scripts.named(name, wasm, given),
            HandlerSource::Inject(inject) if inject.basic.is_none() && inject.query.is_empty() => {
                Handler::Inject(Inject::new(self.headers(&inject.headers).map_err(wrong)?))
            }
            HandlerSource::Inject(_) => {
                return Err(wrong("`basic` and `query` are not served yet".to_owned()));
            }
            HandlerSource::Sign(_) => return Err(wrong("`sign` is not served yet".to_owned())),
            HandlerSource::Deny { status, reason } => {
                let status = StatusCode::from_u16(*status).map_err(|error| wrong(error.to_string()))?;
                Handler::Deny(Deny { status, reason: reason.clone() })
            }
            HandlerSource::Respond { status, headers, body } => {
                let status = StatusCode::from_u16(*status).map_err(|error| wrong(error.to_string()))?;
                let plain = |(name, value): &(String, String)| header(name, value);
                let headers = headers.iter().map(plain).collect::<Result<_, _>>().map_err(wrong)?;
                Handler::Respond(Respond { status, headers, body: Bytes::from(body.clone()) })
            }
        };
        Ok(Arc::new(Named { name: name.into(), version: None, handler }))
    }

    fn headers(&self, headers: &[(String, Template)]) -> Result<HeaderMap, String> {
        let rendered = |(name, template): &(String, Template)| {
            let (name, mut value) = header(name, &self.render(template))?;
            value.set_sensitive(template.secrets().next().is_some());
            Ok((name, value))
        };
        headers.iter().map(rendered).collect()
    }

    fn render(&self, template: &Template) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for part in &template.0 {
            match part {
                TemplatePart::Text(part) => text.push_str(part),
                // Unknown names were refused when the document was parsed.
                TemplatePart::Secret(name) => {
                    text.push_str(self.secrets.get(name).map_or("", |s| s.expose()))
                }
            }
        }
        text
    }
}

/// The value may be a secret: the message must not repeat it.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = name.parse().map_err(|_| format!("`{name}` is no header name"))?;
    let value = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of `{name}` cannot stand in a header"))?;
    Ok((parsed, value))
}
