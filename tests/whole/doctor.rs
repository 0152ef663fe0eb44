//! `doctor` tries the ways round the proxy itself, and says what it found.
//!
//! Here all is well, for root and for nobody; where namespaces are forbidden it says so, names the cure and fails.

use harness::{Lab, User, for_each_user};
use serde_json::Value;

use crate::programs::{PYTHON, SECCOMP, SH};

for_each_user!(
    all_is_well,
    a_line_for_each_finding,
    what_is_forbidden_fails_with_its_cure,
    the_probe_stops_in_a_real_network,
);

fn findings(stdout: &[u8]) -> Vec<Value> {
    serde_json::from_slice(stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(stdout)))
}

fn all_is_well(user: User) {
    let output = Lab::new(user).cli(&["doctor", "--json"]);
    let findings = findings(&output.stdout);
    for finding in &findings {
        let (name, status) = (finding["name"].as_str().unwrap(), finding["status"].as_str().unwrap());
        let is_attempt = name.contains(": ");
        let expected: &[&str] = if is_attempt { &["ok", "n/a"] } else { &["ok", "n/a", "warn"] };
        assert!(expected.contains(&status), "{finding:#}");
        assert!(!finding["found"].as_str().unwrap().is_empty(), "{finding:#}");
        assert_eq!(finding.get("fix").is_some(), matches!(status, "warn" | "fail"), "{finding:#}");
    }
    let with =
        |start: &str| findings.iter().filter(|one| one["name"].as_str().unwrap().starts_with(start)).count();
    assert!(with("sealed: ") > 30, "{findings:#?}");
    assert_eq!(with("attached: ") > 20, user == User::Root, "{findings:#?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &stderr[..]), (Some(0), ""));
}

fn a_line_for_each_finding(user: User) {
    let lab = Lab::new(user);
    let number = findings(&lab.cli(&["doctor", "--json"]).stdout).len();
    let output = lab.cli(&["doctor"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let is_finding =
        |line: &&str| ["ok ", "warn ", "fail ", "n/a "].iter().any(|status| line.starts_with(status));
    assert_eq!(text.lines().filter(is_finding).count(), number, "{text}");
    assert!(text.lines().all(|line| is_finding(&line) || line.starts_with("      fix: ")), "{text}");
    assert!(text.contains("sealed: TCP over IPv4") && text.contains("arrives at the proxy"), "{text}");
}

/// Each wrapper forbids user namespaces as some system does.
fn what_is_forbidden_fails_with_its_cure(user: User) {
    let lab = Lab::new(user);
    let program = lab.program();
    let program = program.get_program();
    let switched_off = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"";
    let sysctl = ["/usr/bin/unshare", "--user", "--map-root-user", SH, "-c", switched_off, "sh"];
    let filter = [PYTHON, "-c", SECCOMP];
    for (wrapper, cure) in [(&sysctl[..], "sysctl -w user."), (&filter, "--security-opt seccomp=unconfined")]
    {
        let mut command = user.command(wrapper[0]);
        let output = command.args(&wrapper[1..]).arg(program).args(["doctor", "--json"]).output().unwrap();
        let findings = findings(&output.stdout);
        let sealed = findings.iter().find(|finding| finding["name"] == "sealed network").unwrap();
        assert_eq!(sealed["status"], "fail", "{sealed:#}");
        assert!(sealed["found"].as_str().unwrap().contains("cannot create a user namespace"), "{sealed:#}");
        assert!(sealed["fix"].as_str().unwrap().contains(cure), "{sealed:#}");
        assert_eq!(output.status.code(), Some(1));
    }
}

/// The network here has a second interface, which leads to a third one of the same test.
fn the_probe_stops_in_a_real_network(user: User) {
    let lab = Lab::new(user);
    let program = lab.program();
    let script = "/usr/sbin/ip link add test0 type veth peer name test1 && exec \"$1\" __probe attached none";
    let mut command = user.command("/usr/bin/unshare");
    command.args(["--user", "--map-root-user", "--net", SH, "-c", script, "sh"]).arg(program.get_program());
    let output = command.output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.starts_with(r#"{"name":"another interface than lo","outcome":"Answered""#), "{lines}");
    assert_eq!((lines.lines().count(), output.status.code()), (1, Some(1)), "{lines}");
}
