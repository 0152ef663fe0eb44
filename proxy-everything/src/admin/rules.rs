//! What is in force and why: every rule with where it stands, those of run time among them; and how a request would be decided.
//! Receives a generation, hands on JSON. Rules are spelled as in a document; secrets are only ever named there.

use http::{Method, StatusCode};
use policy::{Compat, Decision, Denial, Enforcement, Entry, Overrides, Route, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer::Problem, change::read};
use crate::{config::Generation, instance::Instance};

/// What `GET /v1/rules` tells.
pub(super) fn rules(instance: &Instance) -> (Value, u64) {
    let generation = instance.current();
    let (document, overrides) = (generation.document().parsed(), generation.overrides());
    let list = |entries: &[Entry]| entries.iter().map(entry).collect::<Value>();
    let handlers: Value = document
        .handlers
        .iter()
        .map(|(name, source)| json!({ "name": name, "kind": source.kind() }))
        .collect();
    let told = json!({
        "generation": generation.number(),
        "fault": instance.changes.fault(),
        "compat": (document.compat == Compat::Cloudflare).then_some("cloudflare"),
        "deniedHosts": list(overrides.denied(document)),
        "allowedHosts": overrides.allowed(document).map(list),
        "outboundByHost": routes(&overrides.outbound_by_host, &document.outbound_by_host),
        "outbound": routes(&overrides.outbound, &document.outbound),
        "enableInternet": document.enable_internet,
        "monitor": document.enforcement == Enforcement::Monitor,
        "raw": list(&document.raw),
        "passthrough": list(&document.passthrough),
        "handlers": handlers,
        "setAtRunTime": set(overrides),
    });
    (told, generation.number())
}

/// The keys of which the document's do not count, or not alone.
fn set(overrides: &Overrides) -> Value {
    let set = [
        ("deniedHosts", overrides.denied_hosts.is_some()),
        ("allowedHosts", overrides.allowed_hosts.is_some()),
        ("outboundByHost", !overrides.outbound_by_host.is_empty()),
        ("outbound", !overrides.outbound.is_empty()),
        ("handlers", !overrides.handlers.is_empty()),
    ];
    set.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
}

/// Always a mapping, also where the pattern is all there is.
fn entry(entry: &Entry) -> Value {
    let mut printed = match entry.to_json() {
        Value::Object(keys) => Value::Object(keys),
        pattern => json!({ "host": pattern }),
    };
    if let Some(keys) = printed.as_object_mut() {
        keys.insert("origin".into(), entry.origin.to_string().into());
    }
    printed
}

/// In the order in which they are asked, as far as their patterns are equally specific.
fn routes(run_time: &[Route], document: &[Route]) -> Value {
    let one = |route: &Route| {
        let mut printed = route.to_json();
        if let Some(keys) = printed.as_object_mut() {
            keys.insert("host".into(), route.entry.pattern.to_string().into());
            keys.insert("origin".into(), route.entry.origin.to_string().into());
        }
        printed
    };
    run_time.iter().chain(document).map(one).collect()
}

/// A request that nobody sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Explain {
    method: Option<String>,
    url: String,
}

/// What `POST /v1/explain` tells.
pub(super) fn explain(text: &str, generation: &Generation) -> Result<Value, Problem> {
    let Explain { method, url } = read(text)?;
    let wrong = |detail: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let method = method.unwrap_or_else(|| "GET".into());
    Method::from_bytes(method.as_bytes()).map_err(|_| wrong("`method` is no method"))?;
    let url = Url::parse(&url).map_err(|error| wrong(&format!("`url`: {error}")))?;
    let (decision, steps) = generation.policy().explain(&url.facts(&method));
    let steps: Value = steps
        .into_iter()
        .map(|(step, rule)| json!({ "step": step.as_str(), "rule": rule.map(|rule| rule.to_string()) }))
        .collect();
    let refusal = |denial: &Denial| json!({ "reason": denial.reason.as_str(), "rule": denial.rule.as_str() });
    Ok(match decision {
        Decision::Deny(denial) => json!({
            "generation": generation.number(),
            "decision": "deny",
            "rule": denial.rule.as_str(),
            "reason": denial.reason.as_str(),
            "detail": denial.reason.explain(),
            "answer": denial.answer.as_ref().map(|answer| answer.to_json()),
            "handlers": [],
            "steps": steps,
        }),
        Decision::Forward { rule, binding, monitored } => {
            let binding = binding.and_then(|id| generation.policy().bindings().get(id.index()));
            json!({
                "generation": generation.number(),
                "decision": "allow",
                "rule": rule.as_str(),
                "handlers": binding.map(|binding| binding.handlers.clone()).unwrap_or_default(),
                "params": binding.and_then(|binding| binding.params.clone()),
                "monitored": monitored.as_ref().map(refusal),
                "steps": steps,
            })
        }
    })
}
