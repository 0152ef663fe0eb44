//! The `doctor` verb: looks at the machine, then tries the known ways round the proxy itself, in a scratch network that is made
//! as `run` makes one. Hands on one finding for each check and each attempt, and an exit status that a script can use.

mod attempts;
mod checks;
mod scratch;
mod verdict;

use std::fmt;

use anyhow::Context;
use serde::Serialize;

pub use attempts::{PROBE_VERB, probe_main};

use crate::{capture, cli::DoctorOptions};

/// Something fails.
const UNHEALTHY: u8 = 1;

/// What a finding means for somebody who wants to rely on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Status {
    #[serde(rename = "ok")]
    Ok,
    #[serde(rename = "warn")]
    Warn,
    #[serde(rename = "fail")]
    Fail,
    #[serde(rename = "n/a")]
    NotApplicable,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Finding {
    status: Status,
    name: String,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { status: Status::Ok, name: name.into(), found: found.into(), fix: None }
    }

    fn not_applicable(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { status: Status::NotApplicable, ..Self::ok(name, reason) }
    }

    fn warn(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Warn, fix: Some(fix.into()), ..Self::ok(name, found) }
    }

    fn fail(name: impl Into<String>, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Fail, fix: Some(fix.into()), ..Self::ok(name, found) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "fail",
            Status::NotApplicable => "n/a",
        };
        write!(out, "{status:<4}  {:<44}  {}", self.name, self.found)?;
        self.fix.as_ref().map_or(Ok(()), |fix| write!(out, "\n      fix: {fix}"))
    }
}

/// Prints every finding; the exit status says whether one of them is a failure.
pub fn run(options: &DoctorOptions) -> anyhow::Result<u8> {
    // As `run` does, so that what is tried is what will be in force.
    capture::harden().context("cannot harden this process")?;
    capture::close_on_exec_from(3).context("cannot close inherited descriptors")?;
    let mut findings = checks::all();
    findings.extend(scratch::try_everything());
    if options.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        findings.iter().for_each(|finding| println!("{finding}"));
    }
    let fails = findings.iter().any(|finding| finding.status == Status::Fail);
    Ok(if fails { UNHEALTHY } else { 0 })
}
