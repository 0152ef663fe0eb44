//! `policy check`: whether a document is accepted, and what is odd in it. Receives file names, hands on lines that editors jump to, or
//! JSON, and the exit status.

use std::path::PathBuf;

use policy::{Origin, Warning};
use serde_json::{Value, json};

use super::{FAULTY, document, told_document};

/// Accepted, with warnings.
const ODD: u8 = 1;

pub(super) fn for_people(files: &[PathBuf]) -> anyhow::Result<u8> {
    let Some(document) = told_document(files)? else { return Ok(FAULTY) };
    let warnings = document.warnings();
    for warning in warnings {
        let (source, line) = place(files, warning);
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        eprintln!("{source}{line}: warning: {warning}");
    }
    println!("ok");
    Ok(if warnings.is_empty() { 0 } else { ODD })
}

pub(super) fn for_programs(files: &[PathBuf]) -> anyhow::Result<u8> {
    let (status, printed) = match document(files)? {
        Err(error) => {
            let (line, column) = error.position().unzip();
            let fault = json!({ "source": error.part(), "line": line, "column": column, "detail": error.to_string() });
            (FAULTY, json!({ "status": "faulty", "fault": fault, "warnings": [] }))
        }
        Ok(document) => {
            let warnings: Vec<Value> =
                document.warnings().iter().map(|warning| to_json(files, warning)).collect();
            let (status, word) = if warnings.is_empty() { (0, "ok") } else { (ODD, "warnings") };
            (status, json!({ "status": word, "warnings": warnings }))
        }
    };
    println!("{printed}");
    Ok(status)
}

fn to_json(files: &[PathBuf], warning: &Warning) -> Value {
    let (source, line) = place(files, warning);
    json!({ "source": source, "line": line, "message": warning.message, "suggestion": warning.suggestion })
}

/// The file and the line in it.
fn place(files: &[PathBuf], warning: &Warning) -> (String, Option<u64>) {
    let all = || files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    match &warning.origin {
        Some(Origin::Document { source: Some(source), line }) => (source.to_string(), Some(*line)),
        Some(Origin::Document { source: None, line }) => (all(), Some(*line)),
        Some(Origin::RunTime) | None => (all(), None),
    }
}
