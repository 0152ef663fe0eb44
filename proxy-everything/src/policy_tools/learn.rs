//! `policy learn`: a draft from audit files.

use std::path::PathBuf;

use policy::{Denied, Learned};

use super::lines;

pub(super) fn run(files: &[PathBuf], class: Option<&str>, denied: Denied) -> anyhow::Result<u8> {
    let mut learned = Learned::default();
    for file in files {
        if let Some(status) = lines(file, |_, line| learned.add(line, denied, class))? {
            return Ok(status);
        }
    }
    print!("{}", learned.draft());
    Ok(0)
}
