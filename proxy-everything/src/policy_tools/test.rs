//! `policy test`: whether requests are decided as a person expects, or as they were before.

use std::{collections::HashSet, path::PathBuf};

use policy::{Case, Overrides, Policy};

use super::{FAULTY, lines, text, told_document};

pub(super) fn run(files: &[PathBuf], cases: &[PathBuf], audit: &[PathBuf]) -> anyhow::Result<u8> {
    let Some(document) = told_document(files)? else { return Ok(FAULTY) };
    let policy = Policy::compile(document.parsed(), &Overrides::default());
    let (mut all, mut failed) = (0u64, 0u64);
    let mut judge = |file: &PathBuf, case: &Case| {
        let differs = case.judge(&policy);
        all += 1;
        if differs.is_empty() {
            println!("ok   {case}");
            return;
        }
        failed += 1;
        println!("FAIL {case} ({}:{})", file.display(), case.line);
        differs.iter().for_each(|line| println!("     {line}"));
    };
    for file in cases {
        match Case::parse_list(&text(file)?) {
            Ok(cases) => cases.iter().for_each(|case| judge(file, case)),
            Err(fault) => {
                eprintln!("{}:{fault}", file.display());
                return Ok(FAULTY);
            }
        }
    }
    for file in audit {
        let mut seen = HashSet::new();
        let fault = lines(file, |number, line| {
            let new = |case: &Case| seen.insert(format!("{case} {} {:?}", case.expect, case.reason));
            Case::recorded(line, number)?.filter(new).iter().for_each(|case| judge(file, case));
            Ok(())
        })?;
        if let Some(status) = fault {
            return Ok(status);
        }
    }
    println!("{all} cases, {failed} failed");
    Ok(u8::from(failed > 0))
}
