//! The verbs that run proxies, beat by beat, one file each: `run` for a command of our own, `attach` for workloads that run already.
//! Here is what they share. All that can fail because of what the user wrote fails before anything is started.

pub mod attach;
pub mod run;
mod signals;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};

pub use run::run;

use crate::{
    audit::{AuditLog, Target},
    capture,
    config::{ConfigError, MAX_DOCUMENT, Part},
};

/// When a start is over, whose code takes 10 MB that nothing needs then.
const STARTED: Duration = Duration::from_secs(1);

/// The texts at `paths`, to be merged in their order. No policy is an empty one.
pub fn read_policy(paths: &[PathBuf]) -> anyhow::Result<Vec<Part>> {
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::ensure!(text.len() <= MAX_DOCUMENT, "{} is larger than 4 MiB", path.display());
        let base = std::path::absolute(path)?.parent().unwrap_or_else(|| Path::new("/")).to_owned();
        Ok(Part { source: (paths.len() > 1).then(|| path.display().to_string()), base, text })
    };
    paths.iter().map(read).collect()
}

/// `FILE:LINE:COLUMN: text`, the form that editors jump to.
pub fn in_file(paths: &[PathBuf], error: &ConfigError) -> anyhow::Error {
    let separator = if error.position().is_some() { ":" } else { ": " };
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let names = if names.is_empty() { "(no policy)".to_owned() } else { names.join(", ") };
    anyhow!("{}{separator}{error}", error.part().unwrap_or(&names))
}

/// Not the terminal: the command's output belongs there.
fn audit_target(given: Option<&Path>) -> anyhow::Result<Target> {
    match given {
        Some(path) if path == Path::new("-") => return Ok(Target::Stderr),
        Some(path) => return Ok(Target::File(path.to_owned())),
        None => {}
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = if nix::unistd::geteuid().is_root() {
        PathBuf::from("/var/log")
    } else {
        let home = || variable("HOME").map(|home| home.join(".local/state"));
        variable("XDG_STATE_HOME")
            .or_else(home)
            .context("there is no home folder for the audit log: use --audit")?
    };
    let directory = directory.join("proxy-everything");
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {} for the audit log: use --audit", directory.display()))?;
    Ok(Target::File(directory.join("audit.jsonl")))
}

fn open_audit(target: &Target) -> anyhow::Result<Arc<AuditLog>> {
    let log = AuditLog::open(target).with_context(|| format!("cannot open the audit log {target}"))?;
    Ok(Arc::new(log))
}

/// As many descriptors as the user may have, and threads for all cores.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    if let Err(error) = capture::raise_descriptor_limit() {
        tracing::warn!(%error, "the number of connections is bounded by the descriptors that may be open");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("proxy").build()?;
    runtime.spawn(async {
        tokio::time::sleep(STARTED).await;
        match capture::unmap_code() {
            Ok(bytes) => tracing::debug!(bytes, "code is mapped again when it is needed"),
            Err(error) => tracing::debug!(%error, "code stays mapped"),
        }
    });
    Ok(runtime)
}
