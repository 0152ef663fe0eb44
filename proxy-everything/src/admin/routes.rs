//! What the admin API can be asked about an instance, resource by resource below `/v1/`. Receives a request of a permitted peer, hands
//! on the answer. What it can be asked about a fleet is in `instances`, which passes the rest on to here; what changes anything is in
//! `change`. docs/openapi.yaml describes it all. Nothing here ever answers with a secret.

use std::{convert::Infallible, sync::Arc};

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use policy::{Origin, Verb, Warning};
use serde_json::{Value, json};

use super::{
    Administered,
    answer::{Answer, Problem, changed, json, tagged, typed},
    caller,
    change::{Change, text},
    handlers, instances, metrics, rules,
};
use crate::{
    config::{Document, Part},
    instance::Instance,
    trust,
};

/// Warnings in one answer.
const MAX_WARNINGS: usize = 100;

/// The resources of an instance and their methods, beside the verbs.
const RESOURCES: [(&str, &[&str]); 11] = [
    ("status", &["GET"]),
    ("metrics", &["GET"]),
    ("policy", &["GET", "PUT"]),
    ("policy/parts", &["GET", "PUT"]),
    ("overrides", &["GET", "PUT"]),
    ("rules", &["GET"]),
    ("handlers", &["GET"]),
    ("explain", &["POST"]),
    ("placeholders", &["GET"]),
    ("ca", &["GET"]),
    ("ca/bundle", &["GET"]),
];

pub(super) async fn answer(
    request: Request<Incoming>,
    administered: Administered,
) -> Result<Answer, Infallible> {
    if !caller::is_meant_for_us(&request) {
        let detail = "requests have `Host: localhost` and no `Origin`: browsers are not served";
        return Ok(Problem::new(StatusCode::FORBIDDEN, detail).answer());
    }
    let path = request.uri().path().to_owned();
    let resource = path.strip_prefix("/v1/").unwrap_or_default();
    let answered = match administered {
        Administered::Instance(instance) => of_instance(request, resource, instance).await,
        Administered::Fleet(fleet) => instances::answer(request, resource, &fleet).await,
    };
    Ok(answered.unwrap_or_else(Problem::answer))
}

/// Whether an instance has this resource, and that this method.
pub(super) fn permit(method: &Method, resource: &str) -> Result<(), Problem> {
    let known = RESOURCES.into_iter().find(|(known, _)| *known == resource).map(|(_, methods)| methods);
    let methods = known.or_else(|| Verb::named(resource).map(|_| &["POST"][..]));
    match methods {
        Some(methods) if methods.contains(&method.as_str()) => Ok(()),
        Some(methods) => Err(Problem::no_such_method(methods)),
        None => {
            let known = RESOURCES.map(|(resource, _)| resource);
            let all = known.into_iter().chain(Verb::ALL.map(Verb::as_str)).collect::<Vec<_>>().join(", ");
            Err(Problem::new(StatusCode::NOT_FOUND, &format!("below /v1/ there are {all}")))
        }
    }
}

/// What `resource` of an instance has to say to `request`.
pub(super) async fn of_instance(
    request: Request<Incoming>,
    resource: &str,
    instance: Arc<Instance>,
) -> Result<Answer, Problem> {
    permit(request.method(), resource)?;
    let generation = instance.current();
    let number = generation.number();
    let ok = |value: &Value| json(StatusCode::OK, value);
    Ok(match (request.method().as_str(), resource) {
        ("GET", "status") => ok(&status(&instance)),
        ("GET", "metrics") => typed(StatusCode::OK, metrics::CONTENT_TYPE, metrics::text(&instance)),
        ("GET", "policy") => {
            tagged(typed(StatusCode::OK, "application/yaml", texts(generation.document())), number)
        }
        ("GET", "policy/parts") => tagged(ok(&parts(generation.document())), number),
        ("GET", "overrides") => {
            let text = format!("{}\n", generation.overrides().to_json());
            tagged(typed(StatusCode::OK, "application/json", text), number)
        }
        ("GET", "rules") => {
            let (rules, number) = rules::rules(&instance);
            tagged(ok(&rules), number)
        }
        ("GET", "handlers") => tagged(ok(&handlers::list(&generation)), number),
        ("POST", "explain") => {
            let explained = rules::explain(&text(request).await?, &generation)?;
            tagged(ok(&explained), number)
        }
        ("GET", "placeholders") => tagged(ok(&placeholders(&instance)?), number),
        ("GET", "ca") => pem(instance.tls.ca().pem().to_owned()),
        ("GET", "ca/bundle") => bundle(instance).await?,
        _ => {
            let change = Arc::new(Change::read(request, resource).await?);
            let made = change.make(Arc::clone(&instance)).await?;
            let mut said = changed(made);
            if let (Some(said), true) = (said.as_object_mut(), resource.starts_with("policy")) {
                said.insert("warnings".into(), warnings(instance.current().document()));
            }
            tagged(ok(&said), made.generation())
        }
    })
}

