//! One verdict everywhere: the table of `tests/cases/verdicts.yaml`, and random policies, judged by the crate and by a model.
//!
//! The whole-system tests put the same table on the wire.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod model;
mod random;

use std::collections::BTreeMap;

use model::{Request, Spec};
use policy::{Authority, CanonicalHost, Decision, Document, Overrides, Policy, RequestFacts, Scheme};
use serde::Deserialize;

const TABLE: &str = include_str!("../../tests/cases/verdicts.yaml");
const HANDLERS: &str = "\nhandlers: { h: { respond: {} }, g: { respond: {} }, c: { respond: {} } }\n";

#[derive(Deserialize)]
struct Group {
    policy: String,
    /// Names that DNS denies.
    #[serde(default)]
    unknown: Vec<String>,
    verdicts: BTreeMap<String, Vec<String>>,
}

/// `[METHOD ]scheme://authority[/path]`.
fn request(text: &str) -> Request<'_> {
    let (before, rest) = text.split_once("://").expect(text);
    let (method, scheme) = before.rsplit_once(' ').unwrap_or(("GET", before));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Request { scheme, authority, method, path: if path.is_empty() { "/" } else { path } }
}

fn compile(text: &str) -> Policy {
    let document =
        Document::parse(&format!("{text}{HANDLERS}")).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    Policy::compile(&document, &Overrides::default())
}

fn told(policy: &Policy, decision: &Decision) -> String {
    match decision {
        Decision::Deny(denial) => denial.reason.to_string(),
        Decision::Forward { binding, monitored, .. } => {
            let handler = binding.map(|id| format!(" {}", policy.bindings()[id.index()].handlers.join(",")));
            let note = monitored.as_ref().map_or("", |_| ", monitored");
            format!("pass{}{note}", handler.unwrap_or_default())
        }
    }
}

/// By `decide`, and by `explain`, which must not differ.
fn verdict(policy: &Policy, Request { scheme, authority, method, path }: Request<'_>) -> String {
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    let Ok(Authority { host, port }) = Authority::parse(authority, scheme) else {
        return "malformed".to_owned();
    };
    let facts = RequestFacts { scheme, host: &host, port, method, path };
    let decision = policy.decide(&facts);
    let (explained, steps) = policy.explain(&facts);
    assert_eq!(explained, decision, "{facts:?}");
    assert!(!steps.is_empty(), "{facts:?}");
    let passes = matches!(decision, Decision::Forward { .. });
    assert!(!passes || policy.may_pass(Some(scheme), &Authority { host: host.clone(), port }), "{facts:?}");
    assert!(!passes || policy.resolves(&host).is_ok(), "{facts:?}");
    told(policy, &decision)
}

#[test]
fn the_table() {
    let groups: Vec<Group> = serde_saphyr::from_str(TABLE).expect("the table");
    let (mut count, mut wrong) = (0, Vec::new());
    for Group { policy: text, unknown, verdicts } in &groups {
        let (policy, spec) = (compile(text), Spec::parse(text));
        for name in unknown {
            let resolution = policy.resolves(&CanonicalHost::parse(name).expect(name));
            assert!(resolution.is_err(), "{name} under\n{text}");
        }
        for (wanted, cases) in verdicts {
            for case in cases {
                count += 1;
                let told = (verdict(&policy, request(case)), spec.verdict(request(case)));
                if told != (wanted.clone(), wanted.clone()) {
                    wrong.push(format!("{case:?} is to be {wanted} and is, and is by the model, {told:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count >= 300, "only {count} cases");
}
