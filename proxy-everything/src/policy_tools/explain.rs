//! `policy explain`: how one request is decided, step by step, and what the workload is told of a refusal. Receives a method, a URL, and
//! file names or a running instance; asks the compiled policy and prints its own words.

use std::path::PathBuf;

use futures_util::FutureExt;
use http_body_util::BodyExt;
use policy::{Denial, Overrides, Policy, Rule, Step, Url, Verdict};
use serde_json::{Value, json};

use super::{FAULTY, told_document};
use crate::{
    cli::Which,
    client,
    error::{ExchangeError, Tongue, refusal},
};

/// Stands for the id that each request gets.
const REQUEST_ID: &str = "ID";

/// Without files, what a running instance has in force is asked.
pub(super) fn run(
    method: &str,
    url: &str,
    files: &[PathBuf],
    which: &Which,
    json: bool,
) -> anyhow::Result<u8> {
    let url = match Url::parse(url) {
        Ok(url) => url,
        Err(error) => {
            eprintln!("{url}: {error}");
            return Ok(FAULTY);
        }
    };
    let (document, overrides) = match files {
        [] => client::in_force(which)?,
        files => match told_document(files)? {
            Some(document) => (document, Overrides::default()),
            None => return Ok(FAULTY),
        },
    };
    let policy = Policy::compile(document.parsed(), &overrides);
    let (_, steps) = policy.explain(&url.facts(method));
    let verdict = policy.verdict(&url.facts(method));
    let asked = format!("{method} {}://{}{}", url.scheme, url.authority, url.path);
    if json {
        println!("{}", to_json(&asked, &steps, &verdict, &policy));
    } else {
        print(&asked, &steps, &verdict, &policy);
    }
    Ok(u8::from(!verdict.passes()))
}

fn print(asked: &str, steps: &[(Step, Option<Rule>)], verdict: &Verdict, policy: &Policy) {
    println!("{asked}");
    for (step, rule) in steps {
        println!("  {:<32}{}", step.as_str(), rule.as_ref().map_or("-", Rule::as_str));
    }
    match verdict {
        Verdict::Allow { rule, handlers, monitored, .. } => {
            let through =
                if handlers.is_empty() { "straight to the server".into() } else { handlers.join(", ") };
            println!("allow by {rule}");
            println!("  goes through: {through}");
            if let Some(Denial { reason, rule, .. }) = monitored {
                println!("  noted: {reason} by {rule}");
            }
        }
        Verdict::Deny(denial) => {
            let (status, body) = told(denial, policy);
            println!("deny {} by {}: {}", denial.reason, denial.rule, denial.reason.explain());
            println!("  the workload is told: {status}");
            println!("  {}", body.trim_end());
        }
    }
}

fn to_json(asked: &str, steps: &[(Step, Option<Rule>)], verdict: &Verdict, policy: &Policy) -> Value {
    let step = |(step, rule): &(Step, Option<Rule>)| json!({ "step": step.as_str(), "rule": rule.as_ref().map(Rule::as_str) });
    let steps: Vec<Value> = steps.iter().map(step).collect();
    let rule = verdict.rule().as_str();
    match verdict {
        Verdict::Allow { handlers, monitored, .. } => {
            let noted = monitored.as_ref();
            let noted =
                noted.map(|denial| json!({ "reason": denial.reason.as_str(), "rule": denial.rule.as_str() }));
            json!({ "request": asked, "decision": "allow", "rule": rule, "handlers": handlers, "monitored": noted, "steps": steps })
        }
        Verdict::Deny(denial) => {
            let (status, body) = told(denial, policy);
            json!({ "request": asked, "decision": "deny", "rule": rule, "reason": denial.reason.as_str(), "status": status,
                    "body": body, "steps": steps })
        }
    }
}

/// Status and body, as an exchange would send them.
fn told(denial: &Denial, policy: &Policy) -> (u16, String) {
    let (head, body) =
        refusal(&ExchangeError::Denied(denial.clone()), REQUEST_ID, policy, Tongue::Http).into_parts();
    // The body of a refusal is there at once.
    let body =
        body.collect().now_or_never().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    (head.status.as_u16(), String::from_utf8_lossy(&body).into_owned())
}
