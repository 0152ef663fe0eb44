//! Programs in Node that start sandboxes and change what may leave them, with the client of `handlers/sdk/client`.
//!
//! Each program checks what it is told and what its sandboxes see; here is checked what the origin saw and what was
//! recorded. The client and the components of its examples are those that users get.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::{Audit, Lab, Origin, Settings, User, for_each_user};
use serde_json::{Value, json};

use crate::handlers::built_example;
use crate::programs::{
    CLIENT_DOORS, CLIENT_FAULTS, CLIENT_KEEP_ALIVE, CLIENT_LAYERS, CLIENT_LISTS, CLIENT_PARTS, NODE,
};

for_each_user!(
    named_handlers_of_two_sandboxes,
    lists_their_writers_and_a_restart,
    faults_are_exceptions,
    the_layer_below,
);

const HOSTS: [&str; 3] = ["api.example.test", "b.example.test", "c.example.test"];
const BASE: &str = "
secrets: { API_TOKEN: { env: API_TOKEN } }
handlers: { hello: { respond: { body: hello } } }
";

fn named_handlers_of_two_sandboxes(user: User) {
    let lab = Lab::new(user);
    let files = lab.directory("served");
    let repository = files.join("code.git");
    let make = format!(
        "git init -q work && cd work && echo 'fn main() {{}}' > main.rs && git add . &&
         git -c user.name=a -c user.email=a@b commit -q -m one && git clone -q --bare . '{0}' &&
         git -C '{0}' update-server-info",
        repository.display()
    );
    let mut command = lab.user.command("/bin/sh");
    command.args(["-c", &make]).env("HOME", lab.path("home")).current_dir(lab.path("home"));
    assert!(command.status().unwrap().success());
    let origin = lab.origin(Settings { files: Some(files), ..several() });
    let component = built_example(&lab, "client-doors");
    example(&lab, "doors.js");
    let more = json!({ "component": component, "source": "https://api.example.test/files/code.git" });
    let audit = run(&lab, &origin, CLIENT_DOORS, &more);
    let requests = origin.requests();
    let with_token: Vec<_> =
        requests.iter().filter(|seen| seen.headers.contains_key("x-auth-token")).collect();
    assert_eq!(with_token.len(), 1);
    assert_eq!(with_token[0].headers["x-auth-token"], lab.canary.value());
    let of = |name: &str| audit.exchanges().iter().filter(|record| record["instance"] == name).count();
    assert!(of("one") > of("two") && of("two") == 1, "{audit:#?}");
    assert!(audit.exchanges().iter().all(|record| record["class"] == "Doors"), "{audit:#?}");
}

fn lists_their_writers_and_a_restart(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(several());
    let _ = run(&lab, &origin, CLIENT_LISTS, &json!({}));
    assert!(!origin.requests().is_empty());
}

fn faults_are_exceptions(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(several());
    let _ = run(&lab, &origin, CLIENT_FAULTS, &json!({}));
    assert!(origin.requests().is_empty());
}

fn the_layer_below(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(several());
    let component = built_example(&lab, "client-layers");
    example(&lab, "layers.js");
    let folder = lab.directory("layers");
    let more = json!({ "component": component, "folder": folder, "keepAlive": CLIENT_KEEP_ALIVE });
    let _ = run(&lab, &origin, CLIENT_LAYERS, &more);
    assert!(origin.requests().is_empty());
}

#[test]
fn targets_and_frames() {
    let lab = Lab::new(User::Myself);
    let origin = lab.origin(several());
    let _ = run(&lab, &origin, CLIENT_PARTS, &json!({}));
}

/// An origin for all of [`HOSTS`].
fn several() -> Settings {
    Settings { names: HOSTS.map(str::to_owned).to_vec(), ..Settings::default() }
}

/// Runs a program of the client to its end, which must be a good one, and gives the records of its sandboxes.
fn run(lab: &Lab, origin: &Origin, program: &str, more: &Value) -> Audit {
    install(lab);
    let base = lab.write("base.yaml", &lab.policy(BASE, &[origin]));
    let (audit, temporary) = (lab.path("audit.jsonl"), lab.directory("temporary"));
    let options = json!({
        "program": lab.program().get_program().to_str(),
        "stateDir": lab.path("state"),
        "policies": [base],
        "flags": ["--audit", audit],
        "env": { "API_TOKEN": lab.canary.value(), "GIVEN": "given" },
    });
    let mut arguments = more.clone();
    arguments["options"] = options;
    let file = lab.write("program.mjs", program);
    let mut command = lab.user.command(NODE);
    command.arg(file).arg(arguments.to_string()).current_dir(lab.path("work")).stdin(Stdio::null());
    command.env("HOME", lab.path("home")).env("TMPDIR", temporary).env("OF_NODE", "its own");
    let output = command.output().expect("run node");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}", String::from_utf8_lossy(&output.stdout));
    assert!(!told.contains("panicked at"), "{told}");
    lab.canary.assert_absent("standard error", &output.stderr);
    lab.canary.assert_absent("the audit file", &fs::read(&audit).unwrap_or_default());
    Audit::read(&audit)
}

/// The client where programs of the lab find it.
fn install(lab: &Lab) {
    let to = lab.path("node_modules/@proxy-everything/client");
    fs::create_dir_all(to.join("src")).unwrap();
    fs::copy(sdk().join("package.json"), to.join("package.json")).unwrap();
    for entry in fs::read_dir(sdk().join("src")).unwrap().flatten() {
        let copy = to.join("src").join(entry.file_name());
        fs::copy(entry.path(), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

/// The module of an example beside the program that uses it.
fn example(lab: &Lab, name: &str) {
    let text = fs::read_to_string(sdk().join("examples").join(name)).unwrap();
    lab.write(name, &text);
}

fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../handlers/sdk/client")
}