fn status(instance: &Instance) -> Value {
    json!({
        "instance": &*instance.id,
        "class": &*instance.class,
        "mode": instance.mode,
        "generation": instance.current().number(),
        "fault": instance.changes.fault(),
        "pid": std::process::id(),
        "published": instance.published(),
        "connections": instance.connections(),
        "requests": instance.requests(),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// The document as it was given: it holds references to secrets and never a value. Several texts stand behind each other, each under
/// its name.
fn texts(document: &Document) -> String {
    let text = |part: &Part| match &part.source {
        None => part.text.clone(),
        Some(source) => format!("---\n# {source}\n{}\n", part.text),
    };
    document.parts().iter().map(text).collect()
}

/// The same, for programs.
fn parts(document: &Document) -> Value {
    let part = |part: &Part| json!({ "source": part.source, "base": part.base, "text": part.text });
    json!({ "parts": document.parts().iter().map(part).collect::<Value>() })
}

/// What the workload is to be given in the place of secrets; no secrets themselves.
fn placeholders(instance: &Instance) -> Result<Value, Problem> {
    let given = instance.fakes.of(instance.current().document().parsed(), &instance.facts());
    Ok(json!({ "placeholders": given.map_err(|error| Problem::from(&error))? }))
}

/// What a command of `run` has as its bundle.
async fn bundle(instance: Arc<Instance>) -> Result<Answer, Problem> {
    let system = tokio::task::spawn_blocking(trust::system_bundle).await;
    let not_read = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the system's bundle was not read");
    Ok(pem(certs::trust_bundle(&system.map_err(not_read)?, instance.tls.ca().pem())))
}

/// What is odd in a document that is accepted.
fn warnings(document: &Document) -> Value {
    let warning = |Warning { origin, message, suggestion }: &Warning| {
        let (source, line) = match origin {
            Some(Origin::Document { source, line }) => (source.as_deref(), Some(line)),
            Some(Origin::RunTime) | None => (None, None),
        };
        json!({ "source": source, "line": line, "message": message, "suggestion": suggestion })
    };
    document.warnings().iter().take(MAX_WARNINGS).map(warning).collect()
}

fn pem(text: String) -> Answer {
    typed(StatusCode::OK, "application/x-pem-file", text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `METHOD path` for each operation; the text is laid out by hand, two spaces to a level.
    fn described() -> BTreeSet<String> {
        let text = include_str!("../../../docs/openapi.yaml");
        let (mut path, mut found) = ("", BTreeSet::new());
        let within = text.split_once("\npaths:\n").unwrap().1.split("\ncomponents:").next().unwrap();
        for line in within.lines() {
            let word = line.trim().trim_end_matches(':');
            match line.len() - line.trim_start().len() {
                2 if line.starts_with("  /") => path = line.trim().split(':').next().unwrap(),
                4 if ["get", "put", "post", "delete"].contains(&word) => {
                    found.insert(format!("{} {path}", word.to_uppercase()));
                }
                4 if word.starts_with("$ref") => {
                    found.insert(format!("REF {path}"));
                }
                _ => {}
            }
        }
        found
    }

    #[test]
    fn everything_is_described_and_nothing_else() {
        let verbs = Verb::ALL.map(|verb| (verb.as_str(), &["POST"][..]));
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for (resource, methods) in RESOURCES.into_iter().chain(verbs) {
            wanted.extend(methods.iter().map(|method| format!("{method} /v1/{resource}")));
            wanted.insert(format!("REF /v1/instances/{{instance}}/{resource}"));
        }
        let fleet = ["GET /v1/instances", "POST /v1/instances", "DELETE /v1/instances/{instance}"];
        wanted.extend(fleet.map(str::to_owned));
        assert_eq!(described(), wanted);
    }
}
