//! The rules of the house, as tests.
//!
//! Which crate may know which, where `unsafe` may stand, how long a file may be, and what a test may not do. Each rule
//! reads the sources themselves, so that none of them can be forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("policy", &[][..]),
        ("certs", &[]),
        ("handlers", &[]),
        ("proxy-everything", &["policy", "certs", "handlers"]),
        ("tests", &[]),
        ("fuzz", &["policy", "handlers", "proxy-everything"]),
    ]);
    let packages = packages();
    assert_eq!(
        packages.keys().map(String::as_str).collect::<Vec<_>>(),
        allowed.keys().copied().collect::<Vec<_>>()
    );
    for (package, dependencies) in &packages {
        let ours = dependencies.iter().filter(|name| packages.contains_key(*name));
        for name in ours {
            assert!(allowed[package.as_str()].contains(&name.as_str()), "{package} must not know {name}");
        }
    }
}

#[test]
fn each_large_dependency_has_one_home() {
    for (dependency, home) in [
        ("wasmtime", "handlers"),
        ("wasmtime-wasi", "handlers"),
        ("nftnl", "proxy-everything"),
        ("globset", "policy"),
        ("ipnet", "policy"),
        ("clap", "proxy-everything"),
    ] {
        let homes: Vec<_> = packages()
            .into_iter()
            .filter(|(_, names)| names.contains(dependency))
            .map(|(package, _)| package)
            .collect();
        assert_eq!(homes, [home], "{dependency}");
    }
    for dependency in ["tokio", "rustls", "hyper"] {
        assert!(!packages()["policy"].contains(dependency), "policy is pure");
    }
}

#[test]
fn unsafe_code_lives_in_two_places_only() {
    let banned = concat!("un", "safe");
    for (path, text) in sources() {
        let mut words = text.lines().map(code).flat_map(|line| line.split(|c: char| !is_word(c)));
        let found = words.any(|word| word == banned);
        let allowed = ["proxy-everything/src/capture", "handlers/src/script/cache.rs"];
        assert!(
            !found || allowed.iter().any(|home| path.starts_with(home)),
            "{banned} in {}",
            path.display()
        );
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in sources() {
        let opening = text.lines().take_while(|line| line.starts_with("//!")).count();
        // A module of tests may say it in one line: its subject is described beside it.
        let least = if path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests")) {
            1
        } else {
            2
        };
        assert!(opening >= least, "{} does not open with a description", path.display());
    }
}

#[test]
fn files_and_functions_are_small() {
    let mut lengths: Vec<_> = sources().iter().map(|(_, text)| text.lines().count()).collect();
    lengths.sort_unstable();
    assert!(lengths[lengths.len() / 2] <= 150, "the median file has {} lines", lengths[lengths.len() / 2]);
    for (path, text) in sources() {
        assert!(text.lines().count() <= 500, "{} is longer than 500 lines", path.display());
        let (name, length) = longest_function(&text);
        assert!(length <= 60, "{name} in {} has {length} lines", path.display());
    }
    let main = fs::read_to_string(root().join("proxy-everything/src/main.rs")).unwrap();
    assert!(main.lines().count() <= 60, "main.rs is longer than 60 lines");
}

#[test]
fn no_test_is_ignored_or_sleeps() {
    let banned = [concat!("#[", "ignore"), concat!("sle", "ep(")];
    for (path, text) in sources() {
        if path == Path::new("tests/harness/wait.rs") {
            continue;
        }
        // In the product a wait is part of the code; in its tests it is not.
        let is_test =
            path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
        let tests =
            if is_test { &text[..] } else { text.split_once("mod tests {").map_or("", |(_, tests)| tests) };
        for word in banned {
            assert!(!tests.lines().map(code).any(|line| line.contains(word)), "{word} in {}", path.display());
        }
    }
}

#[test]
fn no_private_key_is_checked_in() {
    let listed = Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git ls-files");
    for name in String::from_utf8(listed.stdout).unwrap().lines() {
        let bytes = fs::read(root().join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let found = text.split(concat!("PRIVATE", " KEY-----")).skip(1).any(|rest| {
            let base64 = |c: &char| c.is_ascii_alphanumeric() || "+/=\\\n".contains(*c);
            rest.chars().take_while(base64).count() > 100
        });
        assert!(!found && !name.ends_with(".wasm"), "{name} must not be checked in");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The members of the workspace and the names that each depends on, for whatever purpose.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |list: &Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|one| (one["name"].as_str().unwrap().to_owned(), names(&one["dependencies"])))
        .collect()
}

/// Every Rust file of the repository, by its path from the root.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut left = vec![root()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() && !["target", "node_modules", ".git"].iter().any(|skipped| name == *skipped) {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// The line without its comment.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Name and length of the longest function; rustfmt puts its end at the indentation of its start.
fn longest_function(text: &str) -> (String, usize) {
    let lines: Vec<_> = text.lines().collect();
    let mut longest = (String::new(), 0);
    for (start, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        let is_function = words.starts_with("fn ")
            || (words.starts_with("pub") || words.starts_with("async")) && words.contains("fn ");
        if !is_function || words.ends_with('}') || words.ends_with(';') {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - words.len()]);
        let length = lines[start..].iter().position(|line| *line == end).map_or(0, |length| length + 1);
        if length > longest.1 {
            longest = (words.to_owned(), length);
        }
    }
    longest
}
