//! Users' own tools, as they are: git, npm, pip, boto3, gh, libraries of APIs. What they hold is made up, or they hold nothing; their
//! servers, real ones where there are such, know who they are.
//!
//! That the secret is in nothing that a tool printed or kept, and that no other host hears of it, is looked for each time.

mod apis;
mod aws;
mod git;
mod packages;

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Canary, Finished, Lab, Origin, Server, Settings, User, for_each_user};

use crate::programs::{CURL, PYTHON, SEARCH, SH};

for_each_user!(a_placeholder_is_all_that_there_is);

/// A host that the policies let pass, and that no secret is for.
const ELSEWHERE: &str = "elsewhere.example.test";

/// A host that no secret is for. It answers everything.
fn elsewhere(lab: &Lab) -> Origin {
    lab.origin(Settings { names: vec![ELSEWHERE.to_owned()], ..Settings::default() })
}

/// What a script did under a policy that reaches the servers and the host elsewhere. The secret is in nothing that it left behind.
fn run(
    lab: &Lab,
    (policy, environment): (&str, &[(&str, &str)]),
    (servers, elsewhere): (&[&Server], &Origin),
    script: &str,
    secrets: &[&Canary],
) -> Finished {
    let entries: String = servers.iter().map(|server| server.resolve_entries(443)).collect();
    let resolve = format!("resolve:\n{entries}{}", elsewhere.resolve_entries());
    let mut run = lab.run(&format!("{policy}\n{resolve}"), &[]);
    for (name, value) in environment {
        run = run.env(name, value);
    }
    // Only the origins of the harness are counted.
    let finished = run.start(&[SH, "-c", &format!("set -eu\n{script}")]).finish_abrupt().ok();
    finished.audit.assert_one_record_each();
    for canary in secrets {
        canary.assert_absent("standard output", finished.stdout.as_bytes());
        canary.assert_absent("standard error", finished.stderr.as_bytes());
        canary.assert_absent("a host elsewhere", format!("{:?}", elsewhere.requests()).as_bytes());
        for file in ["home", "work"].into_iter().flat_map(|name| files(&lab.path(name))) {
            canary.assert_absent(&file.display().to_string(), &fs::read(&file).unwrap());
        }
    }
    finished
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| match path.symlink_metadata().unwrap().file_type() {
        kind if kind.is_dir() => files(&path),
        kind if kind.is_file() => vec![path],
        _ => Vec::new(),
    };
    entries.flat_map(below).collect()
}

/// A part of what `make` has put below `target`.
pub(crate) fn made(target: &str, path: &str) -> String {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(target);
    assert!(target.exists(), "{0} is missing; build it first: make {0}", target.display());
    target.join(path).to_str().unwrap().to_owned()
}

/// How often the policy refused because a placeholder was elsewhere.
fn strays(finished: &Finished) -> usize {
    let exchanges = finished.audit.exchanges();
    exchanges.iter().filter(|record| record["error"] == "placeholder_elsewhere").count()
}

/// In no process's environment, memory or command line, and in no file; the decoy, which is put there, is found.
fn a_placeholder_is_all_that_there_is(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = r#"
allowedHosts: [api.example.test]
secrets: { T: { env: API_TOKEN, hosts: [api.example.test], placeholder: { env: API_TOKEN, format: "tok_{32}" } } }
"#;
    let script = format!(
        r#"{CURL} -sS -H "x-auth-token: $API_TOKEN" https://api.example.test/token && echo "$API_TOKEN" &&
tr '\0' '\n' < /proc/self/environ && exec {PYTHON} -c "$@""#
    );
    let root = lab.root().to_str().unwrap();
    let run = lab.run(policy, &[&origin]).env("DECOY", Canary::new().value());
    let finished = run.finish(&[SH, "-c", &script, "sh", SEARCH, "/run", "/dev", root, "."]).ok();
    let rest = finished.stdout.strip_prefix("the token is right\n").expect(&finished.stdout);
    let fake = rest.lines().next().unwrap();
    assert!(fake.starts_with("tok_") && fake.len() == 36, "{fake}");
    assert!(rest.contains(&format!("\nAPI_TOKEN={fake}\n")), "{rest}");
    assert!(rest.contains("/environ SEKRIT-"), "the decoy was not found: {rest}");
    assert!(rest.ends_with("searched\n"), "{rest}");
}
