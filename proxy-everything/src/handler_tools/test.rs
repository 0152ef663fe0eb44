//! `handler test`: whether handlers do with requests what a person expects. Receives a component or a policy, and files of cases; hands on a
//! line for each case, what differs below it, and the exit status.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, anyhow};
use handlers::{Secret, Secrets};
use policy::{Overrides, Policy};
use serde_json::{Value, json};

use super::{
    FAULTY,
    differs::differs,
    expected::{self, Case, Placed},
    kept::Kept,
    lines::Lines,
    trial::{self, Who},
};
use crate::{
    app::{in_file, read_policy},
    cache::CacheDir,
    config::{self, ConfigError, Document, Granted, LazyEngine, Limits, MAX_DOCUMENT, Scripts, Stores},
    logging,
};

/// Something is not as expected.
const DIFFERS: u8 = 1;

/// What is tried.
enum Subject {
    /// One component, under a policy that sends everything through it.
    Component(PathBuf),
    Policy(Box<Document>),
}

struct Bench {
    subject: Subject,
    /// The files that the subject is of, for messages.
    files: Vec<PathBuf>,
    engine: LazyEngine,
    lines: Lines,
    runtime: tokio::runtime::Runtime,
}

pub(super) fn run(files: &[PathBuf], policy: &[PathBuf]) -> anyhow::Result<u8> {
    let lines = Lines::default();
    logging::to_stderr_and(lines.clone());
    let (subject, subject_files, cases) = match (policy, files) {
        ([], [component, cases @ ..]) => {
            (Subject::Component(std::path::absolute(component)?), vec![component.clone()], cases)
        }
        _ => match Document::merge(read_policy(policy)?) {
            Ok(document) => (Subject::Policy(Box::new(document)), policy.to_vec(), files),
            Err(error) => {
                eprintln!("{}", in_file(policy, &error));
                return Ok(FAULTY);
            }
        },
    };
    let engine = LazyEngine::new(CacheDir::locate(None).open());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bench = Bench { subject, files: subject_files, engine, lines, runtime };
    let (mut all, mut failed) = (0_u64, 0_u64);
    for file in case_files(cases)? {
        let cases = match expected::parse(&text(&file)?) {
            Ok(cases) => cases,
            Err(fault) => {
                eprintln!("{}:{fault}", file.display());
                return Ok(FAULTY);
            }
        };
        for case in &cases {
            all += 1;
            let place = format!("{}:{}", file.display(), case.referenced.line());
            match bench.judge(case, &format!("case-{all}")) {
                Ok(differs) => failed += told(&case.value, &place, &differs),
                Err(error) => {
                    eprintln!("{place}: {error:#}");
                    return Ok(FAULTY);
                }
            }
        }
    }
    println!("{all} cases, {failed} failed");
    if all == 0 {
        return Ok(FAULTY);
    }
    Ok(if failed == 0 { 0 } else { DIFFERS })
}

/// Prints what came of a case; 1 if it failed.
fn told(case: &Case, place: &str, differs: &[String]) -> u64 {
    if differs.is_empty() {
        println!("ok   {}", case.name);
        return 0;
    }
    println!("FAIL {} ({place})", case.name);
    differs.iter().for_each(|line| println!("     {line}"));
    1
}

impl Bench {
    /// What differs.
    fn judge(&self, case: &Placed, id: &str) -> anyhow::Result<Vec<String>> {
        let case = &case.value;
        let fault = |error: ConfigError| in_file(&self.files, &error);
        let made;
        let document = match &self.subject {
            Subject::Policy(document) => {
                if let Some(key) = case.grant() {
                    return Err(anyhow!("`{key}` is the policy's: leave it out of the case"));
                }
                document
            }
            Subject::Component(path) => {
                made = only(path, case).map_err(|error| anyhow!("what the case grants: {error}"))?;
                &made
            }
        };
        let policy = Policy::compile(document.parsed(), &Overrides::default());
        let (secrets, stores) = (secrets(document, case), Stores::default());
        let kept = self.runtime.block_on(Kept::of(document, case)).context("the stores")?;
        let granted = Granted { stores: kept.open(), kept: &stores };
        let limits = Limits::from(&document.parsed().limits);
        let scripts =
            Scripts { granted, overrides: &Overrides::default(), engine: &self.engine, limits: &limits };
        let bound = config::handling(&policy, document, &scripts).map_err(fault)?.bound;
        let (instance, class) = (case.container_id.as_deref(), case.class_name.as_deref());
        let (instance, class) = (instance.unwrap_or("test"), class.unwrap_or_default());
        let mut all = Vec::new();
        for (number, step) in (1..).zip(case.steps()) {
            let request = format!("{id}-{number}");
            let who = Who { instance, class, request: &request, secrets: &secrets };
            let told = self.runtime.block_on(trial::run(step, &who, &policy, &bound, &self.lines))?;
            let mut lines = differs(step.expect, &told);
            lines.extend(self.runtime.block_on(kept.differs(step.expect))?);
            let place = if number == 1 { String::new() } else { format!("request {number}: ") };
            all.extend(lines.into_iter().map(|line| format!("{place}{line}")));
        }
        Ok(all)
    }
}

/// The policy that sends everything through one component, which is granted what the case has.
fn only(component: &Path, case: &Case) -> Result<Document, ConfigError> {
    let names: Vec<_> = case.secrets.keys().collect();
    let sources: BTreeMap<_, _> = names.iter().map(|name| (name, json!({ "env": name }))).collect();
    let same =
        |names: Vec<&String>| -> Value { names.iter().map(|name| ((*name).clone(), json!(name))).collect() };
    let state: Vec<_> = case.state.iter().flatten().collect();
    let of_values = case.keyvalue.keys().chain(state.iter().copied());
    let of_values = of_values.map(|name| (name.clone(), json!({ "memory": {} })));
    // Where it is, nobody looks.
    let of_objects = case.blobstore.keys().map(|name| (name.clone(), json!({ "folder": "objects" })));
    let (bound, to) = match &case.matched {
        Some(pattern) => ("outboundByHost", json!({ pattern.as_str(): "handler" })),
        None => ("outbound", json!("handler")),
    };
    let text = json!({
        bound: to,
        "enableInternet": true,
        "secrets": sources,
        "stores": of_values.chain(of_objects).collect::<Value>(),
        "handlers": { "handler": {
            "wasm": component,
            "secrets": names,
            "params": case.params,
            "config": case.config.clone().unwrap_or_default(),
            "rateLimits": case.rate_limits.clone().unwrap_or_else(|| json!({})),
            "keyvalue": same(case.keyvalue.keys().collect()),
            "state": same(state),
            "blobstore": same(case.blobstore.keys().collect()),
        } },
    });
    Document::parse(text.to_string(), PathBuf::from("/"))
}

/// Those of the case; a secret that it does not give has a value that can be told.
fn secrets(document: &Document, case: &Case) -> Secrets {
    let value = |name: &String| case.secrets.get(name).cloned().unwrap_or_else(|| format!("secret-{name}"));
    let names = document.parsed().secrets.keys();
    names.map(|name| (name.as_str().into(), Arc::new(Secret::new(value(name))))).collect()
}

/// The files themselves, and in folders those that can be lists of cases, by name.
fn case_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let is_list = |path: &PathBuf| {
            path.extension().is_some_and(|kind| ["yaml", "yml", "json"].iter().any(|known| kind == *known))
        };
        let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_list).collect();
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn text(file: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    anyhow::ensure!(text.len() <= MAX_DOCUMENT, "{} is larger than 4 MiB", file.display());
    Ok(text)
}
