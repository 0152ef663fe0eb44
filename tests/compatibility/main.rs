//! `make test-clients`: real clients behind `proxy-everything run`, and what each of them can do there.
//!
//! `clients [--page FILE] [NAME...]` runs all of them, or those that are named, and says what it sees as it goes. A client that cannot do
//! what it can do without the proxy is a failure. `--page` puts the tables into a document.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod clients;
mod page;
mod servers;
mod stage;
mod tools;
mod verdict;

use std::process::ExitCode;
use std::time::Instant;

use clients::CLIENTS;
use stage::Stage;
use tools::TOOLS;
use verdict::Verdict;

fn main() -> ExitCode {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let page = names.iter().position(|name| name == "--page").map(|at| {
        names.remove(at);
        names.remove(at)
    });
    let known: Vec<&str> =
        CLIENTS.iter().map(|one| one.name).chain(TOOLS.iter().map(|one| one.name)).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        eprintln!("{unknown} is none of: {}", known.join(", "));
        return ExitCode::from(64);
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|one| one == name);

    let (started, stage) = (Instant::now(), Stage::new());
    let mut clients = Vec::new();
    for client in CLIENTS.iter().filter(|client| wanted(client.name)) {
        clients.push((client, show(client.name, || stage.client(client))));
    }
    let mut tools = Vec::new();
    for tool in TOOLS.iter().filter(|tool| wanted(tool.name)) {
        tools.push((tool, show(tool.name, || stage.tool(tool))));
    }
    if let Some(page) = page {
        assert!(names.is_empty(), "a page has all clients");
        page::write(page.as_ref(), &clients, &tools);
    }
    let verdicts = clients.iter().map(|(_, verdict)| verdict).chain(tools.iter().map(|(_, verdict)| verdict));
    let failed = verdicts.filter(|verdict| verdict.failed()).count();
    let all = clients.len() + tools.len();
    println!("\n{} of {all} clients can do what they should ({:.0?})", all - failed, started.elapsed());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says what came of it, as soon as it is known.
fn show(name: &str, run: impl FnOnce() -> Verdict) -> Verdict {
    let started = Instant::now();
    let verdict = run();
    let word = if verdict.failed() { "FAIL" } else { "ok  " };
    println!("{word} {name} {} ({:.1?})", verdict.version, started.elapsed());
    for line in verdict.faults() {
        println!("     {line}");
    }
    verdict
}
