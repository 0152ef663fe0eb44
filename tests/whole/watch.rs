//! The policy's file is the policy: a change of it is put in force, and a faulty one leaves the last good in force and is told.
//!
//! By every pattern that editors and Kubernetes write with, over crashes of the proxy, for one instance and not for another. A
//! command of the same user is watched for only where it could not write its own policy.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use harness::{Attached, HOST, Lab, Program, Settings, User, Workload, request, wait};
use serde_json::Value;

use crate::programs::{DIALOGUE, PYTHON};

/// A document whose policy is told apart by its first line.
fn numbered(number: u32) -> String {
    format!("# {number}\nallowedHosts: [a.test]\n")
}

fn status(socket: &Path) -> Value {
    request(socket, "GET", "/v1/status", "").json()
}

fn in_force(socket: &Path) -> String {
    request(socket, "GET", "/v1/policy", "").body
}

fn wait_for(socket: &Path, text: &str) {
    wait::until(&format!("{text:?} to be in force"), || (in_force(socket) == text).then_some(()));
}

fn wait_for_fault(socket: &Path, word: &str) -> Value {
    wait::until(&format!("a fault with {word}"), || {
        let fault = status(socket)["fault"].clone();
        fault["detail"].as_str().is_some_and(|detail| detail.contains(word)).then_some(fault)
    })
}

fn wait_for_none(socket: &Path) {
    wait::until("no fault", || status(socket)["fault"].is_null().then_some(()));
}

fn metric(socket: &Path, name: &str) -> f64 {
    let text = request(socket, "GET", "/v1/metrics", "").body;
    let line = text.lines().find(|line| line.starts_with(&format!("proxy_everything_{name}{{")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

/// An attached workload, and the file of its policy.
fn attached<'a>(lab: &'a Lab, workload: &Workload) -> (Attached<'a>, PathBuf, PathBuf) {
    let mut attached = lab.attach("", &[], &["--pid", &workload.pid().to_string()]);
    assert_eq!(attached.hear(), format!("attached {}", workload.id()));
    let (file, socket) = (lab.path("policy-0.yaml"), attached.socket(&workload.id()));
    (attached, file, socket)
}

#[test]
fn every_way_to_write_is_a_change() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let (attached, file, socket) = attached(&lab, &workload);
    fs::write(&file, numbered(1)).unwrap();
    wait_for(&socket, &numbered(1));
    fs::rename(lab.write("new", &numbered(2)), &file).unwrap();
    wait_for(&socket, &numbered(2));
    fs::rename(&file, lab.path("backup")).unwrap();
    fs::write(&file, numbered(3)).unwrap();
    wait_for(&socket, &numbered(3));
    fs::remove_file(&file).unwrap();
    wait_for_fault(&socket, "No such file");
    assert_eq!(in_force(&socket), numbered(3), "what is gone denies nothing and allows nothing");
    fs::write(&file, numbered(3)).unwrap();
    wait_for_none(&socket);
    assert_eq!(status(&socket)["generation"], 4, "the same text is no change");
    fs::write(&file, numbered(4)).unwrap();
    wait_for(&socket, &numbered(4));
    assert_eq!(status(&socket)["generation"], 5);
    // What is applied by hand stays until the file changes.
    assert!(attached.apply(&workload.id(), "# by hand").status.success());
    fs::OpenOptions::new().append(true).open(&file).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    fs::remove_file(&file).unwrap();
    wait_for_fault(&socket, "No such file");
    fs::write(&file, numbered(4)).unwrap();
    wait_for_none(&socket);
    assert!(in_force(&socket).starts_with("# by hand"));
    fs::write(&file, numbered(5)).unwrap();
    wait_for(&socket, &numbered(5));
    assert_eq!(attached.stop().code(), 0);
}

#[test]
fn a_fault_is_told_and_changes_nothing() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let (attached, file, socket) = attached(&lab, &workload);
    fs::write(&file, numbered(1)).unwrap();
    wait_for(&socket, &numbered(1));
    assert!(status(&socket)["fault"].is_null());
    assert_eq!(metric(&socket, "policy_fault"), 0.0);
    for round in 0..2 {
        fs::write(&file, format!("{}\nbogus: 1\n# {}\n", numbered(2), "x".repeat(round))).unwrap();
        let fault = wait_for_fault(&socket, "unknown key `bogus`");
        assert_eq!((&fault["line"], &fault["column"]), (&4.into(), &1.into()), "{fault}");
        assert_eq!(fault["source"], file.to_str().unwrap());
        let since = fault["since"].as_str().unwrap();
        assert!(since.len() == 24 && since.ends_with('Z'), "{since}");
        wait::until("the change to be counted", || {
            (metric(&socket, "policy_changes_refused_total") == (round + 1) as f64).then_some(())
        });
    }
    assert_eq!(metric(&socket, "policy_fault"), 1.0);
    assert_eq!(status(&socket)["generation"], 2);
    assert_eq!(in_force(&socket), numbered(1));
    assert_eq!(attached.log().matches("unknown key `bogus`").count(), 1, "{}", attached.log());
    // A new proxy finds the fault again, and what was written while there was none.
    attached.kill_worker();
    wait_for_fault(&socket, "unknown key `bogus`");
    assert_eq!(in_force(&socket), numbered(1));
    fs::write(&file, numbered(3)).unwrap();
    attached.kill_worker();
    wait_for(&socket, &numbered(3));
    wait_for_none(&socket);
    assert_eq!((metric(&socket, "policy_fault"), metric(&socket, "policy_generation")), (0.0, 3.0));
    // A faulty document by the other way is told the same, and is put right by the file.
    let refused = request(&socket, "PUT", "/v1/policy", "more: 1");
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(status(&socket)["fault"]["source"], "PUT /v1/policy");
    fs::write(&file, numbered(4)).unwrap();
    wait_for(&socket, &numbered(4));
    wait_for_none(&socket);
    drop(attached.stop_abrupt());
}

