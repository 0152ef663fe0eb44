//! What the host knows of a run's processes, read from `/proc`.
//!
//! Receives the process id of the proxy; finds the command behind it, its memory, and whether a process is gone.

use std::fs;
use std::path::PathBuf;

/// All processes below `pid`, nearest first.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(children(parent));
        next += 1;
    }
    found.remove(0);
    found
}

/// The process below `pid` that lives in another network than this one and whose program is called `name`.
pub fn sandboxed(pid: u32, name: &str) -> Option<u32> {
    let own = network("self");
    descendants(pid).into_iter().find(|child| network(&child.to_string()) != own && program(*child) == name)
}

/// Resident memory in KiB; `None` when the process is gone.
pub fn resident_kib(pid: u32) -> Option<u64> {
    kib(pid, "VmRSS:")
}

/// The most memory that was ever resident, in KiB; `None` when the process is gone.
pub fn peak_kib(pid: u32) -> Option<u64> {
    kib(pid, "VmHWM:")
}

fn kib(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// True when nothing runs under this id any more; a zombie does not run.
pub fn gone(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn network(pid: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

/// What it is called.
pub fn program(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}
