//! Tools to trust a policy, which need no running instance: check, explain, test, learn, diff, presets.
//!
//! Receives file names, hands on text for people or JSON for programs, and an exit status. All judging is done by the crate `policy`; what is
//! here reads files and prints.

mod check;
mod diff;
mod explain;
mod learn;
mod presets;
mod test;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Subcommand, ValueHint};

use crate::{
    app::{in_file, read_policy},
    cli::Which,
    config::{ConfigError, Document, MAX_DOCUMENT},
};

/// A document, a case or a line that makes no sense.
const FAULTY: u8 = 2;

/// Verbs about documents.
#[derive(Debug, Subcommand)]
pub enum ToolVerb {
    /// Check a document: exit status 0 if it is fine, 1 if it is accepted with warnings, 2 if it is faulty
    ///
    /// Reads the document alone: files and variables that it names are looked at when it is put in force. Several files are one document, as
    /// with --policy. Warnings are about what does nothing, or not what it seems to.
    Check {
        /// The document, or its parts in their order.
        #[arg(required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Print a JSON object instead: `status` (ok, warnings or faulty), `warnings`, `fault`
        #[arg(long)]
        json: bool,
    },
    /// Say how a request is decided, step by step: exit status 0 if it passes, 1 if it is denied, 2 if something is faulty
    #[command(
        after_help = "Examples:\n  proxy-everything policy explain GET https://api.example.com/user --policy egress.yaml\n  proxy-everything policy explain POST https://api.example.com/user --instance agent-7"
    )]
    Explain {
        /// The method, as GET
        method: String,
        /// The URL, with `https://` or `http://`
        #[arg(value_hint = ValueHint::Url)]
        url: String,
        /// The policy document; may be given several times. Without one, a running instance is asked, what was set at run time included
        #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["instance", "socket"])]
        policy: Vec<PathBuf>,
        /// Print a JSON object instead
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        #[allow(missing_docs, reason = "the group has no text of its own")]
        which: Which,
    },
    /// Try requests on a document: exit status 0 if all is as expected, 1 if something differs, 2 if something is faulty
    ///
    /// Cases are a YAML list of `{ url, expect: allow|deny }`, each with `method` (GET if left out), `reason`, `rule` (a part of its label) and
    /// `handlers` if they matter. With --audit, recorded requests are cases: each is expected to be decided as it was.
    #[command(
        after_help = "Examples:\n  proxy-everything policy test egress.yaml --cases cases.yaml\n  proxy-everything policy test egress2.yaml --audit audit.jsonl"
    )]
    Test {
        /// The document, or its parts in their order.
        #[arg(required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// A list of cases; may be given several times
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "audit")]
        cases: Vec<PathBuf>,
        /// An audit file; may be given several times
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        audit: Vec<PathBuf>,
    },
    /// Draft the narrowest document that lets pass what audit files say has passed
    ///
    /// What was only noted (`monitor`) is among it. In paths, numbers, UUIDs and hashes become `*`; where more than 20 paths are left, tails
    /// become `/**`. Read the draft before using it.
    #[command(
        after_help = "Example:\n  proxy-everything policy learn audit.jsonl --class build > draft.yaml"
    )]
    Learn {
        /// The audit files.
        #[arg(required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Only instances of this class
        #[arg(long, value_name = "NAME")]
        class: Option<String>,
        /// What was denied passes too
        #[arg(long)]
        denied: bool,
    },
    /// Say what a change of a document changes: `+` passes now, `-` no longer passes, `~` is done otherwise
    ///
    /// Both are asked about requests that stand for all others. In a line, `*` is a port or method, and `/**` a path, that no rule names.
    Diff {
        /// The document as it was.
        #[arg(value_hint = ValueHint::FilePath)]
        old: PathBuf,
        /// The document as it is to be.
        #[arg(value_hint = ValueHint::FilePath)]
        new: PathBuf,
        /// Exit status 0 if nothing differs, 1 if less passes and nothing else differs, 3 otherwise
        #[arg(long)]
        exit_code: bool,
    },
    /// Print the JSON Schema of documents, for editors
    Schema,
    /// List the presets, or print one
    Presets {
        /// The preset to print.
        name: Option<String>,
    },
}

/// Does what a verb says; the exit status.
pub fn run(verb: &ToolVerb) -> anyhow::Result<u8> {
    match verb {
        ToolVerb::Check { files, json: false } => check::for_people(files),
        ToolVerb::Check { files, json: true } => check::for_programs(files),
        ToolVerb::Explain { method, url, policy, json, which } => {
            explain::run(method, url, policy, which, *json)
        }
        ToolVerb::Test { files, cases, audit } => test::run(files, cases, audit),
        ToolVerb::Learn { files, class, denied } => {
            let denied = if *denied { policy::Denied::Allow } else { policy::Denied::Refuse };
            learn::run(files, class.as_deref(), denied)
        }
        ToolVerb::Diff { old, new, exit_code } => {
            let status = diff::run(old, new)?;
            Ok(if *exit_code || status == FAULTY { status } else { 0 })
        }
        ToolVerb::Schema => {
            print!("{}", policy::SCHEMA);
            Ok(0)
        }
        ToolVerb::Presets { name } => Ok(presets::run(name.as_deref())),
    }
}

/// The document that files are together.
fn document(files: &[PathBuf]) -> anyhow::Result<Result<Document, ConfigError>> {
    Ok(Document::merge(read_policy(files)?))
}

/// The same; what is wrong is told.
fn told_document(files: &[PathBuf]) -> anyhow::Result<Option<Document>> {
    let told = |error| eprintln!("{}", in_file(files, &error));
    Ok(document(files)?.map_err(told).ok())
}

/// A file of cases, which is no larger than a document.
fn text(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    anyhow::ensure!(text.len() <= MAX_DOCUMENT, "{} is larger than 4 MiB", file.display());
    Ok(text)
}

/// Every line of an audit file, with its number. One that is still being written, at the end, is left out.
fn lines(
    file: &Path,
    mut each: impl FnMut(u64, &str) -> Result<(), serde_json::Error>,
) -> anyhow::Result<Option<u8>> {
    let name = || format!("cannot read {}", file.display());
    let mut reader = std::io::BufReader::new(std::fs::File::open(file).with_context(name)?);
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        std::io::BufRead::read_line(&mut reader, &mut line).with_context(name)?;
        if !line.ends_with('\n') {
            break;
        }
        if let Err(error) = each(number, &line) {
            eprintln!("{}:{number}: this is no line of an audit file: {error}", file.display());
            return Ok(Some(FAULTY));
        }
    }
    Ok(None)
}
