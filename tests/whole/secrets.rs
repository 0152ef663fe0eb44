//! The workload can look everywhere it has a right to, and finds no secret, no key, no right to be regained.
//!
//! The searching program is proven with a decoy of the same shape, which it must find. That the secret itself is in
//! nothing that the command printed is an invariant of the harness.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, File, FileTimes};
use std::time::SystemTime;

use harness::{Canary, Finished, HOST, Lab, Settings, TOKEN_POLICY, User, for_each_user};

use crate::handlers::built_example;
use crate::programs::{CURL, PYTHON, SEARCH, SH, UNCOVER};

for_each_user!(
    nothing_is_found,
    secret_files_are_masked,
    our_own_files_are_masked,
    compiled_handlers_are_masked,
    the_view_is_minimal,
    the_environment_is_prepared,
    rights_are_gone,
    nothing_can_be_uncovered,
);

const FILE_POLICY: &str = r#"
allowedHosts: [api.example.test]
outboundByHost: { api.example.test: token }
handlers:
  token: { inject: { x-auth-token: "${FILE_TOKEN}", x-other: "${API_TOKEN}" } }
secrets:
  API_TOKEN: { env: API_TOKEN }
  FILE_TOKEN: { file: secret.txt }
"#;

/// A shell script that first makes a request, so that the secrets are in use; gives what it printed after that.
fn after_a_request(lab: &Lab, script: &str, arguments: &[&str]) -> String {
    lab.write("secret.txt", lab.canary.value());
    let origin = lab.origin(Settings::default());
    let script = format!("{CURL} -sS https://{HOST}/token && {script}");
    let command = [&[SH, "-c", &script, "sh"], arguments].concat();
    let run = lab.run(FILE_POLICY, &[&origin]).env("DECOY", Canary::new().value());
    let Finished { stdout, .. } = run.finish(&command).ok();
    stdout.strip_prefix("the token is right\n").expect("the request works").to_owned()
}

fn nothing_is_found(user: User) {
    let lab = Lab::new(user);
    let root = lab.root().to_str().unwrap();
    let places = ["/run", "/dev", "/etc/ssl", "/etc/resolv.conf", "/var/log", root, "."];
    let script = format!(r#"exec {PYTHON} -c "$@""#);
    let found = after_a_request(&lab, &script, &[&[SEARCH], &places[..]].concat());
    assert!(found.contains("/environ SEKRIT-"), "the decoy was not found: {found}");
    assert!(found.ends_with("searched\n"), "{found}");
}

fn secret_files_are_masked(user: User) {
    let lab = Lab::new(user);
    let secret = lab.path("secret.txt");
    let script = r#"cat "$1" 2>/dev/null; ln "$1" linked 2>/dev/null && cat linked; echo read"#;
    assert_eq!(after_a_request(&lab, script, &[secret.to_str().unwrap()]), "read\n");
}

fn our_own_files_are_masked(user: User) {
    let lab = Lab::new(user);
    let (state, audit) = (lab.path("state"), lab.path("audit-0.jsonl"));
    let script = r#"{ ls -A "$1"; cat "$2"; echo forged >> "$2"; rm -f "$2"; } 2>/dev/null; echo tried"#;
    let arguments = [state.to_str().unwrap(), audit.to_str().unwrap()];
    assert_eq!(after_a_request(&lab, script, &arguments), "tried\n");
    assert!(audit.exists());
}

/// What the next proxy would run as its own code.
fn compiled_handlers_are_masked(user: User) {
    let lab = Lab::new(user);
    let wasm = built_example(&lab, "only-get");
    let policy = format!("outbound: h\nhandlers: {{ h: {{ wasm: \"{}\" }} }}", wasm.display());
    let (components, untouched) = (lab.path("components"), SystemTime::UNIX_EPOCH);
    let files = || {
        let read = |entry: DirEntry| (entry.file_name(), fs::read(entry.path()).unwrap());
        fs::read_dir(&components).unwrap().flatten().map(read).collect::<BTreeMap<_, _>>()
    };
    let _ = lab.run(&policy, &[]).finish(&["/bin/true"]).ok();
    let before = files();
    let compiled = before.keys().find(|name| name.to_str().unwrap().ends_with(".cwasm"));
    let compiled = components.join(compiled.expect("it is kept"));
    assert_eq!(before.len(), 2, "as it was given, and compiled");
    File::open(&compiled).unwrap().set_times(FileTimes::new().set_modified(untouched)).unwrap();

    let script = r#"{ ls -A "$1"; cat "$1"/*; echo forged > "$1/forged"; mv "$1" "$1.gone"; rm -rf "$1"
        ls -A "/tmp/proxy-everything-$(id -u)"; } 2>/dev/null; echo tried"#;
    let command = [SH, "-c", script, "sh", components.to_str().unwrap()];
    assert_eq!(lab.run(&policy, &[]).finish(&command).ok().stdout, "tried\n");
    assert!(files() == before, "nothing was changed");
    assert!(fs::metadata(&compiled).unwrap().modified().unwrap() > untouched, "the second run used it");
}

fn the_view_is_minimal(user: User) {
    let lab = Lab::new(user);
    let script = "ls -A /run /run/proxy-everything; cat /proc/[0-9]*/comm | sort -u; find /dev -type b";
    let view = after_a_request(&lab, script, &[]);
    let (run, programs) = view.split_once("resolv.conf\n").expect(&view);
    assert_eq!(
        run,
        "/run:\nlock\nproxy-everything\n\n/run/proxy-everything:\nca-bundle.pem\nca.pem\ncacerts\nempty\n"
    );
    let allowed = ["cat", "proxy-everythin", "sh", "sort"]; // ours is process 1; names have 15 characters
    for program in programs.lines() {
        assert!(allowed.contains(&program), "the workload sees {program}");
    }
}

fn the_environment_is_prepared(user: User) {
    let lab = Lab::new(user);
    let finished = lab.run(TOKEN_POLICY, &[]).env("KEPT", "yes").finish(&["/usr/bin/env"]).ok();
    let has = |name: &str| finished.stdout.lines().any(|line| line.starts_with(&format!("{name}=")));
    let expected = [
        "SSL_CERT_FILE",
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "KEPT",
    ];
    for name in expected {
        assert!(has(name), "{name} is missing in {}", finished.stdout);
    }
    assert!(!has("API_TOKEN"));
}

fn rights_are_gone(user: User) {
    let lab = Lab::new(user);
    let script = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status";
    let status = after_a_request(&lab, script, &[]);
    for line in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(status.contains(&format!("{line}:\t0000000000000000\n")), "{status}");
    }
    assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
}

fn nothing_can_be_uncovered(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run(TOKEN_POLICY, &[]).start(&[PYTHON, "-c", UNCOVER]);
    running.say(&running.pid().to_string());
    assert_eq!(running.finish().ok().stdout, "tried\n");
}
