//! Making the parts of a generation: handler chains with their secrets, and the upstream pool with its roots. Receives a parsed
//! document, hands on what exchanges use.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bytes::Bytes;
use handlers::{Chain, Deny, Handler, Kind, Named, Respond, Secret};
use http::StatusCode;
use policy::{HandlerSource, Policy};
use rustls::RootCertStore;

use super::{
    Bound, ConfigError, Document, Elsewhere, Limits, Scripts, Surroundings,
    inject::{header_name, header_value, inject, sign},
    upstream_tls,
};
use crate::{
    in_force::{InForce, Rules},
    secrets,
    upstream::{Upstream, UpstreamTls},
};

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
    let mut named = BTreeMap::new();
    for (name, source) in &document.parsed.handlers {
        named.insert(name.as_str(), named_handler(name, source, None, scripts)?);
    }
    let bound = |binding: &policy::Binding| {
        let mut chain = Vec::with_capacity(binding.handlers.len());
        for name in &binding.handlers {
            let handler = match (document.parsed.handlers.get(name), &binding.params) {
                (Some(source @ HandlerSource::Wasm(_)), Some(params)) => {
                    Some(named_handler(name, source, Some(params), scripts)?)
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
        Ok(Bound::new(&binding.pattern, Chain::new(chain), binding.upgrade))
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
    let open =
        |values: &BTreeMap<String, Arc<Secret>>| stores.open(&document.parsed.stores, values, roots, visible);
    surroundings.secrets.open(&document.parsed, secrets::Surroundings { who, visible, roots }, open)
}

/// By whom upstreams are verified.
pub(super) fn roots(
    document: &Document,
    surroundings: Surroundings<'_>,
) -> Result<Arc<RootCertStore>, ConfigError> {
    let files: Result<Vec<String>, _> =
        document.parsed.upstream_roots.iter().map(|path| upstream_tls::read(path)).collect();
    surroundings.roots.with(files?).map_err(ConfigError::Roots)
}

/// The ways to the other hosts that handlers may fetch from, by the handlers' names.
pub(super) fn elsewhere(
    document: &Document,
    limits: &Limits,
    rules: &Rules,
    tls: &Arc<UpstreamTls>,
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
        let upstream = Upstream::new(rules, in_force, Arc::clone(tls), limits.clone());
        Some((name.clone(), Elsewhere { policy, upstream, holds_secrets: !wasm.secrets.is_empty() }))
    };
    document.parsed.handlers.iter().filter_map(way).collect()
}

pub(super) fn read<T>(path: &Path, with: impl Fn(&Path) -> std::io::Result<T>) -> Result<T, ConfigError> {
    with(path).map_err(|error| ConfigError::File { path: path.to_owned(), error })
}

/// Programs are handed `given` instead of their own parameters, if it is there.
fn named_handler(
    name: &str,
    source: &HandlerSource,
    given: Option<&serde_json::Value>,
    scripts: &Scripts<'_>,
) -> Result<Arc<Named>, ConfigError> {
    let wrong = |reason: String| ConfigError::Handler { name: name.to_owned(), reason };
    let handler = match source {
        HandlerSource::Wasm(wasm) => return scripts.named(name, wasm, given),
        HandlerSource::Inject(source) => Handler::Inject(inject(source).map_err(wrong)?),
        HandlerSource::Sign(source) => Handler::Sign(sign(source).map_err(wrong)?),
        HandlerSource::Deny { status, reason } => {
            let status = StatusCode::from_u16(*status).map_err(|error| wrong(error.to_string()))?;
            Handler::Deny(Deny { status, reason: reason.clone() })
        }
        HandlerSource::Respond { status, headers, body } => {
            let status = StatusCode::from_u16(*status).map_err(|error| wrong(error.to_string()))?;
            let plain =
                |(name, value): &(String, String)| Ok((header_name(name)?, header_value(name, value)?));
            let headers = headers.iter().map(plain).collect::<Result<_, String>>().map_err(wrong)?;
            Handler::Respond(Respond { status, headers, body: Bytes::from(body.clone()) })
        }
    };
    Ok(Arc::new(Named { name: name.into(), version: None, handler }))
}