/// Who is attached later is not served under what the file said at the start.
#[test]
fn a_workload_that_comes_later_gets_what_the_file_says_now() {
    let (lab, workloads) = (Lab::new(User::Root), [(); 2].map(|()| Workload::start(User::Root)));
    let control = lab.path("control.sock");
    let attached = lab.attach("", &[], &["--control", control.to_str().unwrap()]);
    wait::until("the control socket", || control.exists().then_some(()));
    let file = lab.path("policy-0.yaml");
    let attach = |workload: &Workload| {
        let body = format!("{{\"pid\": {}}}", workload.pid());
        let answer = request(&control, "POST", "/v1/instances", &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        attached.socket(&workload.id())
    };
    fs::write(&file, numbered(1)).unwrap();
    let first = attach(&workloads[0]);
    assert_eq!((in_force(&first), &status(&first)["generation"]), (numbered(1), &1.into()));
    fs::write(&file, "bogus: 1").unwrap();
    let second = attach(&workloads[1]);
    assert_eq!(in_force(&second), "", "everything is denied");
    wait_for_fault(&second, "bogus");
    wait_for_fault(&first, "bogus");
    assert_eq!(in_force(&first), numbered(1));
    fs::write(&file, numbered(2)).unwrap();
    wait_for(&first, &numbered(2));
    wait_for(&second, &numbered(2));
    assert_eq!(attached.stop().code(), 0);
}

/// As Kubernetes does it: the file leads through `..data` to a folder that is never written again.
#[test]
fn a_config_map_is_swapped() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let volume = lab.directory("volume");
    let version = |name: &str, text: &str| {
        fs::create_dir(volume.join(name)).unwrap();
        fs::write(volume.join(name).join("policy.yaml"), text).unwrap();
        symlink(name, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    };
    version("..1", &numbered(1));
    symlink("..data/policy.yaml", volume.join("policy.yaml")).unwrap();
    let mut command = lab.program();
    command
        .args(["attach", "--pid", &workload.pid().to_string(), "--policy"])
        .arg(volume.join("policy.yaml"));
    command.arg("--audit").arg(lab.path("audit.jsonl")).arg("--state-dir").arg(lab.path("all"));
    let mut attached = Program::start(command);
    assert_eq!(attached.hear(), format!("attached {}", workload.id()));
    let socket = lab.path("all").join(format!("{}.sock", workload.id()));
    assert_eq!(in_force(&socket), numbered(1));
    for number in 2..5 {
        version(&format!("..{number}"), &numbered(number));
        fs::remove_dir_all(volume.join(format!("..{}", number - 1))).unwrap();
        wait_for(&socket, &numbered(number));
    }
    assert_eq!(status(&socket)["generation"], 4);
    workload.end();
    assert_eq!(attached.hear(), format!("ended {}", socket.file_stem().unwrap().to_str().unwrap()));
}

/// The next request on an open connection follows the file, as it does after `policy apply`.
#[test]
fn an_open_connection_follows() {
    let lab = Lab::new(User::Nobody);
    let origin = lab.origin(Settings::default());
    let folder = roots_own(&lab.policy("allowedHosts: [api.example.test]", &[&origin]));
    let file = folder.path().join("policy.yaml");
    let (mut running, socket) = run_watched(&lab, &file, &[PYTHON, "-c", DIALOGUE, HOST]);
    assert!(running.ask("GET /").starts_with("200 "));
    fs::write(&file, "deniedHosts: [api.example.test]").unwrap();
    wait_for(&socket, "deniedHosts: [api.example.test]");
    assert!(running.ask("GET /").starts_with("403 "));
}

/// A folder with `policy.yaml`, for all to read and for root to change.
fn roots_own(text: &str) -> tempfile::TempDir {
    let folder = tempfile::TempDir::with_prefix("proxy-everything-watch-").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("policy.yaml"), text).unwrap();
    folder
}

