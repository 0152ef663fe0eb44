//! `policy diff`: what a change changes.

use std::path::{Path, PathBuf};

use policy::Change;

use super::{FAULTY, told_document};

/// Less passes, and nothing else differs.
const NARROWER: u8 = 1;
/// More passes, or something is done otherwise.
const WIDER: u8 = 3;

pub(super) fn run(old: &Path, new: &Path) -> anyhow::Result<u8> {
    let read = |file: &Path| told_document(&[PathBuf::from(file)]);
    let (Some(old), Some(new)) = (read(old)?, read(new)?) else { return Ok(FAULTY) };
    let diff = policy::diff(old.parsed(), new.parsed());
    diff.found.iter().for_each(|found| println!("{} {}", found.change.sign(), found.text));
    if diff.left_out > 0 {
        eprintln!("{} kinds of requests were not compared: there are too many hosts", diff.left_out);
        return Ok(WIDER);
    }
    let narrower = diff.found.iter().all(|found| found.change == Change::Narrower);
    Ok(match diff.found.as_slice() {
        [] => 0,
        _ if narrower => NARROWER,
        _ => WIDER,
    })
}
