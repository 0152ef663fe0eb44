//! The tables of `docs/compatibility.md`, between the two comments that mark their place.

use std::path::Path;

use crate::clients::{CHECKS, Client};
use crate::tools::Tool;
use crate::verdict::{Outcome, Verdict};

const BEGIN: &str = "<!-- The tables are made by `make test-clients`. -->\n";
const END: &str = "<!-- The end of the tables. -->\n";

/// Replaces what stands between the marks.
pub(crate) fn write(page: &Path, clients: &[(&Client, Verdict)], tools: &[(&Tool, Verdict)]) {
    let text = std::fs::read_to_string(page).expect("read the page");
    let (before, rest) = text.split_once(BEGIN).expect("the first mark");
    let (_, after) = rest.split_once(END).expect("the second mark");
    let tables = format!("{}\n{}", of_clients(clients), of_tools(tools));
    std::fs::write(page, format!("{before}{BEGIN}\n{tables}\n{END}{after}")).expect("write the page");
}

fn of_clients(clients: &[(&Client, Verdict)]) -> String {
    let mut table = format!("| client | version | trusts us by | {} | |\n", CHECKS.join(" | "));
    table += &format!("|{}\n", "---|".repeat(CHECKS.len() + 4));
    for (client, verdict) in clients {
        let cells: Vec<_> = CHECKS.iter().map(|check| cell(verdict.outcome(check))).collect();
        let Client { name, trust, special, .. } = client;
        table += &format!("| {name} | {} | {trust} | {} | {special} |\n", verdict.version, cells.join(" | "));
    }
    table
}

fn of_tools(tools: &[(&Tool, Verdict)]) -> String {
    let mut table = "| tool | version | trusts us by | does | |\n|---|---|---|---|---|\n".to_owned();
    for (tool, verdict) in tools {
        let Tool { name, trust, does, .. } = tool;
        let works = cell(verdict.outcome("works"));
        table += &format!("| {name} | {} | {trust} | {does} | {works} |\n", verdict.version);
    }
    table
}

fn cell(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "yes",
        Outcome::None => "–",
        Outcome::Fail => "**no**",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::CLIENTS;
    use crate::tools::TOOLS;

    /// What was added to the lists was run.
    #[test]
    fn the_page_has_them_all() {
        let page = include_str!("../../docs/compatibility.md");
        for name in CLIENTS.iter().map(|one| one.name).chain(TOOLS.iter().map(|one| one.name)) {
            assert!(page.contains(&format!("\n| {name} | ")), "{name}: run `make test-clients`");
        }
        assert!(!page.contains(cell(Outcome::Fail)), "a page with a failure");
    }
}