fn run_watched(lab: &Lab, policy: &Path, command: &[&str]) -> (Program, PathBuf) {
    let mut program = lab.program();
    program.args(["run", "--watch", "--policy"]).arg(policy).arg("--audit").arg(lab.path("audit.jsonl"));
    program.arg("--state-dir").arg(lab.path("state")).args(["--id", "watched", "--"]).args(command);
    (Program::start(program), lab.path("state/watched.sock"))
}

#[test]
fn a_command_cannot_have_its_own_policy_watched() {
    let lab = Lab::new(User::Nobody);
    let own = lab.write("policy.yaml", "");
    let folder = roots_own("");
    let theirs = folder.path().join("policy.yaml");
    let link = lab.path("link.yaml");
    symlink(&theirs, &link).unwrap();
    let refused = |lab: &Lab, policy: &Path, reason: &str| {
        let policy = policy.to_str().unwrap();
        let output =
            lab.cli(&["run", "--watch", "--policy", policy, "--audit", "-", "--", "/bin/echo", "started"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(125), &b""[..]), "{policy}: {stderr}");
        assert!(stderr.contains(reason), "{policy}: {stderr}");
    };
    let root = lab.root().display();
    refused(&lab, &own, &format!("{root} belongs to the command's user"));
    refused(&lab, &link, &format!("{root} belongs to the command's user"));
    refused(&Lab::new(User::Root), &theirs, "/ belongs to the command's user");
    let mode = |mode| fs::set_permissions(&theirs, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o666);
    refused(&lab, &theirs, &format!("{} can be written by everybody", theirs.display()));
    mode(0o644);
    // An access list is no part of the mode.
    let status = User::Root.command(PYTHON).args(["-c", GRANT]).arg(folder.path()).status();
    assert!(status.unwrap().success());
    refused(&lab, &theirs, &format!("{} can be written by the command", folder.path().display()));
    let missing = lab.cli(&["run", "--watch", "--", "/bin/echo"]);
    assert_eq!(missing.status.code(), Some(2), "there is nothing to watch");
}

/// Gives user 65534 everything in the folder of its argument, by an access list (acl(5)) and not by its mode.
const GRANT: &str = "import os, struct, sys
entries = [(1, 7, -1), (2, 7, 65534), (4, 5, -1), (16, 7, -1), (32, 5, -1)]
value = struct.pack('<I', 2) + b''.join(struct.pack('<HHi', *entry) for entry in entries)
os.setxattr(sys.argv[1], 'system.posix_acl_access', value)";

/// What was safe at the start need not stay so.
#[test]
fn a_file_that_the_command_comes_to_own_is_not_put_in_force() {
    let lab = Lab::new(User::Nobody);
    let folder = roots_own(&numbered(1));
    let file = folder.path().join("policy.yaml");
    let (mut running, socket) = run_watched(&lab, &file, &["/bin/cat"]);
    assert_eq!(running.ask("ready"), "ready");
    let mut unwatched = lab.program();
    unwatched.args(["run", "--audit", "-", "--id", "unwatched", "--state-dir"]).arg(lab.path("state"));
    unwatched.arg("--policy").arg(&file).args(["--", "/bin/cat"]);
    let mut unwatched = Program::start(unwatched);
    assert_eq!(unwatched.ask("ready"), "ready");
    fs::remove_file(&file).unwrap();
    wait_for_fault(&socket, "No such file");
    fs::write(&file, numbered(1)).unwrap();
    wait_for_none(&socket);
    assert_eq!(status(&socket)["generation"], 1, "what was there at the start is no change");
    let others = folder.path().join("others.yaml");
    fs::write(&others, numbered(2)).unwrap();
    User::Nobody.own(&others);
    fs::rename(&others, &file).unwrap();
    wait_for_fault(&socket, "belongs to the command's user");
    assert_eq!(in_force(&socket), numbered(1));
    fs::remove_file(&file).unwrap();
    fs::write(&file, numbered(3)).unwrap();
    wait_for(&socket, &numbered(3));
    assert_eq!(status(&socket)["generation"], 2);
    assert_eq!(in_force(&lab.path("state/unwatched.sock")), numbered(1), "nobody asked for it");
}
