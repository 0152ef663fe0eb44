//! What the documents say is true.
//!
//! Every policy in a fenced `yaml` block passes `policy check`; every `proxy-everything` command line in a fenced `sh`
//! block names verbs and flags that exist.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Lab, User};

#[test]
fn policies_in_documents_are_valid() {
    let lab = Lab::new(User::Myself);
    for (path, text) in documents() {
        for (line, block) in blocks(&text, "yaml").into_iter().filter(|(_, block)| is_policy(block)) {
            let file = lab.write("document.yaml", &block);
            for name in named_files(&block) {
                let named = lab.path(&name);
                fs::create_dir_all(named.parent().unwrap()).unwrap();
                let content = if name.ends_with(".pem") { lab.ca.pem() } else { "text".to_owned() };
                fs::write(named, content).unwrap();
            }
            let output = lab.cli(&["policy", "check", file.to_str().unwrap()]);
            let message = String::from_utf8_lossy(&output.stderr);
            // An example may be odd; it may not be faulty.
            assert!(
                matches!(output.status.code(), Some(0 | 1)),
                "the policy at {}:{line}: {message}\n{block}",
                path.display()
            );
        }
    }
}

#[test]
fn command_lines_in_documents_exist() {
    let lab = Lab::new(User::Myself);
    for (path, text) in documents() {
        for (line, block) in blocks(&text, "sh") {
            for command in commands(&block) {
                let verbs: Vec<_> =
                    command.iter().take_while(|word| is_verb(word)).map(String::as_str).collect();
                let help = help(&lab, &verbs);
                for flag in command.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                    let name = flag.split('=').next().unwrap();
                    assert!(
                        help.contains(name),
                        "{} at {}:{line}: no {name}",
                        command.join(" "),
                        path.display()
                    );
                }
            }
        }
    }
}

#[test]
fn help_manual_and_completions_are_made() {
    let lab = Lab::new(User::Myself);
    let man = lab.directory("man");
    assert!(lab.cli(&["man", man.to_str().unwrap()]).status.success());
    assert!(fs::read_dir(&man).unwrap().count() > 2);
    for shell in ["bash", "zsh", "fish"] {
        let output = lab.cli(&["completions", shell]);
        assert!(output.status.success() && output.stdout.len() > 500, "{shell}");
    }
    let version = String::from_utf8(lab.cli(&["--version"]).stdout).unwrap();
    assert!(version.starts_with("proxy-everything "), "{version}");
    assert_eq!(lab.cli(&["no-such-verb"]).status.code(), Some(2));
}

/// The help of the longest prefix of `verbs` that is a verb; a word after it may be an argument.
fn help(lab: &Lab, verbs: &[&str]) -> String {
    for length in (0..=verbs.len().min(2)).rev() {
        let output = lab.cli(&[&verbs[..length], &["--help"]].concat());
        if output.status.success() && (length > 0 || verbs.is_empty()) {
            return String::from_utf8(output.stdout).unwrap();
        }
    }
    panic!("no such verb: {verbs:?}");
}

fn is_verb(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
}

/// The words of each `proxy-everything` command, up to `--`, a pipe or a comment.
fn commands(block: &str) -> Vec<Vec<String>> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let start = words
            .iter()
            .position(|word| word == "proxy-everything" || word.ends_with("/proxy-everything"))?;
        let ends = ["--", "|", "#", ">", "&&", "&", "<"];
        Some(words[start + 1..].iter().take_while(|word| !ends.contains(&word.as_str())).cloned().collect())
    });
    lines.collect()
}

/// Blocks of one language with the line that each starts at.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match &mut open {
            None if line.trim() == format!("```{language}") => open = Some((number + 2, String::new())),
            None => {}
            Some(_) if line.trim() == "```" => found.extend(open.take()),
            Some((_, block)) => *block += &format!("{line}\n"),
        }
    }
    found
}

fn is_policy(block: &str) -> bool {
    let keys = [
        "allowedHosts:",
        "deniedHosts:",
        "outboundByHost:",
        "outbound:",
        "enableInternet:",
        "raw:",
        "passthrough:",
        "handlers:",
        "secrets:",
    ];
    block.lines().any(|line| keys.iter().any(|key| line.starts_with(key)))
}

/// Relative files that a policy may name; made so that the check can find them.
fn named_files(block: &str) -> Vec<String> {
    let words = block.split(|c: char| c.is_whitespace() || "\"'{}[],".contains(c));
    let extensions = [".wasm", ".pem", ".txt"];
    words
        .filter(|word| extensions.iter().any(|one| word.ends_with(one)) && !word.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = [
        ".",
        "docs",
        "handlers",
        "handlers/sdk/client",
        "handlers/sdk/js",
        "handlers/examples",
        "policy",
        "certs",
        "tests",
    ];
    let entries =
        folders.iter().filter_map(|folder| fs::read_dir(root.join(folder)).ok()).flatten().flatten();
    let pages =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let found: Vec<_> = pages.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    assert!(!found.is_empty(), "no document was found");
    found
}
