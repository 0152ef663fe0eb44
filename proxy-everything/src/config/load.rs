//! Making the parts of a generation: handler chains with their secrets, and the upstream pool with its roots. Receives a parsed
//! document, hands on what exchanges use. Of all the configuration's modules only this one and `secrets` read files.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use bytes::Bytes;
use handlers::{Chain, Deny, Handler, Inject, Named, Respond, ScriptSettings, Secret};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use policy::{
    ComponentSource, ContentHash, HandlerSource, Overrides, Policy, Template, TemplatePart, WasmSource,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Bound, ConfigError, Document, LazyEngine, Limits, Surroundings};
use crate::{in_force::Rules, upstream::Upstream};

type Secrets = BTreeMap<String, Arc<Secret>>;

/// Every binding of `policy`, in the order of its ids.
pub fn chains(
    policy: &Policy,
    document: &Document,
    overrides: &Overrides,
    engine: &LazyEngine,
    secrets: &BTreeMap<String, Arc<Secret>>,
) -> Result<Vec<Bound>, ConfigError> {
    let make = Make { secrets, overrides, engine, limits: &Limits::from(&document.parsed.limits) };
    let mut named = BTreeMap::new();
    for (name, source) in &document.parsed.handlers {
        named.insert(name.as_str(), make.named(name, source, None)?);
    }
    let bound = |binding: &policy::Binding| {
        let mut chain = Vec::with_capacity(binding.handlers.len());
        for name in &binding.handlers {
            let handler = match (document.parsed.handlers.get(name), &binding.params) {
                (Some(source @ HandlerSource::Wasm(_)), Some(params)) => {
                    Some(make.named(name, source, Some(params))?)
                }
                _ => named.get(name.as_str()).cloned(),
            };
            // Unknown names were refused when the document was parsed.
            chain.extend(handler);
        }
        Ok(Bound { pattern: binding.pattern.as_str().into(), chain: Chain::new(chain) })
    };
    policy.bindings().iter().map(bound).collect()
}

/// An empty pool with the roots and addresses of `document`.
pub(super) fn upstream(
    document: &Document,
    limits: &Limits,
    rules: Rules,
    surroundings: Surroundings<'_>,
) -> Result<Upstream, ConfigError> {
    let files: Result<Vec<String>, _> = document
        .parsed
        .upstream_roots
        .iter()
        .map(|path| read(path, |path| fs::read_to_string(path)))
        .collect();
    let roots = surroundings.roots.with(files?).map_err(ConfigError::Roots)?;
    Ok(Upstream::new(rules, surroundings.in_force.clone(), roots, limits.clone()))
}

fn read<T>(path: &Path, with: impl Fn(&Path) -> std::io::Result<T>) -> Result<T, ConfigError> {
    with(path).map_err(|error| ConfigError::File { path: path.to_owned(), error })
}

fn check(bytes: &[u8], expected: Option<ContentHash>) -> Result<(), String> {
    let found = ContentHash(Sha256::digest(bytes).into());
    match expected {
        Some(expected) if expected != found => Err(format!("its SHA-256 is {found}, and not {expected}")),
        _ => Ok(()),
    }
}

struct Make<'a> {
    secrets: &'a Secrets,
    overrides: &'a Overrides,
    engine: &'a LazyEngine,
    limits: &'a Limits,
}

impl Make<'_> {
    /// Programs are handed `given` instead of their own parameters, if it is there.
    fn named(
        &self,
        name: &str,
        source: &HandlerSource,
        given: Option<&Value>,
    ) -> Result<Arc<Named>, ConfigError> {
        Ok(Arc::new(Named { name: name.into(), handler: self.handler(name, source, given)? }))
    }

    fn handler(
        &self,
        name: &str,
        source: &HandlerSource,
        given: Option<&Value>,
    ) -> Result<Handler, ConfigError> {
        let wrong = |reason: String| ConfigError::Handler { name: name.to_owned(), reason };
        match source {
            HandlerSource::Inject(headers) => {
                Ok(Handler::Inject(Inject::new(self.headers(headers).map_err(wrong)?)))
            }
            HandlerSource::Deny { status, reason } => {
                let status = StatusCode::from_u16(*status).map_err(|error| wrong(error.to_string()))?;
                Ok(Handler::Deny(Deny { status, reason: reason.clone() }))
            }
            HandlerSource::Respond { status, headers, body } => {
                let status = StatusCode::from_u16(*status).map_err(|error| wrong(error.to_string()))?;
                let plain = |(name, value): &(String, String)| header(name, value);
                let headers = headers.iter().map(plain).collect::<Result<_, _>>().map_err(wrong)?;
                Ok(Handler::Respond(Respond { status, headers, body: Bytes::from(body.clone()) }))
            }
            HandlerSource::Wasm(wasm) => self.script(name, wasm, given),
        }
    }

    /// Runs the component that was set at run time, if one was.
    fn script(&self, name: &str, wasm: &WasmSource, given: Option<&Value>) -> Result<Handler, ConfigError> {
        let wrong = |reason: String| ConfigError::Handler { name: name.to_owned(), reason };
        let granted =
            wasm.secrets.iter().filter_map(|name| Some((name.clone(), self.secrets.get(name)?.clone())));
        let settings = ScriptSettings {
            params: given.unwrap_or(&wasm.params).clone(),
            secrets: granted.collect(),
            limits: self.limits.script(),
            ..ScriptSettings::named(name)
        };
        let engine = || self.engine.get().map_err(|error| wrong(error.to_string()));
        let script = match self.overrides.component(name, wasm) {
            ComponentSource::Path { path, sha256 } => {
                let bytes = read(path, |path| fs::read(path))?;
                check(&bytes, *sha256).map_err(|reason| wrong(format!("{}: {reason}", path.display())))?;
                engine()?.load(&bytes, settings)
            }
            ComponentSource::Hash(hash) => engine()?.load_known(hash.0, settings),
        };
        script.map(Handler::Script).map_err(|error| wrong(error.to_string()))
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
