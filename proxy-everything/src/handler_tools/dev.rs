//! `handler run`: a command in a sealed network whose requests go through a handler that is being written. Receives a project, builds it, and
//! hands the command to `app::run` with what goes on beside it: the project is built again when it changes, and the policy read again.
//!
//! The command has our user. Sources, toolchains and what those read are wherever its user can write, and what is built is run outside
//! of the sealed network; so the command can write to nothing but a `/tmp` of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use policy::{ComponentSource, HandlerSource};
use serde_json::json;

use super::{
    build::FAILED,
    console::{Console, Exchanges},
    rebuild::Project,
};
use crate::{
    app::{
        in_file, read_policy,
        run::{Beside, Surroundings, sealed},
    },
    audit::{AuditLog, Target},
    capture::Writable,
    cli::RunOptions,
    config::{Document, Part},
    logging,
    watch::{PolicyFiles, Watch, again_and_again},
};

pub(super) fn run(source: &Path, policy: &[PathBuf], options: RunOptions) -> anyhow::Result<u8> {
    logging::to_stderr_and(Console);
    let policy = policy_of(source, policy);
    let mut project = Project::at(source, &policy)?;
    if !project.build()? {
        return Ok(FAILED);
    }
    let parts = if policy.is_empty() { vec![through(project.component())] } else { read_policy(&policy)? };
    names(&parts, &policy, project.component())?;

    let mut beside: Vec<Beside> = Vec::new();
    if !policy.is_empty() {
        let texts = parts.iter().map(|part| part.text.clone()).collect();
        let watch = Watch::new(Arc::new(PolicyFiles::at(&policy).with(texts)), None);
        beside.push(Box::new(|instance| tokio::spawn(watch.keep(instance))));
    }
    beside.push(Box::new(|instance| tokio::spawn(again_and_again(project, instance, Project::look))));
    let log = Arc::new(AuditLog::to(Exchanges).context("cannot start the log")?);
    let surroundings =
        Surroundings { parts, audit: Target::Stderr, log, writable: Writable::Scratch, beside };
    sealed(RunOptions { policy, ..options }, surroundings)
}

/// Those that are given, or the project's own.
fn policy_of(source: &Path, given: &[PathBuf]) -> Vec<PathBuf> {
    let own = source.join("policy.yaml");
    if given.is_empty() && own.is_file() { vec![own] } else { given.to_vec() }
}

/// A policy that sends everything through one component.
fn through(component: &Path) -> Part {
    let text = json!({
        "outbound": "handler",
        "enableInternet": true,
        "handlers": { "handler": { "wasm": component } },
    });
    Part { source: None, base: PathBuf::from("/"), text: text.to_string() }
}

/// A policy in which no handler is made of what is built would go on as it is whatever is written.
fn names(parts: &[Part], policy: &[PathBuf], component: &Path) -> anyhow::Result<()> {
    let document = Document::merge(parts.to_vec()).map_err(|error| in_file(policy, &error))?;
    let canonical = |path: &Path| fs::canonicalize(path).ok();
    let is_made_of_it = |source: &HandlerSource| match source {
        HandlerSource::Wasm(wasm) => match &wasm.component {
            ComponentSource::Path { path, .. } => canonical(path) == canonical(component),
            ComponentSource::Hash(_) => false,
        },
        HandlerSource::Inject(_)
        | HandlerSource::Sign(_)
        | HandlerSource::Deny { .. }
        | HandlerSource::Respond { .. } => false,
    };
    let found = document.parsed().handlers.values().any(is_made_of_it);
    anyhow::ensure!(found, "no handler of the policy is made of {}", component.display());
    Ok(())
}
